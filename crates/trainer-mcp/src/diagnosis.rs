//! Why a training job does not run or has failed: gathered once, then judged as plain data.

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use workloads::{
    diagnosis::{self, Diagnosis, Next, Printing, Snapshot, gather},
    train_job::{CONTAINER, TRAIN_JOBS},
    workload::Workload,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<DiagnoseTrainingJob>()];

/// Finds out why a training job waits, fails or hangs: causes with evidence and next steps. Call it
/// first when a job is not as it should be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiagnoseTrainingJob {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

impl Tool for DiagnoseTrainingJob {
    type Output = Diagnosis;
    const NAME: &str = "diagnose_training_job";
    const TITLE: &str = "Find out why a training job fails";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] =
        &Need::joined::<13>(&[Need::to(&["get"], TRAIN_JOBS)], &diagnosis::NEEDS);

    async fn call(self, caller: &Caller) -> Result<Diagnosis> {
        let job = Workload::train_job(caller, self.namespace.as_deref(), &self.name).await?;
        let snapshot = gather(caller, job, Printing { container: CONTAINER, relay: None }).await;
        Ok(diagnosis(&snapshot, self.namespace.as_deref()))
    }
}

/// What is the matter, with steps that are calls of these tools; `namespace` is what they must be given,
/// if anything.
pub fn diagnosis(snapshot: &Snapshot, namespace: Option<&str>) -> Diagnosis {
    Diagnosis::of(snapshot, |next| Some(shown(next, snapshot.job.name(), namespace)))
}

fn shown(next: &Next, name: &str, namespace: Option<&str>) -> String {
    let mut arguments = Map::from_iter([("name".to_owned(), Value::from(name))]);
    let (tool, why) = match next {
        Next::Log { step, previous } => {
            arguments.extend(step.clone().map(|it| ("step".to_owned(), it.into())));
            arguments.extend(previous.then(|| ("previous".to_owned(), true.into())));
            ("get_training_logs", "shows the whole log")
        }
        Next::Events => ("get_training_events", "shows what happened"),
        Next::Resources => {
            arguments.clear();
            ("get_cluster_resources", "shows what there is and what is free")
        }
        Next::Runtimes => {
            arguments.clear();
            ("list_runtimes", "shows those that there are")
        }
        Next::Resume => {
            arguments.insert("action".to_owned(), "resume".into());
            ("update_training_job", "resumes it")
        }
        Next::Follow => {
            return "start it again and watch its log with wait_for_training".to_owned();
        }
        Next::Delete => {
            let how = "which does it in the background";
            return format!("delete it with delete_training_job, {how}");
        }
        Next::Advice(text) => return (*text).to_owned(),
    };
    arguments.extend(namespace.map(|it| ("namespace".to_owned(), it.into())));
    format!("{tool} {}: {why}", Value::Object(arguments))
}

#[cfg(all(test, feature = "local"))]
mod tests;
