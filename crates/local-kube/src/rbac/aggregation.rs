//! Writes the rules that a ClusterRole gathers from others into it, where everybody can read them.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::Grants;
use crate::LocalKube;

pub(crate) async fn run(kube: &LocalKube) {
    let roles: Api<ClusterRole> = Api::all(kube.client());
    let mut writes = kube.store().any_write();
    let mut seen: Option<Arc<Grants>> = None;
    loop {
        writes.mark_unchanged();
        let grants = kube.grants();
        if seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, &grants)) {
            for (name, rules) in outdated(&grants) {
                let patch = Patch::Merge(json!({"rules": rules}));
                let manager = PatchParams::apply("clusterrole-aggregation-controller");
                if let Err(error) = roles.patch(&name, &manager, &patch).await {
                    tracing::debug!(%error, name, "writing the rules that a role gathers");
                }
            }
            seen = Some(grants);
        }
        if writes.changed().await.is_err() {
            return;
        }
    }
}

/// The roles whose rules are not those that they gather, with these.
fn outdated(grants: &Grants) -> Vec<(String, Vec<PolicyRule>)> {
    let gathering = grants.cluster_roles.iter().filter(|it| it.aggregation_rule.is_some());
    let outdated = gathering.filter_map(|role| {
        let name = role.metadata.name.as_deref()?;
        let mut rules: Vec<PolicyRule> = Vec::new();
        for rule in grants.cluster_rules(name, &mut BTreeSet::new())? {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        let written = role.rules.as_deref().unwrap_or_default();
        (written != rules).then(|| (name.to_owned(), rules))
    });
    outdated.collect()
}
