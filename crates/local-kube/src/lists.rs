//! How lists and maps merge: whole, as sets, or by the keys that tell their items apart.

#[cfg(feature = "cluster")]
mod shape;

#[cfg(feature = "cluster")]
pub use self::shape::Shape;

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
