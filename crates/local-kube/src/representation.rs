//! What form of answer a client accepts, and objects in that form.

use std::{borrow::Cow, fmt::Write as _};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    kinds::{Kind, events},
    status::{self, Result},
    store::Object,
    table::{Include, table},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Representation {
    Full,
    /// `PartialObjectMetadata`, which spares whoever only wants to know what exists.
    Metadata,
    /// What `kubectl get` prints.
    Table(Include),
    /// `APIGroupDiscoveryList`, the whole of discovery in two answers.
    Discovery,
}

impl Representation {
    /// The first form in an `Accept` header that we speak.
    pub(crate) fn accepted(header: &str) -> Result<Self> {
        if header.trim().is_empty() {
            return Ok(Self::Full);
        }
        header
            .split(',')
            .find_map(Self::range)
            .ok_or_else(|| status::not_acceptable("application/json"))
    }

    fn range(range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
            return None;
        }
        let parameter = |name: &str| {
            range.split(';').find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='))
        };
        match (parameter("as"), parameter("v")) {
            (None, _) => Some(Self::Full),
            (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("v1")) => {
                Some(Self::Metadata)
            }
            (Some("Table"), Some("v1")) => Some(Self::Table(Include::default())),
            (Some("APIGroupDiscoveryList"), Some("v2")) => Some(Self::Discovery),
            _ => None,
        }
    }

    /// The same, with the rows of a table as the query wants them.
    pub(crate) fn with(self, include: Include) -> Self {
        match self {
            Self::Table(_) => Self::Table(include),
            other => other,
        }
    }

    /// One object, for answers, lists and watches.
    pub(crate) fn write<'o>(self, kind: &Kind, object: &'o Object) -> Cow<'o, [u8]> {
        if self == Self::Metadata {
            let metadata = &object.value["metadata"];
            let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
            return Cow::Owned(partial.to_string().into_bytes());
        }
        if let Self::Table(include) = self {
            let version = &object.value["metadata"]["resourceVersion"];
            let metadata = json!({"resourceVersion": version});
            let table = table(kind, &metadata, std::iter::once(&object.value), include);
            return Cow::Owned(table.to_string().into_bytes());
        }
        match in_version(kind, &object.value) {
            Cow::Borrowed(_) => Cow::Borrowed(&object.json),
            Cow::Owned(value) => Cow::Owned(value.to_string().into_bytes()),
        }
    }

    pub(crate) fn write_list<'o>(
        self,
        kind: &Kind,
        metadata: &Value,
        objects: impl Iterator<Item = &'o Object>,
    ) -> Bytes {
        if let Self::Table(include) = self {
            let objects = objects.map(|it| &it.value);
            return table(kind, metadata, objects, include).to_string().into();
        }
        let (list_kind, api_version) = match self {
            Self::Metadata => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
            _ => (kind.list_kind.as_str(), kind.api_version()),
        };
        let mut list = String::new();
        write!(
            list,
            r#"{{"kind":"{list_kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#
        )
        .expect("a string takes everything");
        let mut list = list.into_bytes();
        for (index, object) in objects.enumerate() {
            if index > 0 {
                list.push(b',');
            }
            list.extend_from_slice(&self.write(kind, object));
        }
        list.extend_from_slice(b"]}");
        list.into()
    }
}

/// The object in the version that is asked for. But for events, versions differ in nothing but their
/// name.
pub(crate) fn in_version<'o>(kind: &Kind, value: &'o Value) -> Cow<'o, Value> {
    let api_version = kind.api_version();
    if kind.group == events::NEWER {
        return Cow::Owned(events::newer(value));
    }
    if value["apiVersion"] == api_version {
        return Cow::Borrowed(value);
    }
    let mut value = value.clone();
    value["apiVersion"] = api_version.into();
    Cow::Owned(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_we_speak_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(
            Representation::accepted(kubectl).unwrap(),
            Representation::Table(Include::Metadata)
        );
        let typed = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(Representation::accepted(typed).unwrap(), Representation::Full);
        let protobuf = Representation::accepted("application/vnd.kubernetes.protobuf");
        assert_eq!(protobuf.unwrap_err().code, 406);
    }
}
