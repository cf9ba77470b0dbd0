//! What the webhook says of TrainJobs, in the words that users see.

use serde_json::{Value, json};

use super::*;

fn runtime() -> Value {
    let step = |name: &str, ancestor: &str, mounts: Value| {
        json!({
            "name": name,
            "template": {
                "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": ancestor}},
                "spec": {"template": {"spec": {"containers": [{"name": name, "volumeMounts": mounts}]}}},
            },
        })
    };
    json!({
        "metadata": {"name": "torchtune-llama3.2-1b"},
        "spec": {
            "mlPolicy": {"torch": {}},
            "template": {"spec": {"replicatedJobs": [
                step("dataset-initializer", "dataset-initializer", json!([])),
                step("node", "trainer", json!([])),
            ]}},
        },
    })
}

fn job(spec: Value) -> TrainJob {
    let mut spec = spec;
    if spec["runtimeRef"].is_null() {
        spec["runtimeRef"] = json!({"name": "torchtune-llama3.2-1b"});
    }
    let job = json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "hello"},
        "spec": spec,
    });
    serde_json::from_value(job).unwrap()
}

/// What is wrong, without the value that is.
fn short(message: &str) -> &str {
    message
        .find(": must")
        .or(message.find(": QLoRA"))
        .or(message.find(": LoRA"))
        .map_or(message, |it| &message[it + 2..])
}

/// The faults of a new job, one a line. Long values are left out.
fn check(spec: Value, runtime: Value, expected: &[&str]) {
    let runtime = serde_json::from_value(runtime).unwrap();
    let found: Vec<_> = faults(&job(spec), None, None, &runtime)
        .into_iter()
        .map(|cause| format!("{}: {}", cause.field, short(&cause.message)))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn initializers_need_their_jobs() {
    check(
        json!({"initializer": {"dataset": {}, "model": {}}}),
        runtime(),
        &[
            "spec.runtimeRef: must have volumeMount with name - initializer in container dataset-initializer of the dataset-initializer job",
            "spec.runtimeRef: must have model-initializer job when trainJob is configured with input modelConfig",
        ],
    );
}

#[test]
fn reserved_variables_are_refused() {
    let env =
        json!([{"name": "PET_NNODES", "value": "1"}, {"name": "A"}, {"name": "PET_MASTER_ADDR"}]);
    let faults = faults(
        &job(json!({"trainer": {"env": env}})),
        None,
        None,
        &serde_json::from_value(runtime()).unwrap(),
    );
    assert_eq!(
        faults[0].message,
        r#"Invalid value: [{"name":"PET_NNODES","value":"1"},{"name":"A"},{"name":"PET_MASTER_ADDR"}]: must not have reserved envs, invalid envs configured: [PET_MASTER_ADDR PET_NNODES]"#
    );
    let mut xgboost = runtime();
    xgboost["spec"]["mlPolicy"] = json!({"xgboost": {}});
    check(
        json!({"trainer": {"env": [{"name": "A"}, {"name": "DMLC_TASK_ID"}]}}),
        xgboost,
        &["spec.trainer.env[1]: Forbidden: DMLC_TASK_ID is reserved for the XGBoost runtime"],
    );
}

#[test]
fn patches_leave_the_environment_to_the_trainer() {
    let patch = |manager: &str, job: &str, pod: Value| {
        json!({"runtimePatches": [{
            "manager": manager,
            "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [
                {"name": job, "template": {"spec": {"template": {"spec": pod}}}},
            ]}}},
        }]})
    };
    check(patch("a.io/b", "node", json!({"nodeSelector": {"a": "b"}})), runtime(), &[]);
    check(
        patch("me", "nodes", json!({})),
        runtime(),
        &[r#"spec.runtimePatches.manager: must be a domain-prefixed path (such as "acme.io/foo")"#],
    );
    check(
        patch("a.io/b", "node", json!({"containers": [{"name": "node", "env": [{"name": "A"}]}]})),
        runtime(),
        &[
            "spec.runtimePatches: must not have envs for the dataset-initializer, model-initializer, node containers",
        ],
    );
}

#[test]
fn patches_change_only_while_nothing_runs() {
    let patch = json!([{"manager": "a.io/b"}]);
    let running = job(json!({"suspend": false}));
    let patched = job(json!({"suspend": false, "runtimePatches": patch}));
    let suspended = job(json!({"suspend": true, "runtimePatches": patch}));
    let busy: JobSet = serde_json::from_value(json!({
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {},
        "spec": {},
        "status": {"replicatedJobsStatus": [{"name": "node", "active": 1}]},
    }))
    .unwrap();
    let messages = |job, old, job_set| {
        let faults = change_faults(job, Some(old), job_set);
        faults.into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    assert_eq!(messages(&running, &running, Some(&busy)), Vec::<String>::new());
    assert_eq!(
        messages(&patched, &running, None),
        [
            "Forbidden: RuntimePatches can only be modified when the TrainJob is suspended before or after the update"
        ]
    );
    assert_eq!(messages(&suspended, &running, None), Vec::<String>::new());
    assert_eq!(
        messages(&suspended, &running, Some(&busy)),
        [
            "Forbidden: RuntimePatches cannot be modified when the JobSet's ReplicatedJob node is still active"
        ]
    );
}

#[test]
fn torchtune_jobs_keep_to_what_torchtune_can() {
    let tune = |runtime: &str, mut trainer: Value| {
        trainer["command"] = json!(["tune", "run"]);
        json!({"runtimeRef": {"name": runtime}, "trainer": trainer})
    };
    check(
        tune("torchtune-gpt-9b", json!({})),
        runtime(),
        &[
            "spec.runtimeRef.name: must have a supported pretrained model, invalid model configured: gpt/9B",
        ],
    );
    check(
        tune(
            "torchtune-llama3.2-1b",
            json!({"numNodes": 2, "args": ["model.lora_attn_modules=[q_proj]"]}),
        ),
        runtime(),
        &[
            "spec.trainer.numNodes: must be 1 for llama3_2/1B model",
            "spec.trainer.numNodes: LoRA fine-tuning is not supported for multi-node training in TorchTune",
        ],
    );
    let qlora = json!({"numProcPerNode": 2, "args": ["model.quantize_base=True", "output_dir=/x"]});
    check(
        tune("torchtune-llama3.2-3b", qlora.clone()),
        runtime(),
        &[
            "spec.trainer.numProcPerNode: must be auto or 1 for llama3_2/3B model when using QLoRA",
            "spec.trainer.resourcesPerNode: must have gpu resource with value 1 for llama3_2/3B model when using QLoRA",
            r#"spec.trainer.args[1]: must not set immutable config "output_dir" in trainer args; it is managed by the runtime"#,
        ],
    );
    check(
        tune("torchtune-qwen2.5-1.5b", json!({"args": ["model.quantize_base=True"]})),
        runtime(),
        &["spec.runtimeRef.name: QLoRA is not supported for qwen2_5/1.5B model"],
    );
}

#[test]
fn a_patch_is_stamped_when_it_changes() {
    let kept = json!({"manager": "a.io/kept", "time": "2020-01-01T00:00:00Z"});
    let old = json!({"spec": {"runtimePatches": [kept, {"manager": "a.io/changed", "time": "2020-01-01T00:00:00Z"}]}});
    let mut object = json!({"spec": {"runtimePatches": [
        {"manager": "a.io/kept"},
        {"manager": "a.io/changed", "trainingRuntimeSpec": {}, "time": "2020-01-01T00:00:00Z"},
        {"manager": "a.io/new"},
    ]}});
    stamp_patches(&mut object, &old);
    let times: Vec<_> =
        items(&object["spec"]["runtimePatches"]).map(|it| it["time"].as_str().unwrap()).collect();
    assert_eq!(times[0], "2020-01-01T00:00:00Z");
    assert!(times[1..].iter().all(|time| *time > "2025"), "{times:?}");
}
