//! How lists and maps merge: whole, as sets, or by the keys that tell their items apart.

use crate::schema::{self, Schema};

/// How two versions of a list become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// The new list replaces the old one.
    Atomic,
    /// Scalars, each once.
    Set,
    /// Objects told apart by these fields.
    Map(Vec<String>),
}

/// A field whose list merges: its name, the name of a field above it (empty for any), the key of a
/// strategic merge patch, and the keys of server-side apply.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The lists of built-in kinds that do not merge as a whole.
const LISTS: &[Row] = &[
    ("containers", "", "name", &["name"]),
    ("initContainers", "", "name", &["name"]),
    ("ephemeralContainers", "", "name", &["name"]),
    ("volumes", "", "name", &["name"]),
    ("imagePullSecrets", "", "name", &["name"]),
    ("hostAliases", "", "ip", &["ip"]),
    ("topologySpreadConstraints", "", "topologyKey", &["topologyKey", "whenUnsatisfiable"]),
    ("schedulingGates", "", "name", &["name"]),
    ("resourceClaims", "", "name", &["name"]),
    ("claims", "resources", "", &["name"]),
    ("env", "", "name", &["name"]),
    ("volumeMounts", "", "mountPath", &["mountPath"]),
    ("volumeDevices", "", "devicePath", &["devicePath"]),
    ("ports", "containers", "containerPort", &["containerPort", "protocol"]),
    ("ports", "initContainers", "containerPort", &["containerPort", "protocol"]),
    ("ports", "", "port", &["port", "protocol"]),
    ("conditions", "", "type", &["type"]),
    ("addresses", "status", "type", &["type"]),
    ("podIPs", "", "ip", &["ip"]),
    ("hostIPs", "", "ip", &[]),
    ("taints", "", "key", &[]),
    ("secrets", "", "name", &["name"]),
    ("ownerReferences", "metadata", "uid", &["uid"]),
];

/// The lists of scalars that are sets, in a strategic merge patch and in an apply.
const SETS: &[&str] = &["finalizers"];

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

/// The fields that lead to a value of a built-in kind, without the positions in lists.
pub type FieldPath<'p> = [&'p str];

fn row(path: &FieldPath) -> Option<&'static Row> {
    let (name, above) = path.split_last()?;
    LISTS
        .iter()
        .find(|(field, under, ..)| field == name && (under.is_empty() || above.contains(under)))
}

fn is_set(path: &FieldPath) -> bool {
    path.last().is_some_and(|name| SETS.contains(name))
}

/// How a strategic merge patch treats the list at `path` of a built-in kind.
pub fn strategic(path: &FieldPath) -> ListKind {
    match row(path) {
        Some((_, _, key, _)) if !key.is_empty() => ListKind::Map(vec![(*key).to_owned()]),
        _ if is_set(path) => ListKind::Set,
        _ => ListKind::Atomic,
    }
}

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
