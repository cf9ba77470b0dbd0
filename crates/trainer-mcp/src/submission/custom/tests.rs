//! TrainJobs as calls make them, without a cluster.

use expect_test::{Expect, expect};
use serde_json::json;
use workloads::{
    creation::{REQUEST_DIGEST, set_by_cluster},
    train_job::{
        catalogue::{Catalogue, Entry, Kind},
        plan::Generation,
    },
};

use super::*;

fn catalogue() -> Catalogue {
    let runtime = |name: &str, policy: Value, jobs: &[&str], limits: Value| {
        let container = json!({"name": "node", "image": format!("example.org/{name}:1"), "resources": {"limits": limits}});
        let pod = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        let jobs: Vec<Value> = jobs.iter().map(|it| json!({"name": it, "template": pod})).collect();
        let framework = name.split('-').next();
        let object = json!({
            "metadata": {"name": name, "labels": {"trainer.kubeflow.org/framework": framework}},
            "spec": {"mlPolicy": policy, "template": {"spec": {"replicatedJobs": jobs}}},
        });
        Entry {
            name: name.to_owned(),
            kind: Kind::Cluster,
            runtime: Ok(serde_json::from_value(object).unwrap()),
        }
    };
    let entries = vec![
        runtime("deepspeed-distributed", json!({"mpi": {}}), &["launcher", "node"], json!({})),
        runtime("plain", json!({}), &["node"], json!({})),
        runtime("torch-distributed", json!({"numNodes": 1, "torch": {}}), &["node"], json!({})),
        runtime("torchtune-llama", json!({"torch": {}}), &["node"], json!({"nvidia.com/gpu": "2"})),
        Entry {
            name: "broken".to_owned(),
            kind: Kind::Namespaced,
            runtime: Err("of another shape".to_owned()),
        },
    ];
    Catalogue { entries, unseen: vec![] }
}

fn train_job(arguments: Value, generation: Generation) -> Result<Value> {
    let asked: RunCustomTraining = serde_json::from_value(arguments).unwrap();
    let chosen = choice::choose(&catalogue(), asked.runtime.as_deref(), Takes::Scripts)?;
    let name = asked.name.clone().unwrap();
    let mut job = asked.plan(&name, chosen)?.train_job(generation);
    // The launcher has tests of its own, and would fill the page.
    for word in job["spec"]["trainer"]["command"].as_array_mut().unwrap() {
        if word.as_str().is_some_and(|it| it.contains('\n')) {
            *word = "…".into();
        }
    }
    Ok(job)
}

fn check(arguments: Value, expected: Expect) {
    let text = match train_job(arguments, Generation::Patches) {
        Ok(job) => serde_json::to_string_pretty(&job).unwrap(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_script_alone_is_enough() {
    check(
        json!({"script": "print('hello')", "name": "mnist"}),
        expect![[r#"
        {
          "apiVersion": "trainer.kubeflow.org/v1alpha1",
          "kind": "TrainJob",
          "metadata": {
            "annotations": {},
            "labels": {
              "app.kubernetes.io/managed-by": "kubeflow-mcp"
            },
            "name": "mnist"
          },
          "spec": {
            "runtimeRef": {
              "apiGroup": "trainer.kubeflow.org",
              "kind": "ClusterTrainingRuntime",
              "name": "torch-distributed"
            },
            "trainer": {
              "command": [
                "sh",
                "-c",
                "…",
                "kubeflow-mcp",
                "torchrun"
              ],
              "env": [
                {
                  "name": "KUBEFLOW_MCP_CODE_0",
                  "value": "cHJpbnQoJ2hlbGxvJyk="
                },
                {
                  "name": "PYTHONUNBUFFERED",
                  "value": "1"
                }
              ]
            }
          }
        }"#]],
    );
}

#[test]
fn everything_that_can_be_asked_for_is_in_the_job() {
    let arguments = json!({
        "script": "print('hello')", "name": "mnist", "runtime": "torch-distributed", "num_nodes": 2, "gpu_per_node": 1,
        "func_args": {"lr": 0.1, "note": "$(HOME)"}, "packages": ["numpy>=2", "einops"], "image": "example.org/own:2",
        "pip_index_urls": ["https://pypi.example.org/simple"], "resources_per_node": {"memory": "4Gi"},
        "env": {"NCCL_DEBUG": "WARN", "HF_TOKEN": {"secret": "hf", "key": "token"}},
        "output": "pvc://models/mnist",
        "options": {
            "queue": "team-a", "priority": "low", "time_limit_seconds": 3600,
            "node_selector": {"zone": "a"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            "volume_mounts": [{"name": "data", "mountPath": "/data"}], "service_account_name": "trainer",
            "image_pull_secrets": ["registry"], "labels": {"team": "a"}, "annotations": {"purpose": "baseline"},
        },
    });
    check(
        arguments,
        expect![[r#"
            {
              "apiVersion": "trainer.kubeflow.org/v1alpha1",
              "kind": "TrainJob",
              "metadata": {
                "annotations": {
                  "mcp.kubeflow.org/output": "pvc://models/mnist",
                  "purpose": "baseline"
                },
                "labels": {
                  "app.kubernetes.io/managed-by": "kubeflow-mcp",
                  "kueue.x-k8s.io/priority-class": "low",
                  "kueue.x-k8s.io/queue-name": "team-a",
                  "team": "a"
                },
                "name": "mnist"
              },
              "spec": {
                "activeDeadlineSeconds": 3600,
                "runtimePatches": [
                  {
                    "manager": "mcp.kubeflow.org/client",
                    "trainingRuntimeSpec": {
                      "template": {
                        "spec": {
                          "replicatedJobs": [
                            {
                              "name": "node",
                              "template": {
                                "spec": {
                                  "template": {
                                    "metadata": {
                                      "annotations": {
                                        "local-kube/python-packages": "einops\nnumpy>=2"
                                      }
                                    },
                                    "spec": {
                                      "containers": [
                                        {
                                          "name": "node",
                                          "volumeMounts": [
                                            {
                                              "mountPath": "/data",
                                              "name": "data"
                                            },
                                            {
                                              "mountPath": "/model-output",
                                              "name": "model-output",
                                              "subPath": "mnist"
                                            }
                                          ]
                                        }
                                      ],
                                      "imagePullSecrets": [
                                        {
                                          "name": "registry"
                                        }
                                      ],
                                      "nodeSelector": {
                                        "zone": "a"
                                      },
                                      "serviceAccountName": "trainer",
                                      "tolerations": [
                                        {
                                          "key": "gpu",
                                          "operator": "Exists"
                                        }
                                      ],
                                      "volumes": [
                                        {
                                          "name": "data",
                                          "persistentVolumeClaim": {
                                            "claimName": "data"
                                          }
                                        },
                                        {
                                          "name": "model-output",
                                          "persistentVolumeClaim": {
                                            "claimName": "models"
                                          }
                                        }
                                      ]
                                    }
                                  }
                                }
                              }
                            }
                          ]
                        }
                      }
                    }
                  }
                ],
                "runtimeRef": {
                  "apiGroup": "trainer.kubeflow.org",
                  "kind": "ClusterTrainingRuntime",
                  "name": "torch-distributed"
                },
                "trainer": {
                  "args": [
                    "--lr=0.1",
                    "--note=$$(HOME)"
                  ],
                  "command": [
                    "sh",
                    "-c",
                    "…",
                    "kubeflow-mcp",
                    "torchrun"
                  ],
                  "env": [
                    {
                      "name": "HF_TOKEN",
                      "valueFrom": {
                        "secretKeyRef": {
                          "key": "token",
                          "name": "hf"
                        }
                      }
                    },
                    {
                      "name": "NCCL_DEBUG",
                      "value": "WARN"
                    },
                    {
                      "name": "MODEL_OUTPUT",
                      "value": "/model-output"
                    },
                    {
                      "name": "KUBEFLOW_MCP_CODE_0",
                      "value": "cHJpbnQoJ2hlbGxvJyk="
                    },
                    {
                      "name": "FUNC_ARGS",
                      "value": "{\"lr\":0.1,\"note\":\"\\u0024(HOME)\"}"
                    },
                    {
                      "name": "KUBEFLOW_MCP_PACKAGES",
                      "value": "numpy>=2\neinops"
                    },
                    {
                      "name": "PIP_INDEX_URL",
                      "value": "https://pypi.example.org/simple"
                    },
                    {
                      "name": "PYTHONUNBUFFERED",
                      "value": "1"
                    }
                  ],
                  "image": "example.org/own:2",
                  "numNodes": 2,
                  "resourcesPerNode": {
                    "limits": {
                      "memory": "4Gi",
                      "nvidia.com/gpu": "1"
                    },
                    "requests": {
                      "memory": "4Gi",
                      "nvidia.com/gpu": "1"
                    }
                  }
                }
              }
            }"#]],
    );
}

#[test]
fn an_older_trainer_gets_the_field_that_it_knows() {
    let arguments = json!({"script": "1", "name": "mnist", "packages": ["numpy"], "options": {"node_selector": {"zone": "a"}}});
    let job = train_job(arguments, Generation::Overrides).unwrap();
    assert_eq!(job["spec"].get("runtimePatches"), None);
    assert_eq!(
        job["spec"]["podTemplateOverrides"],
        json!([{"targetJobs": [{"name": "node"}], "spec": {"nodeSelector": {"zone": "a"}}}])
    );
}

#[test]
fn mpi_hands_the_environment_to_other_hosts() {
    let arguments =
        json!({"script": "1", "name": "ds", "runtime": "deepspeed-distributed", "env": {"A": "b"}});
    let job = train_job(arguments, Generation::Patches).unwrap();
    let words: Vec<&str> = job["spec"]["trainer"]["command"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        words.join(" "),
        "mpirun --hostfile /etc/mpi/hostfile -x A -x KUBEFLOW_MCP_CODE_0 -x PYTHONUNBUFFERED sh -c … kubeflow-mcp python"
    );
}

#[test]
fn what_cannot_run_is_refused_with_the_argument_s_name() {
    check(
        json!({"script": "print(", "name": "mnist"}),
        expect![[
            r#"argument "script" does not parse at line 1, column 7: unexpected EOF while parsing: "print(""#
        ]],
    );
    check(
        json!({"script": "1", "name": "Mnist"}),
        expect![[
            r#"argument "name" must be lower-case letters, digits and '-', start with a letter and not end with '-', and is "Mnist""#
        ]],
    );
    check(
        json!({"script": "1", "name": "a", "runtime": "torch-distibuted"}),
        expect![[
            r#"argument "runtime" names no runtime: "torch-distibuted" (did you mean "torch-distributed"?); there are deepspeed-distributed, plain, torch-distributed, torchtune-llama, broken"#
        ]],
    );
    check(
        json!({"script": "1", "name": "a", "runtime": "torchtune-llama"}),
        expect![[
            r#"argument "runtime" is "torchtune-llama", which runs a training program of its own, and no script"#
        ]],
    );
    check(
        json!({"script": "1", "name": "a", "runtime": "broken"}),
        expect![[r#"argument "runtime" is "broken", which cannot be read: of another shape"#]],
    );
    check(
        json!({"script": "1", "name": "a", "env": {"KUBEFLOW_MCP_CODE_0": "x"}}),
        expect![[
            r#"argument "env.KUBEFLOW_MCP_CODE_0" must not start with "KUBEFLOW_MCP_", which the launcher takes"#
        ]],
    );
    check(
        json!({"script": "1", "name": "a", "func_args": {"a b": 1}}),
        expect![[
            r#"argument "func_args.a b" must have a name of letters, digits, '_', '-' and '.' that starts with a letter"#
        ]],
    );
    check(
        json!({"script": "1", "name": "a", "func_args": {"x": {"y": 1}}}),
        expect![[
            r#"argument "func_args.x" must be a string, number, boolean or list of them, and is {"y":1}"#
        ]],
    );
}

#[test]
fn what_admission_adds_is_told() {
    let arguments = json!({"script": "1", "name": "a", "options": {"queue": "team"}});
    let sent = train_job(arguments, Generation::Patches).unwrap();
    let mut stored = sent.clone();
    stored["spec"]["suspend"] = json!(true);
    stored["spec"]["managedBy"] = json!("trainer.kubeflow.org/trainjob-controller");
    stored["metadata"]["annotations"] = json!({REQUEST_DIGEST: "0", "cost-centre": "7"});
    stored["status"] = json!({"conditions": []});
    expect![[r#"
        [
            "spec.managedBy = \"trainer.kubeflow.org/trainjob-controller\"",
            "spec.suspend = true",
            "annotations.cost-centre = \"7\"",
        ]
    "#]]
    .assert_debug_eq(&set_by_cluster(&sent, &stored));
}
