//! Keeps users from granting more than they hold, by the roles and bindings that they write.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef};
use serde_json::Value;

use super::{Action, Decision, Grants};
use crate::{
    UserInfo,
    kinds::Kind,
    status::{self, Result},
};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses what would grant rules that the user neither holds nor may grant all the same, with the
/// verb `escalate` on the role written or `bind` on the role bound. `old` is `Null` for a creation.
pub(crate) fn check_escalation(
    grants: &Grants,
    user: &UserInfo,
    kind: &Kind,
    namespace: &str,
    old: &Value,
    new: &Value,
) -> Result<()> {
    if kind.group != GROUP {
        return Ok(());
    }
    let is_binding = kind.plural.ends_with("bindings");
    let granting = if is_binding { ["roleRef", "subjects"] } else { ["rules", "aggregationRule"] };
    if granting.iter().all(|field| old[field] == new[field]) {
        return Ok(());
    }
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    let may = |verb, resource, name| {
        let subresource = "";
        let action =
            Action::Resource { verb, group: GROUP, resource, subresource, namespace, name };
        holds(grants, user, &action)
    };
    let given: Vec<PolicyRule>;
    let rules = if is_binding {
        let role: RoleRef = read(&new["roleRef"])?;
        let resource = if role.kind == "ClusterRole" { "clusterroles" } else { "roles" };
        if may("bind", resource, &role.name) {
            return Ok(());
        }
        let rules = grants.rules_of(&role, namespace);
        // The registry of bindings tells it, in its own name.
        rules.ok_or_else(|| status::not_found(kind.by_resource(), &role.name))?
    } else {
        if may("escalate", &kind.plural, name) {
            return Ok(());
        }
        if new["aggregationRule"].is_object() && !holds_all(grants, user) {
            let why = "must have cluster-admin privileges to use an aggregationRule";
            return Err(status::forbidden(kind.by_resource(), name, why));
        }
        given = read::<Option<_>>(&new["rules"])?.unwrap_or_default();
        given.iter().collect()
    };
    let missing = missing(grants, user, namespace, &rules);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let why = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.username,
        groups.join(" "),
        missing.join("\n")
    );
    Err(status::forbidden(kind.by_resource(), name, &why))
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| status::bad_request(error.to_string()))
}

fn holds(grants: &Grants, user: &UserInfo, action: &Action<'_>) -> bool {
    matches!(grants.decide(user, action), Decision::Allowed(_))
}

fn holds_all(grants: &Grants, user: &UserInfo) -> bool {
    let all = || Some(vec!["*".to_owned()]);
    let verbs = vec!["*".to_owned()];
    let resources =
        PolicyRule { api_groups: all(), resources: all(), verbs, ..PolicyRule::default() };
    missing(grants, user, "", &[&resources]).is_empty()
}

/// The parts of the rules that the user does not hold, a line for each resource or path.
///
/// A wildcard that is to be granted is asked for like a name, which only a wildcard admits.
fn missing(
    grants: &Grants,
    user: &UserInfo,
    namespace: &str,
    rules: &[&PolicyRule],
) -> Vec<String> {
    let mut lacking: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut ask = |action: Action<'_>, verb, what: String| {
        if !holds(grants, user, &action) {
            lacking.entry(what).or_default().insert(verb);
        }
    };
    for rule in rules {
        for verb in &rule.verbs {
            for path in rule.non_resource_urls.iter().flatten() {
                ask(Action::Path { verb, path }, verb, format!("NonResourceURLs:[{path:?}]"));
            }
            for group in rule.api_groups.iter().flatten() {
                for whole in rule.resources.iter().flatten() {
                    let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
                    let what = format!("APIGroups:[{group:?}], Resources:[{whole:?}]");
                    let of = |name| Action::Resource {
                        verb,
                        group,
                        resource,
                        subresource,
                        namespace,
                        name,
                    };
                    match rule.resource_names.as_deref() {
                        None | Some([]) => ask(of(""), verb, what),
                        Some(names) => {
                            for name in names {
                                ask(of(name), verb, format!("{what}, ResourceNames:[{name:?}]"));
                            }
                        }
                    }
                }
            }
        }
    }
    let line = |(what, verbs): (String, BTreeSet<&str>)| {
        let verbs: Vec<String> = verbs.iter().map(|verb| format!("{verb:?}")).collect();
        format!("{{{what}, Verbs:[{}]}}", verbs.join(" "))
    };
    lacking.into_iter().map(line).collect()
}
