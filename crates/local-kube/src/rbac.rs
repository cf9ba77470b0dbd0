//! Who may do what: Roles, ClusterRoles and their bindings.

pub(crate) mod aggregation;
mod bootstrap;
mod escalation;
mod impersonation;
mod review;

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use kube::core::Status;

pub(crate) use self::escalation::check_escalation;
pub use self::{bootstrap::bootstrap, impersonation::acting_as, review::answer};
use crate::{
    UserInfo,
    status::{self, Qualified},
};

/// The group that may do everything, whatever the roles say.
pub const MASTERS: &str = "system:masters";

/// What somebody wants to do. An empty name, namespace or subresource means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    Resource {
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        namespace: &'a str,
        name: &'a str,
    },
    Path {
        verb: &'a str,
        path: &'a str,
    },
}

/// The roles and bindings of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    pub roles: Vec<Role>,
    pub cluster_roles: Vec<ClusterRole>,
    pub role_bindings: Vec<RoleBinding>,
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
}

/// What the roles say to an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The reason names the binding.
    Allowed(String),
    /// The reason is empty unless a binding names a role that does not exist.
    Denied(String),
}

/// One role that a user has, by which binding.
struct Grant<'g> {
    rules: Vec<&'g PolicyRule>,
    by: String,
}

impl Grants {
    /// The 403 of a refused action, or nothing.
    pub fn check(&self, user: &UserInfo, action: &Action<'_>) -> Result<(), Box<Status>> {
        match self.decide(user, action) {
            Decision::Allowed(_) => Ok(()),
            Decision::Denied(reason) => Err(refusal(user, action, &reason)),
        }
    }

    pub fn decide(&self, user: &UserInfo, action: &Action<'_>) -> Decision {
        if user.groups.iter().any(|group| group == MASTERS) {
            return Decision::Allowed(String::new());
        }
        let namespace = match action {
            Action::Resource { namespace, .. } => namespace,
            Action::Path { .. } => "",
        };
        let mut missing = BTreeSet::new();
        let grants = self.of(user, namespace, &mut missing);
        match grants.iter().find(|grant| grant.rules.iter().any(|rule| admits(rule, action))) {
            Some(grant) => Decision::Allowed(format!("RBAC: allowed by {}", grant.by)),
            None => {
                let reason = listed(missing).map(|it| format!("RBAC: {it}"));
                Decision::Denied(reason.unwrap_or_default())
            }
        }
    }

    /// The rules that a user has in a namespace, or everywhere when it is empty; and which roles
    /// their bindings name in vain.
    pub fn rules(&self, user: &UserInfo, namespace: &str) -> (Vec<&PolicyRule>, Option<String>) {
        let mut missing = BTreeSet::new();
        let grants = self.of(user, namespace, &mut missing);
        (grants.into_iter().flat_map(|grant| grant.rules).collect(), listed(missing))
    }

    fn of(
        &self,
        user: &UserInfo,
        namespace: &str,
        missing: &mut BTreeSet<String>,
    ) -> Vec<Grant<'_>> {
        let mut grants = Vec::new();
        for binding in &self.cluster_role_bindings {
            let name = binding.metadata.name.as_deref().unwrap_or_default();
            let by = format!("ClusterRoleBinding {name:?}");
            let subjects = binding.subjects.as_deref().unwrap_or_default();
            self.grant(user, &by, subjects, &binding.role_ref, "", &mut grants, missing);
        }
        for binding in &self.role_bindings {
            let home = binding.metadata.namespace.as_deref().unwrap_or_default();
            if namespace.is_empty() || home != namespace {
                continue;
            }
            let name = binding.metadata.name.as_deref().unwrap_or_default();
            let by = format!("RoleBinding \"{name}/{home}\"");
            let subjects = binding.subjects.as_deref().unwrap_or_default();
            self.grant(user, &by, subjects, &binding.role_ref, home, &mut grants, missing);
        }
        grants
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the two kinds of binding share these fields and no type"
    )]
    fn grant<'g>(
        &'g self,
        user: &UserInfo,
        by: &str,
        subjects: &[Subject],
        role: &RoleRef,
        namespace: &str,
        grants: &mut Vec<Grant<'g>>,
        missing: &mut BTreeSet<String>,
    ) {
        let Some(subject) = subjects.iter().find(|subject| speaks_of(subject, user, namespace))
        else {
            return;
        };
        let Some(rules) = self.rules_of(role, namespace) else {
            let kind = role.kind.to_lowercase();
            missing.insert(format!("{kind}.rbac.authorization.k8s.io {:?} not found", role.name));
            return;
        };
        let of = format!("{} {:?} to {} {:?}", role.kind, role.name, subject.kind, subject.name);
        grants.push(Grant { rules, by: format!("{by} of {of}") });
    }

    /// The rules of the role that a binding of this namespace names.
    fn rules_of(&self, role: &RoleRef, namespace: &str) -> Option<Vec<&PolicyRule>> {
        match role.kind.as_str() {
            "ClusterRole" => self.cluster_rules(&role.name, &mut BTreeSet::new()),
            _ => self.role_rules(&role.name, namespace),
        }
    }

    fn role_rules(&self, name: &str, namespace: &str) -> Option<Vec<&PolicyRule>> {
        let role = self.roles.iter().find(|role| {
            role.metadata.name.as_deref() == Some(name)
                && role.metadata.namespace.as_deref() == Some(namespace)
        })?;
        Some(role.rules.iter().flatten().collect())
    }

    /// A role that aggregates has the rules of all roles that its selectors match; they are gathered
    /// at each question, so that a new role counts at once.
    fn cluster_rules<'g>(
        &'g self,
        name: &str,
        seen: &mut BTreeSet<&'g str>,
    ) -> Option<Vec<&'g PolicyRule>> {
        let role =
            self.cluster_roles.iter().find(|role| role.metadata.name.as_deref() == Some(name))?;
        let own = role.metadata.name.as_deref().unwrap_or_default();
        if !seen.insert(own) {
            return Some(Vec::new());
        }
        let Some(aggregation) = &role.aggregation_rule else {
            return Some(role.rules.iter().flatten().collect());
        };
        let mut rules = Vec::new();
        for part in &self.cluster_roles {
            let labels = part.metadata.labels.as_ref();
            let matches =
                aggregation.cluster_role_selectors.iter().flatten().any(|selector| {
                    selector.match_labels.iter().flatten().all(|(key, value)| {
                        labels.is_some_and(|labels| labels.get(key) == Some(value))
                    })
                });
            if let (true, Some(name)) = (matches, &part.metadata.name) {
                rules.extend(self.cluster_rules(name, seen).unwrap_or_default());
            }
        }
        Some(rules)
    }
}

/// Several problems in one text, as Go prints a list of errors.
fn listed(problems: BTreeSet<String>) -> Option<String> {
    let problems: Vec<String> = problems.into_iter().collect();
    match problems.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// `namespace` is the binding's, where a subject names none.
fn speaks_of(subject: &Subject, user: &UserInfo, namespace: &str) -> bool {
    match subject.kind.as_str() {
        "User" => subject.name == user.username,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let home = subject.namespace.as_deref().unwrap_or(namespace);
            user.username == format!("system:serviceaccount:{home}:{}", subject.name)
        }
        _ => false,
    }
}

fn admits(rule: &PolicyRule, action: &Action<'_>) -> bool {
    let among = |list: &Option<Vec<String>>, wanted: &str| {
        list.iter().flatten().any(|one| one == "*" || one == wanted)
    };
    match *action {
        Action::Path { verb, path } => {
            let verbs = rule.verbs.iter().any(|one| one == "*" || one == verb);
            verbs
                && rule.non_resource_urls.iter().flatten().any(|url| match url.strip_suffix('*') {
                    Some(prefix) => path.starts_with(prefix),
                    None => url == path,
                })
        }
        Action::Resource { verb, group, resource, subresource, name, .. } => {
            rule.verbs.iter().any(|one| one == "*" || one == verb)
                && among(&rule.api_groups, group)
                && rule.resources.iter().flatten().any(|one| match one.split_once('/') {
                    None => one == "*" || (subresource.is_empty() && one == resource),
                    Some((whole, part)) => {
                        part == subresource && (whole == "*" || whole == resource)
                    }
                })
                && match rule.resource_names.as_deref() {
                    None | Some([]) => true,
                    Some(names) => names.iter().any(|one| one == name),
                }
        }
    }
}

fn refusal(user: &UserInfo, action: &Action<'_>, reason: &str) -> Box<Status> {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let who = &user.username;
    match *action {
        Action::Path { verb, path } => {
            let message = format!("forbidden: User {who:?} cannot {verb} path {path:?}{reason}");
            status::forbidden_path(&message)
        }
        Action::Resource { verb, group, resource, subresource, namespace, name } => {
            let part = match subresource {
                "" => resource.to_owned(),
                part => format!("{resource}/{part}"),
            };
            let place = match namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            let why = format!(
                "User {who:?} cannot {verb} resource {part:?} in API group {group:?} {place}{reason}"
            );
            status::forbidden(Qualified { name: resource, group }, name, &why)
        }
    }
}

#[cfg(test)]
mod tests;
