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

    pub fn hint(&self) -> String {
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
    if let (Some(reason), [_, ..]) = (&facts.unreachable, tool.needs) {
        return Err(Refusal::Unreachable(reason.clone()));
    }
    granted(tool, facts).map_err(|refusal| match facts.problem() {
        Some(problem) => Refusal::Unreachable(problem.to_owned()),
        None => refusal,
    })
}

/// Whether the cluster, as far as it is known, has what the tool needs, and grants it.
fn granted(tool: &ToolDef, facts: &Facts) -> Result<(), Refusal> {
    let needs = || tool.needs.iter().copied().filter(|need| need.required);
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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authorization::v1::ResourceRule;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Caller, Effect, Tool};

    /// Patches jobs and reads their logs.
    #[derive(Deserialize, JsonSchema)]
    struct PatchJob {}

    #[derive(Serialize, JsonSchema)]
    struct Nothing {}

    const JOBS: Resource = Resource::namespaced("example.org", "jobs");
    const LOGS: Resource = Resource::namespaced("", "pods/log");

    impl Tool for PatchJob {
        type Output = Nothing;
        const NAME: &str = "patch_job";
        const TITLE: &str = "Patch a job";
        const EFFECT: Effect = Effect::Changes;
        const PERSONA: Persona = Persona::MlEngineer;
        const NEEDS: &[Need] = &[
            Need::to(&["get", "patch"], JOBS),
            Need::to(&["get"], LOGS),
            Need::perhaps(&["list"], Resource::cluster("", "nodes")),
        ];

        async fn call(self, _: &Caller) -> Result<Nothing> {
            Ok(Nothing {})
        }
    }

    fn rule(groups: &str, resources: &str, verbs: &str, names: &[&str]) -> ResourceRule {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        ResourceRule {
            api_groups: Some(list(groups)),
            resources: Some(list(resources)),
            verbs: list(verbs),
            resource_names: Some(names.iter().map(|it| (*it).to_owned()).collect()),
        }
    }

    fn facts(namespaces: Vec<Vec<ResourceRule>>) -> Facts {
        let served = [("", "pods"), ("example.org", "jobs")];
        let served = served.map(|(group, plural)| ((group.into(), plural.into()), "v1".into()));
        let namespaces = namespaces.into_iter().enumerate().map(|(at, rules)| Namespace {
            name: format!("ns-{at}"),
            rules,
            incomplete: false,
        });
        Facts { served: served.into(), namespaces: namespaces.collect(), ..Facts::default() }
    }

    fn engineer() -> Policy {
        Policy::of(Persona::MlEngineer)
    }

    #[track_caller]
    fn check(policy: &Policy, facts: &Facts, expected: &str) {
        let verdict = admit(&ToolDef::of::<PatchJob>(), policy, facts);
        assert_eq!(verdict.map_or_else(|it| it.to_string(), |()| "admitted".to_owned()), expected);
    }

    #[test]
    fn the_policy_comes_first() {
        let all = facts(vec![vec![rule("*", "*", "*", &[])]]);
        check(&engineer(), &all, "admitted");
        check(&Policy::of(Persona::PlatformAdmin), &all, "admitted");
        let low = Policy::of(Persona::DataScientist);
        check(&low, &all, "the tool is for the ml-engineer persona and above");
        let reading = Policy { read_only: true, ..engineer() };
        check(&reading, &all, "the tool writes, and this server only reads");
        let denying = Policy { deny: vec!["get_*".into(), "*_job".into()], ..engineer() };
        check(&denying, &all, "this server's policy denies \"*_job\"");
        let allow = |pattern: &str| Policy { allow: vec![pattern.into()], ..engineer() };
        check(&allow("patch_*"), &all, "admitted");
        check(&allow("patch_job"), &all, "admitted");
        check(&allow("*tch*job"), &all, "admitted");
        check(&allow("patch_jobs"), &all, "this server's policy does not allow the tool");
        check(&allow("patch"), &all, "this server's policy does not allow the tool");
    }

    #[test]
    fn then_the_cluster() {
        check(&engineer(), &Facts::unreachable("gone".into()), "the cluster cannot be asked: gone");
        let mut bare = facts(vec![vec![rule("*", "*", "*", &[])]]);
        bare.served.remove(&("example.org".into(), "jobs".into()));
        check(&engineer(), &bare, "jobs.example.org is not installed in this cluster");
    }

    #[test]
    fn then_what_the_caller_may_do_in_one_namespace() {
        let jobs = || rule("example.org", "jobs", "get patch", &[]);
        let logs = || rule("", "pods/log", "get", &[]);
        let no_jobs = "you may not get and patch jobs.example.org in ns-0";
        let no_logs = "you may not get pods/log in ns-0";
        check(&engineer(), &facts(vec![vec![jobs(), logs()]]), "admitted");
        check(&engineer(), &facts(vec![vec![]]), no_jobs);
        check(&engineer(), &facts(vec![vec![jobs()]]), no_logs);
        check(&engineer(), &facts(vec![vec![jobs(), rule("", "pods", "get", &[])]]), no_logs);
        check(&engineer(), &facts(vec![vec![jobs(), rule("", "*/log", "get", &[])]]), "admitted");
        check(&engineer(), &facts(vec![vec![jobs(), rule("", "*", "*", &[])]]), "admitted");
        let half = || rule("example.org", "jobs", "get", &[]);
        check(&engineer(), &facts(vec![vec![half(), logs()]]), no_jobs);
        let other_half = rule("example.org", "jobs", "patch", &["mine"]);
        check(&engineer(), &facts(vec![vec![half(), other_half, logs()]]), "admitted");
        let elsewhere = vec![vec![jobs()], vec![logs()]];
        let nowhere = "you may not get pods/log in ns-0, ns-1";
        check(&engineer(), &facts(elsewhere), nowhere);
        check(&engineer(), &facts(vec![vec![], vec![jobs(), logs()]]), "admitted");
        let mut unsure = facts(vec![vec![]]);
        unsure.namespaces[0].incomplete = true;
        check(&engineer(), &unsure, "admitted");
    }

    #[test]
    fn a_rule_for_single_names_does_not_list_or_create() {
        let namespace = Namespace {
            rules: vec![rule("example.org", "jobs", "*", &["mine"])],
            ..Namespace::default()
        };
        assert!(namespace.allows(Need::to(&["get", "patch", "delete"], JOBS)));
        for verb in [&["list"] as &[_], &["watch"], &["create"], &["deletecollection"]] {
            assert!(!namespace.allows(Need::to(verb, JOBS)), "{verb:?}");
        }
    }
}
