//! `deploy/rbac.yaml`: what each persona needs in Kubernetes' RBAC, from the tools' needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use kubeflow_mcp_core::{Persona, ToolSet};

const PERSONAS: &[Persona] =
    &[Persona::Readonly, Persona::DataScientist, Persona::MlEngineer, Persona::PlatformAdmin];

/// By whether the objects lie in namespaces, then API group, then verbs: the resources.
type Rules = BTreeMap<(bool, &'static str, BTreeSet<&'static str>), BTreeSet<&'static str>>;

pub(super) fn yaml(sets: &[&ToolSet]) -> String {
    let mut text = String::from(
        "# Written by `cargo xtask generate` from what the tools declare that they need.\n\
         # Bind the role of a persona in each namespace with a RoleBinding, and its `-cluster` role, where there is\n\
         # one, with a ClusterRoleBinding. Without the latter the tools work with less and say what they could not see.\n",
    );
    for &persona in PERSONAS {
        let rules = rules(sets, persona);
        for namespaced in [true, false] {
            role(&mut text, persona, namespaced, &rules).expect("a String takes everything");
        }
    }
    text
}

fn rules(sets: &[&ToolSet], persona: Persona) -> Rules {
    let mut verbs: BTreeMap<(bool, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    let tools = sets.iter().flat_map(|set| set.tools()).filter(|tool| tool.persona <= persona);
    for need in tools.flat_map(|tool| tool.needs).filter(|need| !need.borrowed) {
        let resource = need.resource;
        verbs
            .entry((resource.namespaced, resource.group, resource.plural))
            .or_default()
            .extend(need.verbs);
    }
    let mut rules = Rules::new();
    for ((namespaced, group, plural), verbs) in verbs {
        rules.entry((namespaced, group, verbs)).or_default().insert(plural);
    }
    rules
}

fn role(text: &mut String, persona: Persona, namespaced: bool, rules: &Rules) -> std::fmt::Result {
    let mut rules = rules.iter().filter(|((it, ..), _)| *it == namespaced).peekable();
    if rules.peek().is_none() {
        return Ok(());
    }
    let suffix = if namespaced { "" } else { "-cluster" };
    writeln!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: kubeflow-mcp-{persona}{suffix}\nrules:"
    )?;
    for ((_, group, verbs), resources) in rules {
        writeln!(text, "- apiGroups: [\"{group}\"]")?;
        writeln!(text, "  resources: [{}]", quoted(resources))?;
        writeln!(text, "  verbs: [{}]", quoted(verbs))?;
    }
    Ok(())
}

fn quoted(words: &BTreeSet<&str>) -> String {
    words.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
}
