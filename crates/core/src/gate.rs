//! Which tools a caller is offered. Nothing else in the workspace decides it.

use k8s_openapi::api::authorization::v1::{
    ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use kube::{Api, api::PostParams};

use crate::{Caller, Need, Persona, Policy, Resource, Result, ToolDef};

/// What the cluster says of itself and of the caller.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Every resource the cluster serves, as `(group, plural)`.
    pub served: Vec<(String, String)>,
    /// What the caller may do in their namespace.
    pub rules: Vec<ResourceRule>,
    /// Whether `rules` may leave some out, as with a webhook authorizer.
    pub incomplete: bool,
}

/// Why a tool is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the tool is for the {0:?} persona and above")]
    Persona(Persona),
    #[error("{}.{} is not installed in this cluster", .0.plural, .0.group)]
    NotServed(Resource),
    #[error("you may not {} {}.{}", .0.verbs.join(" and "), .0.resource.plural, .0.resource.group)]
    Forbidden(Need),
}

impl Refusal {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Persona(_) => "denied_by_policy",
            Self::NotServed(_) => "not_installed",
            Self::Forbidden(_) => "forbidden",
        }
    }
}

/// Admits a tool, or says why not. Kubernetes has the last word: this only spares futile calls.
pub fn admit(tool: &ToolDef, policy: &Policy, facts: &Facts) -> Result<(), Refusal> {
    if policy.persona < tool.persona {
        return Err(Refusal::Persona(tool.persona));
    }
    for &need in tool.needs {
        if !facts.serve(need.resource) {
            return Err(Refusal::NotServed(need.resource));
        }
        if !facts.incomplete && !facts.allow(need) {
            return Err(Refusal::Forbidden(need));
        }
    }
    Ok(())
}

impl Facts {
    /// Asks the cluster, as the caller.
    pub(crate) async fn of(caller: &Caller) -> Result<Self> {
        let client = caller.client();
        let mut served = Vec::new();
        for group in client.list_api_groups().await?.groups {
            let Some(version) = group.preferred_version else { continue };
            let resources = client.list_api_group_resources(&version.group_version).await?;
            served.extend(resources.resources.into_iter().map(|it| (group.name.clone(), it.name)));
        }
        let namespace = Some(client.default_namespace().to_owned());
        let review = SelfSubjectRulesReview {
            spec: SelfSubjectRulesReviewSpec { namespace },
            ..Default::default()
        };
        let review = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
        let status = review.status.unwrap_or_default();
        Ok(Self { served, rules: status.resource_rules, incomplete: status.incomplete })
    }

    fn serve(&self, resource: Resource) -> bool {
        self.served
            .iter()
            .any(|(group, plural)| group == resource.group && plural == resource.plural)
    }

    fn allow(&self, need: Need) -> bool {
        let names =
            |list: &[String], it: &str| list.iter().any(|entry| entry == "*" || entry == it);
        need.verbs.iter().all(|verb| {
            self.rules.iter().any(|rule| {
                names(&rule.verbs, verb)
                    && names(rule.api_groups.as_deref().unwrap_or_default(), need.resource.group)
                    && names(rule.resources.as_deref().unwrap_or_default(), need.resource.plural)
            })
        })
    }
}
