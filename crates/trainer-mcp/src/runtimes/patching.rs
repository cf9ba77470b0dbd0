//! Changing a runtime, and showing what becomes different.

use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool};
use local_kube::patch::{merge_patch, strategic_merge};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use workloads::train_job::runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime};

use super::{creation::problems, difference::difference, place::Place};

/// Where a runtime's Jobs stand, in its spec.
const JOBS: &str = "/template/spec/replicatedJobs";

/// Changes a training runtime and shows the difference. Jobs that exist keep what they have.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchRuntime {
    /// Of the runtime.
    name: String,
    /// Part of its spec; lists merge by name, null removes.
    patch: Map<String, Value>,
    /// Default: cluster-wide.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Patched {
    name: String,
    /// Of the namespace or of the whole cluster.
    kind: &'static str,
    /// False when it was so already.
    changed: bool,
    /// Each field that becomes different: `path: before → after`.
    difference: Vec<String>,
    /// What keeps it from being of use afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Tool for PatchRuntime {
    type Output = Patched;
    const NAME: &str = "patch_runtime";
    const TITLE: &str = "Change a training runtime";
    const EFFECT: Effect = Effect::Changes;
    const PERSONA: Persona = Persona::PlatformAdmin;
    const NEEDS: &[Need] = &[
        Need::to(&["get", "update"], CLUSTER_RUNTIMES),
        Need::perhaps(&["get", "update"], RUNTIMES),
    ];

    async fn call(self, caller: &Caller) -> Result<Patched> {
        let place = Place::of(self.namespace.as_deref(), &self.name)?;
        let before = place.get(caller).await?;
        let mut wanted = before.clone();
        merge(&mut wanted["spec"], Value::Object(self.patch))?;
        let after =
            if wanted == before { before.clone() } else { place.replace(caller, &wanted).await? };
        let difference = difference(&before["spec"], &after["spec"]);
        Ok(Patched {
            kind: place.kind.name(),
            changed: !difference.is_empty(),
            difference,
            warnings: Runtime::deserialize(&after).map_or_else(
                |error| vec![format!("our tools cannot read it: {error}")],
                |it| problems(&it),
            ),
            name: self.name,
        })
    }
}

/// Merges a patch into a runtime's spec: Jobs by their names, and what is in their Pods as
/// Kubernetes merges Pods; everything else as a merge patch.
fn merge(spec: &mut Value, mut patch: Value) -> Result<()> {
    let refused = |message: String| Error::argument("patch", message);
    let jobs = patch.pointer_mut(JOBS).map(Value::take);
    if let Some(template) = patch.pointer_mut("/template/spec").and_then(Value::as_object_mut) {
        template.remove("replicatedJobs");
    }
    let rest = patch.to_string();
    merge_patch(spec, rest.as_bytes()).map_err(|status| refused(status.message))?;
    let Some(patches) = jobs else { return Ok(()) };
    let Value::Array(patches) = patches else {
        return Err(refused("template.spec.replicatedJobs must be a list".to_owned()));
    };
    let template = &mut spec["template"]["spec"];
    if template["replicatedJobs"].is_null() {
        template["replicatedJobs"] = json!([]);
    }
    let all = template["replicatedJobs"].as_array_mut();
    let all = all.ok_or_else(|| refused("the runtime's replicatedJobs are no list".to_owned()))?;
    for patch in patches {
        let name = patch["name"].clone();
        if !name.is_string() {
            let problem =
                "each of template.spec.replicatedJobs must have a name, by which it is merged";
            return Err(refused(problem.to_owned()));
        }
        let at = all.iter().position(|it| it["name"] == name);
        match (at, patch["$patch"] == "delete") {
            (Some(at), true) => drop(all.remove(at)),
            (None, true) => {}
            (Some(at), false) => {
                strategic_merge(&mut all[at], &patch).map_err(|status| refused(status.message))?
            }
            (None, false) => all.push(patch),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_merge_by_name_and_the_rest_as_it_is() {
        let pod = json!({"containers": [
            {"name": "node", "image": "old", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "sidecar", "image": "s"}]});
        let job = |name: &str, pod: &Value| json!({"name": name, "template": {"spec": {"template": {"spec": pod}}}});
        let mut spec = json!({"mlPolicy": {"numNodes": 1, "torch": {}},
            "template": {"spec": {"replicatedJobs": [job("node", &pod), job("extra", &pod)]}}});
        let more = json!({"containers": [{"name": "node", "image": "new", "env": [{"name": "B", "value": "3"}]}]});
        let patch = json!({"mlPolicy": {"numNodes": 2}, "template": {"spec": {"replicatedJobs": [
            job("node", &more), {"name": "extra", "$patch": "delete"}]}}});
        let before = spec.clone();
        merge(&mut spec, patch).unwrap();
        assert_eq!(
            difference(&before, &spec),
            [
                "mlPolicy.numNodes: 1 → 2",
                r#"template.spec.replicatedJobs[extra]: {"name":"extra","template":{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"A","value":"1… → nothing"#,
                r#"template.spec.replicatedJobs[node].template.spec.template.spec.containers[node].env[B].value: "2" → "3""#,
                r#"template.spec.replicatedJobs[node].template.spec.template.spec.containers[node].image: "old" → "new""#,
            ]
        );
        let nameless = json!({"template": {"spec": {"replicatedJobs": [{"template": {}}]}}});
        let error = merge(&mut spec, nameless).unwrap_err().to_string();
        assert!(error.contains("must have a name"), "{error}");
    }
}
