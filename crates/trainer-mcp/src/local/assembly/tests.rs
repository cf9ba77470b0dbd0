//! What becomes of TrainJobs on several runtimes.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn runtime(policy: Value, node: Value) -> Value {
    json!({
        "metadata": {"name": "r"},
        "spec": {
            "mlPolicy": policy,
            "template": {"spec": {"replicatedJobs": [{
                "name": "node",
                "template": {
                    "metadata": {"labels": {ANCESTOR: TRAINER}},
                    "spec": {"template": {"spec": {"containers": [node]}}},
                },
            }]}},
        },
    })
}

const ANCESTOR: &str = crate::local::train_job::ANCESTOR;

fn assemble(spec: Value, runtime: Value) -> Result<Value, String> {
    let mut spec = spec;
    if spec["runtimeRef"].is_null() {
        spec["runtimeRef"] = json!({"name": "r"});
    }
    let job = json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "hello", "namespace": "team", "uid": "1"},
        "spec": spec,
    });
    let job: TrainJob = serde_json::from_value(job).unwrap();
    let runtime: Runtime = serde_json::from_value(runtime).unwrap();
    let job_set = job_set(&job, &runtime).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(job_set).unwrap())
}

/// The container that trains.
fn node(spec: Value, runtime: Value) -> Value {
    let job_set = assemble(spec, runtime).unwrap();
    job_set["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
        .clone()
}

/// Its variables in short.
fn check_env(spec: Value, policy: Value, expected: Expect) {
    let container = node(spec, runtime(policy, json!({"name": "node", "image": "i"})));
    let mut lines = String::new();
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = variable["value"].as_str().map(str::to_owned).unwrap_or_else(|| {
            variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap().to_owned()
        });
        lines += &format!("{}={value}\n", variable["name"].as_str().unwrap());
    }
    expected.assert_eq(&lines);
}

#[test]
fn a_job_becomes_a_job_set_that_it_owns() {
    let trainer = json!({"command": ["python", "a.py"], "args": ["--x"], "env": [{"name": "A", "value": "1"}]});
    let mut runtime = runtime(json!({"numNodes": 2}), json!({"name": "node", "image": "i"}));
    runtime["spec"]["template"]["metadata"] = json!({"labels": {"l": "1"}});
    let job_set = assemble(json!({"trainer": trainer, "suspend": false}), runtime).unwrap();
    expect![[r#"
        {
          "apiVersion": "jobset.x-k8s.io/v1alpha2",
          "kind": "JobSet",
          "metadata": {
            "labels": {
              "l": "1"
            },
            "name": "hello",
            "namespace": "team",
            "ownerReferences": [
              {
                "apiVersion": "trainer.kubeflow.org/v1alpha1",
                "blockOwnerDeletion": true,
                "controller": true,
                "kind": "TrainJob",
                "name": "hello",
                "uid": "1"
              }
            ]
          },
          "spec": {
            "replicatedJobs": [
              {
                "name": "node",
                "replicas": 1,
                "template": {
                  "metadata": {
                    "labels": {
                      "trainer.kubeflow.org/trainjob-ancestor-step": "trainer"
                    }
                  },
                  "spec": {
                    "completions": 2,
                    "parallelism": 2,
                    "template": {
                      "spec": {
                        "containers": [
                          {
                            "args": [
                              "--x"
                            ],
                            "command": [
                              "python",
                              "a.py"
                            ],
                            "env": [
                              {
                                "name": "A",
                                "value": "1"
                              }
                            ],
                            "image": "i",
                            "name": "node"
                          }
                        ]
                      }
                    }
                  }
                }
              }
            ],
            "suspend": false
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&job_set).unwrap());
}

#[test]
fn each_policy_tells_the_ranks_how_to_meet() {
    let trainer = json!({"trainer": {"numNodes": 2, "env": [{"name": "A", "value": "1"}]}});
    check_env(
        trainer.clone(),
        json!({"torch": {}}),
        expect![[r#"
            A=1
            PET_NNODES=2
            PET_NPROC_PER_NODE=1
            PET_NODE_RANK=metadata.annotations['batch.kubernetes.io/job-completion-index']
            PET_MASTER_ADDR=hello-node-0-0.hello
            PET_MASTER_PORT=29500
        "#]],
    );
    check_env(
        trainer.clone(),
        json!({"jax": {}}),
        expect![[r#"
            A=1
            JAX_NUM_PROCESSES=2
            JAX_PROCESS_ID=metadata.annotations['batch.kubernetes.io/job-completion-index']
            JAX_COORDINATOR_ADDRESS=hello-node-0-0.hello:29500
        "#]],
    );
    check_env(
        trainer.clone(),
        json!({"xgboost": {}}),
        expect![[r#"
            A=1
            DMLC_TRACKER_URI=hello-node-0-0.hello
            DMLC_TRACKER_PORT=29500
            DMLC_TASK_ID=metadata.annotations['batch.kubernetes.io/job-completion-index']
            DMLC_NUM_WORKER=2
        "#]],
    );
    check_env(
        trainer,
        json!({"numNodes": 1}),
        expect![[r#"
        A=1
    "#]],
    );
    check_env(json!({}), json!({"torch": {}}), expect![""]);
}

#[test]
fn processes_follow_the_gpus_or_the_cpus() {
    let processes = |resources: Value| {
        let spec = json!({"trainer": {"resourcesPerNode": resources}});
        let node = node(spec, runtime(json!({"torch": {}}), json!({"name": "node"})));
        let mut env = node["env"].as_array().unwrap().iter();
        env.find(|it| it["name"] == "PET_NPROC_PER_NODE").unwrap()["value"].clone()
    };
    assert_eq!(processes(json!({"limits": {"nvidia.com/gpu": 2}})), "auto");
    assert_eq!(processes(json!({"requests": {"cpu": "1500m"}})), "2");
    assert_eq!(processes(json!({"limits": {"cpu": 4}})), "4");
    // Slices of a GPU do not have it in their name.
    let slice = json!({"limits": {"cpu": "8", "nvidia.com/mig-1g.5gb": 1}});
    assert_eq!(processes(slice), "8");
}

#[test]
fn resources_are_merged_by_name() {
    let runtime = runtime(
        json!({"numNodes": 1}),
        json!({"name": "node", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
    );
    let spec = json!({"trainer": {"resourcesPerNode": {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}}});
    assert_eq!(
        node(spec, runtime)["resources"],
        json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2"}})
    );
}

#[test]
fn patches_reach_the_pods() {
    let pod = json!({
        "nodeSelector": {"disk": "ssd"},
        "containers": [{"name": "node", "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}],
    });
    let patch = json!({
        "manager": "a/b",
        "trainingRuntimeSpec": {"template": {
            "metadata": {"labels": {"from": "patch"}},
            "spec": {"replicatedJobs": [{"name": "node", "template": {"spec": {"template": {
                "metadata": {"labels": {"pod": "yes"}},
                "spec": pod,
            }}}}]},
        }},
    });
    let runtime = runtime(json!({"numNodes": 1}), json!({"name": "node", "image": "i"}));
    let job_set = assemble(json!({"runtimePatches": [patch]}), runtime).unwrap();
    assert_eq!(job_set["metadata"]["labels"], json!({"from": "patch"}));
    let job = &job_set["spec"]["replicatedJobs"][0]["template"];
    assert_eq!(
        job["spec"]["template"],
        json!({
            "metadata": {"labels": {"pod": "yes"}},
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "containers": [{
                    "name": "node",
                    "image": "i",
                    "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
                }],
            },
        })
    );
}

#[test]
fn a_torchtune_command_is_completed() {
    let own = json!(["tune", "run", "full", "output_dir=/workspace/output", "dataset=x"]);
    let runtime = runtime(json!({"torch": {}}), json!({"name": "node", "command": own}));
    let spec = json!({
        "runtimeRef": {"name": "torchtune-llama3.2-1b"},
        "trainer": {
            "command": ["tune", "run"],
            "args": ["model.lora_attn_modules=[q_proj]"],
            "resourcesPerNode": {"limits": {"nvidia.com/gpu": 2}},
        },
    });
    let node = node(spec, runtime);
    let expected = json!([
        "tune",
        "run",
        "--rdzv_endpoint=hello-node-0-0.hello:29500",
        "lora_finetune_distributed",
        "--config",
        "llama3_2/1B_lora",
        "output_dir=/workspace/output",
    ]);
    assert_eq!(node["command"], expected);
    assert!(!node["env"].to_string().contains("PET_MASTER"));
}

#[test]
fn what_cannot_be_made_says_why() {
    let node = json!({"name": "node"});
    let refusal = |policy: Value| assemble(json!({}), runtime(policy, node.clone())).unwrap_err();
    assert_eq!(
        refusal(json!({"mpi": {}})),
        "the local cluster cannot run the mpi policy: its ranks start each other over the network of a real cluster"
    );
    let target = json!({"jobName": "node", "containerNames": ["side"]});
    assert_eq!(
        refusal(json!({"torch": {"envInjection": {"targets": [target]}}})),
        r#"envInjection target podSet "node" container "side" not found in runtime template"#
    );
    let mut gang = runtime(json!({"numNodes": 1}), node.clone());
    gang["spec"]["podGroupPolicy"] = json!({"coscheduling": {}});
    assert_eq!(
        assemble(json!({}), gang).unwrap_err(),
        r#"no matches for kind "PodGroup" in version "scheduling.x-k8s.io/v1alpha1""#
    );
}
