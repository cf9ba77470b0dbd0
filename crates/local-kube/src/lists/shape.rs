//! How the parts of an object merge in an apply: by the schema of its kind, or by the table of built-in kinds.

use super::{FieldPath, ListKind, is_set, row};
use crate::schema::{self, Schema};

/// The objects of built-in kinds that an apply replaces whole.
const ATOMIC_MAPS: &[&str] = &[
    "selector",
    "labelSelector",
    "namespaceSelector",
    "nodeSelector",
    "configMapKeyRef",
    "secretKeyRef",
    "fieldRef",
    "resourceFieldRef",
    "secretRef",
    "claimRef",
    "scopeSelector",
    "involvedObject",
    "regarding",
    "roleRef",
    "ownerReferences",
];

/// What says how the parts of an object merge in an apply: its kind's schema, or the table of built-in kinds.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'s> {
    BuiltIn,
    /// A custom resource; without a schema below this point, everything there is atomic.
    Custom(Option<&'s Schema>),
}

impl<'s> Shape<'s> {
    /// The shape of the field that `path` ends in.
    pub fn field(self, name: &str) -> Self {
        match self {
            Self::BuiltIn => Self::BuiltIn,
            Self::Custom(schema) => Self::Custom(schema.and_then(|it| schema::property(it, name))),
        }
    }

    pub fn item(self) -> Self {
        match self {
            Self::BuiltIn => Self::BuiltIn,
            Self::Custom(schema) => Self::Custom(schema.and_then(schema::items)),
        }
    }

    pub fn list(self, path: &FieldPath) -> ListKind {
        // The metadata of every kind is built in.
        let metadata = path.first() == Some(&"metadata");
        match self {
            Self::Custom(schema) if !metadata => {
                let Some(schema) = schema else { return ListKind::Atomic };
                let keys = || schema.x_kubernetes_list_map_keys.clone().unwrap_or_default();
                match schema.x_kubernetes_list_type.as_deref() {
                    Some("map") => ListKind::Map(keys()),
                    Some("set") => ListKind::Set,
                    _ => ListKind::Atomic,
                }
            }
            _ => match row(path) {
                Some((.., keys)) if !keys.is_empty() => {
                    ListKind::Map(keys.iter().map(|key| (*key).to_owned()).collect())
                }
                _ if is_set(path) => ListKind::Set,
                _ => ListKind::Atomic,
            },
        }
    }

    /// Whether an apply owns the object at `path` as one value.
    pub fn is_atomic_map(self, path: &FieldPath) -> bool {
        match self {
            _ if path.first() == Some(&"metadata") || matches!(self, Self::BuiltIn) => {
                path.last().is_some_and(|name| ATOMIC_MAPS.contains(name))
            }
            Self::Custom(Some(schema)) => schema.x_kubernetes_map_type.as_deref() == Some("atomic"),
            _ => false,
        }
    }
}
