//! Making a runtime.

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use workloads::{
    creation,
    train_job::runtime::{CLUSTER_RUNTIMES, FRAMEWORK, RUNTIMES, Runtime},
};

use super::{explained, place::Place};

/// Makes a training runtime. Call it when none of list_runtimes suits; patch_runtime changes one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRuntime {
    /// Of the runtime.
    name: String,
    /// Such as torch; torchtune runs recipes.
    #[schemars(length(min = 1, max = 63))]
    framework: String,
    /// mlPolicy, and template with a JobSet's spec.
    spec: Map<String, Value>,
    /// Default: cluster-wide.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Created {
    name: String,
    /// Of the namespace or of the whole cluster.
    kind: &'static str,
    /// False when the same call had made it before.
    created: bool,
    /// The tools that can start jobs from it.
    used_by: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// What keeps it from being of use, and what the API server warns of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Tool for CreateRuntime {
    type Output = Created;
    const NAME: &str = "create_runtime";
    const TITLE: &str = "Create a training runtime";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::PlatformAdmin;
    const NEEDS: &[Need] = &[
        Need::to(&["create"], CLUSTER_RUNTIMES),
        Need::perhaps(&["create"], RUNTIMES),
        Need::perhaps(&["get"], CLUSTER_RUNTIMES),
        Need::perhaps(&["get"], RUNTIMES),
    ];

    async fn call(self, caller: &Caller) -> Result<Created> {
        let place = Place::of(self.namespace.as_deref(), &self.name)?;
        let object = place.object(&json!({FRAMEWORK: self.framework}), &json!(self.spec));
        let creation = creation::create(caller, &place.collection(), object).await?;
        let mut warnings = creation.warnings;
        let runtime = Runtime::deserialize(&creation.object);
        let runtime = runtime.unwrap_or_else(|error| {
            warnings.push(format!("our tools cannot read it: {error}"));
            Runtime::default()
        });
        warnings.extend(problems(&runtime));
        Ok(Created {
            kind: place.kind.name(),
            created: creation.created,
            used_by: explained::used_by(&runtime),
            image: runtime.image().map(str::to_owned),
            warnings,
            name: self.name,
        })
    }
}

/// What is allowed, but makes a runtime that is of no use.
pub(super) fn problems(runtime: &Runtime) -> Vec<String> {
    let mut problems = Vec::new();
    if runtime.trainer().is_none() {
        problems.push(
            "it has no container \"node\" in a Job \"node\", so nothing can be trained with it"
                .to_owned(),
        );
    } else if runtime.image().is_none() {
        problems.push("its container \"node\" has no image: each job must name one".to_owned());
    }
    if runtime.has_no_trainer_label() {
        problems.push(
            "no Job has the label trainer.kubeflow.org/trainjob-ancestor-step=trainer: what jobs say of nodes, image and resources is not applied".to_owned(),
        );
    }
    problems
}
