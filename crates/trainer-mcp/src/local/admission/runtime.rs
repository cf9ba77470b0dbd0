//! The webhook of training runtimes.

use kube::core::response::StatusCause;
use local_kube::{Admission, Operation};
use serde_json::Value;

use super::{
    Verdict, denied, invalid,
    rules::{self, items},
    wrong,
};
use crate::{
    api::GROUP,
    local::train_job::{ANCESTOR, DATASET_INITIALIZER, MODEL_INITIALIZER, NODE, TRAINER},
};

/// What a runtime that says so in this label is spared.
const UNCHECKED: &str = "trainer.kubeflow.org/webhook-validation";

pub(super) fn admit(admission: &Admission) -> Verdict {
    let (kind, webhook) = match admission.resource.as_str() {
        "trainingruntimes" => ("TrainingRuntime", "validator.trainingruntime.trainer.kubeflow.org"),
        _ => ("ClusterTrainingRuntime", "validator.clustertrainingruntime.trainer.kubeflow.org"),
    };
    let object = &admission.object;
    invalid(kind, GROUP, &admission.name, rules::of_runtime(object))?;
    let unchecked = object["metadata"]["labels"][UNCHECKED] == "disabled";
    if unchecked || admission.operation != Operation::Create {
        return Ok(());
    }
    denied(webhook, &faults(&object["spec"]["template"]["spec"]["replicatedJobs"]))
}

fn faults(jobs: &Value) -> Vec<StatusCause> {
    let mut faults = Vec::new();
    for (index, job) in items(jobs).enumerate() {
        let path = format!("spec.template.spec.replicatedJobs[{index}]");
        let ancestor = job["template"]["metadata"]["labels"][ANCESTOR].as_str();
        let container = match ancestor {
            Some(TRAINER) => NODE,
            Some(initializer @ (DATASET_INITIALIZER | MODEL_INITIALIZER)) => initializer,
            _ => continue,
        };
        let ancestor = ancestor.unwrap_or_default();
        let replicas = job["replicas"].as_i64().unwrap_or(1);
        if replicas != 1 {
            faults.push(wrong(format!("{path}.replicas"), &replicas, "always must be 1"));
        }
        let containers = &job["template"]["spec"]["template"]["spec"]["containers"];
        if !items(containers).any(|it| it["name"] == container) {
            let why = format!("must contain the required container for the ancestor: {ancestor}");
            let field = format!("{path}.template.spec.template.spec.containers");
            faults.push(wrong(field, containers, &why));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_has_its_container_once() {
        let job = |replicas: i64, container: &str| {
            json!([{
                "replicas": replicas,
                "template": {
                    "metadata": {"labels": {ANCESTOR: TRAINER}},
                    "spec": {"template": {"spec": {"containers": [{"name": container}]}}},
                },
            }])
        };
        assert_eq!(faults(&job(1, NODE)), Vec::new());
        let found: Vec<_> = faults(&job(2, "main"))
            .into_iter()
            .map(|it| format!("{}: {}", it.field, it.message))
            .collect();
        assert_eq!(
            found,
            [
                "spec.template.spec.replicatedJobs[0].replicas: Invalid value: 2: always must be 1",
                "spec.template.spec.replicatedJobs[0].template.spec.template.spec.containers: Invalid value: \
                 [{\"name\":\"main\"}]: must contain the required container for the ancestor: trainer",
            ]
        );
    }
}
