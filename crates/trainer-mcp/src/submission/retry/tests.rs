//! Copies of jobs, without a cluster.

use expect_test::expect;
use kubeflow_mcp_core::read_fields;
use workloads::creation::REQUEST_DIGEST;

use super::*;

fn job(trainer: Value) -> TrainJob {
    let job = json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
        "metadata": {"name": "old", "uid": "1", "resourceVersion": "7", "labels": {"team": "a"},
            "annotations": {REQUEST_DIGEST: "0", OUTPUT: "pvc://work-old/model"}},
        "spec": {"runtimeRef": {"name": "torch"}, "trainer": trainer, "suspend": true,
            "managedBy": "trainer.kubeflow.org/trainjob-controller",
            "runtimePatches": [
                {"manager": "kueue.x-k8s.io/manager", "time": "2026-01-01T00:00:00Z"},
                {"manager": "mcp.kubeflow.org/client", "time": "2026-01-01T00:00:00Z"}]},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "x", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    });
    serde_json::from_value(job).unwrap()
}

fn runtime() -> Runtime {
    let container = json!({"name": "node", "resources": {"limits": {"nvidia.com/gpu": "2"}}});
    let job = json!({"name": "node", "template": {"spec": {"template": {"spec": {"containers": [container]}}}}});
    let claims = json!([{"templates": [{"metadata": {"name": "work"}}]}]);
    serde_json::from_value(
        json!({"metadata": {"name": "torch"}, "spec": {"mlPolicy": {"torch": {}},
        "template": {"spec": {"replicatedJobs": [job], "volumeClaimPolicies": claims}}}}),
    )
    .unwrap()
}

fn retry(trainer: Value, changes: Value) -> Result<Copy> {
    let changes = read_fields("changes", changes.as_object().unwrap())?;
    copy(&job(trainer), "new", changes, &runtime())
}

#[test]
fn a_job_is_repeated_without_what_others_wrote_into_it() {
    let copy = retry(json!({"numNodes": 4}), json!({})).unwrap();
    assert_eq!(copy.changed, [""; 0]);
    expect![[r#"
        {
          "apiVersion": "trainer.kubeflow.org/v1alpha1",
          "kind": "TrainJob",
          "metadata": {
            "annotations": {
              "mcp.kubeflow.org/output": "pvc://work-new/model",
              "mcp.kubeflow.org/retry-of": "old"
            },
            "labels": {
              "app.kubernetes.io/managed-by": "kubeflow-mcp",
              "team": "a"
            },
            "name": "new"
          },
          "spec": {
            "runtimePatches": [
              {
                "manager": "mcp.kubeflow.org/client"
              }
            ],
            "runtimeRef": {
              "name": "torch"
            },
            "trainer": {
              "numNodes": 4
            }
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&copy.object).unwrap());
}

#[test]
fn changes_are_made_and_told() {
    let func_args = json!({"lr": 0.1});
    let script = workloads::code::Code {
        source: "print(1)\n",
        start: workloads::code::Start::Python,
        func_args: func_args.as_object().unwrap(),
        packages: &[],
        pip_index_urls: &[],
        env: vec![],
    };
    let delivery = script.deliver().unwrap();
    let trainer = json!({"numNodes": 4, "env": delivery.env, "args": delivery.args,
        "resourcesPerNode": {"limits": {"memory": "4Gi"}, "requests": {"memory": "4Gi"}}});
    let changes = json!({"num_nodes": 2, "resources_per_node": {"memory": "8Gi"}, "queue": "b",
        "script": "print(2)\n", "args": {"lr": 0.01, "epochs": 3}, "time_limit_seconds": 60,
        "env": {"SEED": 1}, "image": "example.org/own:2"});
    let copy = retry(trainer, changes).unwrap();
    expect![[r#"
        num_nodes: 2 instead of 4
        time_limit_seconds: 60, of which the job said nothing
        queue: b, of which the job said nothing
        image: example.org/own:2, of which the job said nothing
        memory: 8Gi instead of 4Gi
        nvidia.com/gpu: 2, of which the job said nothing
        args.epochs: 3, of which the job said nothing
        args.lr: 0.01 instead of 0.1
        script: 0111afd387e1ad57 instead of cc42155088fca573
        env.SEED: set"#]]
    .assert_eq(&copy.changed.join("\n"));
    let trainer = &copy.object["spec"]["trainer"];
    let env: Vec<k8s_openapi::api::core::v1::EnvVar> =
        serde_json::from_value(trainer["env"].clone()).unwrap();
    assert_eq!(workloads::code::delivered(&env).as_deref(), Some("print(2)\n"));
    let told = env.iter().find(|it| it.name == "FUNC_ARGS").unwrap();
    assert_eq!(told.value.as_deref(), Some(r#"{"epochs":3,"lr":0.01}"#));
    assert_eq!(trainer["args"], json!(["--lr=0.01", "--epochs=3"]));
    assert_eq!(
        trainer["resourcesPerNode"]["limits"],
        json!({"memory": "8Gi", "nvidia.com/gpu": "2"})
    );
}

#[test]
fn a_recipe_s_settings_are_exchanged() {
    let trainer = json!({"command": ["tune", "run"], "args": ["batch_size=8", "dataset.train_on_input=False"]});
    let changes =
        json!({"args": {"batch_size": 2, "dataset.train_on_input": true, "optimizer.lr": 1e-5}});
    let copy = retry(trainer, changes).unwrap();
    assert_eq!(
        copy.object["spec"]["trainer"]["args"],
        json!(["batch_size=2", "dataset.train_on_input=True", "optimizer.lr=0.00001"])
    );
}

#[test]
fn what_cannot_be_changed_is_said() {
    let mut told = String::new();
    for changes in [
        json!({"script": "print(1)"}),
        json!({"runtime": "other"}),
        json!({"num_nodes": 0}),
        json!({"resources_per_node": {"memory": "much"}}),
        json!({"image": "https://x"}),
        json!({"env": {"HF_TOKEN": "0123456789"}}),
        json!({"args": {"a": [1]}}),
    ] {
        told += &format!("{}\n", retry(json!({}), changes).err().expect("a refusal"));
    }
    expect![[r#"
        argument "changes.script" cannot take the place of a program that is not a script of run_custom_training
        argument "changes.runtime" is not known, known are args, env, image, num_nodes, queue, resources_per_node, script, time_limit_seconds
        argument "changes.num_nodes" is 0, must be between 1 and 1000
        argument "changes.resources_per_node.memory" must be a quantity such as 2, "500m" or "4Gi", and is "much"
        argument "changes.image" is "https://x", must have a name of small letters, digits, '.', '_' and '-', as in registry.example.org/team/image:tag
        argument "changes.env.HF_TOKEN" looks like a secret, which everyone who may read the job would see: put it into a Secret and give {"secret": NAME, "key": KEY}
        argument "changes.args.a" must be a string, a number or a boolean
    "#]].assert_eq(&told);
}

#[test]
fn the_description_names_every_change() {
    let fields = read_fields::<Changes>("changes", json!({"?": 1}).as_object().unwrap());
    let fields = fields.unwrap_err().to_string();
    let known = fields.split("known are ").nth(1).expect("a list of fields");
    let tool = kubeflow_mcp_core::ToolDef::of::<RetryTrainingJob>().describe();
    let description = tool.input_schema["properties"]["changes"]["description"].to_string();
    for field in known.split(", ") {
        assert!(description.contains(field), "{description} lacks {field}");
    }
}
