//! Which tools a caller is offered. Nothing else in the workspace decides it.

use crate::{Facts, Namespace, Need, Persona, Policy, Resource, Result, ToolDef};

/// Why a tool is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the tool is for the {0} persona and above")]
    Persona(Persona),
    #[error("the tool writes, and this server only reads")]
    ReadOnly,
    #[error("this server's policy does not allow the tool")]
    NotAllowed,
    #[error("this server's policy denies {0:?}")]
    Denied(String),
    #[error("the cluster cannot be asked: {0}")]
    Unreachable(String),
    #[error("{0} is not installed in this cluster")]
    NotServed(Resource),
    #[error("you may not {} {} in {}", .need.verbs.join(" and "), .need.resource, .namespaces.join(", "))]
    Forbidden { need: Need, namespaces: Vec<String> },
}

impl Refusal {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Persona(_) | Self::ReadOnly | Self::NotAllowed | Self::Denied(_) => {
                "denied_by_policy"
            }
            Self::Unreachable(_) => "unreachable",
            Self::NotServed(_) => "not_installed",
            Self::Forbidden { .. } => "forbidden",
        }
    }

    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Persona(persona) => {
                format!("whoever runs this server can start it with --persona {persona}")
            }
            Self::ReadOnly | Self::NotAllowed | Self::Denied(_) => {
                "whoever runs this server decides it; health_check lists what is offered".to_owned()
            }
            Self::Unreachable(_) => "call health_check, which says what is wrong".to_owned(),
            Self::NotServed(_) => {
                "a cluster administrator can install the component it belongs to".to_owned()
            }
            Self::Forbidden { .. } => {
                "ask a cluster administrator for a role that grants it".to_owned()
            }
        }
    }
}

/// Admits a tool, or says why not. Kubernetes has the last word: this only spares futile calls.
pub fn admit(tool: &ToolDef, policy: &Policy, facts: &Facts) -> Result<(), Refusal> {
    if policy.persona < tool.persona {
        return Err(Refusal::Persona(tool.persona));
    }
    if policy.read_only && tool.effect.writes() {
        return Err(Refusal::ReadOnly);
    }
    if let Some(pattern) = policy.deny.iter().find(|it| matches(it, tool.name)) {
        return Err(Refusal::Denied(pattern.clone()));
    }
    if !policy.allow.is_empty() && !policy.allow.iter().any(|it| matches(it, tool.name)) {
        return Err(Refusal::NotAllowed);
    }
    let needs = || tool.needs.iter().copied().filter(|need| need.required);
    if let (Some(reason), Some(_)) = (&facts.unreachable, needs().next()) {
        return Err(Refusal::Unreachable(reason.clone()));
    }
    if let Some(need) = needs().find(|need| !facts.serve(need.resource)) {
        return Err(Refusal::NotServed(need.resource));
    }
    // All of it in one namespace: half the rights here and half there do not make the tool work.
    let lacking = |namespace: &Namespace| needs().find(|need| !namespace.allows(*need));
    let lacks: Vec<Option<Need>> = facts.namespaces.iter().map(lacking).collect();
    match lacks.first() {
        Some(&Some(need)) if lacks.iter().all(Option::is_some) => Err(Refusal::Forbidden {
            need,
            namespaces: facts.namespaces.iter().map(|it| it.name.clone()).collect(),
        }),
        _ => Ok(()),
    }
}

/// Whether a name fits a pattern in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| matches(rest, &name[at..]))
        }),
    }
}
