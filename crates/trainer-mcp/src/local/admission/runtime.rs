//! The webhook of training runtimes.

use kube::core::response::StatusCause;
use local_kube::{Admission, Operation, Stage, status};
use serde_json::{Map, Value};

use super::{
    Verdict, denied,
    rules::{self, items},
    wrong,
};
use crate::local::{
    crds::TYPES,
    train_job::{ANCESTOR, DATASET_INITIALIZER, MODEL_INITIALIZER, NODE, TRAINER},
};

/// What a runtime that says so in this label is spared.
const UNCHECKED: &str = "trainer.kubeflow.org/webhook-validation";

/// What is told of a runtime that is labelled so.
pub(super) const DEPRECATED: &str = "is deprecated and will be removed in a future release of Kubeflow Trainer. \
     See runtime deprecation policy: https://trainer.kubeflow.org/en/latest/operator-guides/runtime.html#runtime-deprecation-policy";

pub(super) fn admit(admission: &mut Admission) -> Verdict {
    let webhook = match admission.resource.as_str() {
        "trainingruntimes" => "validator.trainingruntime.trainer.kubeflow.org",
        _ => "validator.clustertrainingruntime.trainer.kubeflow.org",
    };
    let object = &admission.object;
    match admission.stage {
        Stage::Mutating => return Ok(()),
        Stage::Rules => {
            admission.broken_rules.extend(rules::of_runtime(object));
            return Ok(());
        }
        Stage::Validating => {}
    }
    let labels = &object["metadata"]["labels"];
    // A namespace's runtime is not looked at again when it changes.
    let of_a_namespace = admission.namespace.is_some();
    if labels[UNCHECKED] == "disabled"
        || (of_a_namespace && admission.operation == Operation::Update)
    {
        return Ok(());
    }
    if !of_a_namespace
        && admission.operation == Operation::Create
        && labels["trainer.kubeflow.org/support"] == "deprecated"
    {
        let name = &admission.name;
        admission.warnings.push(format!("ClusterTrainingRuntime \"{name}\" {DEPRECATED}"));
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
            faults.push(wrong_containers(field, containers, &why));
        }
    }
    faults
}

/// Containers are shown as Go writes them: in the order of its type, with resources even if none.
fn wrong_containers(field: String, containers: &Value, why: &str) -> StatusCause {
    let shown = items(containers).map(|container| {
        let mut container = container.clone();
        if container["resources"].is_null() {
            container["resources"] = Value::Object(Map::new());
        }
        TYPES.in_order("Container", &container)
    });
    let shown = match containers {
        Value::Null => "null".to_owned(),
        _ => format!("[{}]", shown.collect::<Vec<_>>().join(",")),
    };
    status::cause::cause("FieldValueInvalid", field, format!("Invalid value: {shown}: {why}"))
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
                 [{\"name\":\"main\",\"resources\":{}}]: must contain the required container for the ancestor: trainer",
            ]
        );
    }
}
