//! TrainJobs of fine-tuning as calls make them, without a cluster.

use expect_test::{Expect, expect};
use serde_json::json;
use workloads::train_job::{
    catalogue::{Catalogue, Entry, Kind},
    plan::Generation,
};

use super::*;

/// A runtime as Kubeflow ships it, with its two GPUs.
fn runtime(name: &str) -> Entry {
    let step = |name: &str, container: Value| json!({"name": name, "template": {"spec": {"template": {"spec": {"containers": [container]}}}}});
    let mounts = json!([{"name": "initializer", "mountPath": "/workspace"}]);
    let fetches =
        |name: &str| step(name, json!({"name": name, "image": "fetch", "volumeMounts": mounts}));
    let trains = json!({"name": "node", "image": "tune", "volumeMounts": mounts,
        "command": ["tune", "run", "output_dir=/workspace/output"],
        "resources": {"limits": {"nvidia.com/gpu": "2"}}});
    let jobs = [fetches("dataset-initializer"), fetches("model-initializer"), step("node", trains)];
    let claims = json!([{"templates": [{"metadata": {"name": "initializer"}}]}]);
    let object = json!({
        "metadata": {"name": name, "labels": {"trainer.kubeflow.org/framework": "torchtune"}},
        "spec": {"mlPolicy": {"numNodes": 1, "torch": {}},
            "template": {"spec": {"replicatedJobs": jobs, "volumeClaimPolicies": claims}}},
    });
    let runtime = Ok(serde_json::from_value(object).unwrap());
    Entry { name: name.to_owned(), kind: Kind::Cluster, runtime }
}

fn plan(changes: Value) -> Result<(FineTune, Plan)> {
    let mut call = json!({"name": "tuned", "model": "hf://meta-llama/Llama-3.2-1B-Instruct",
        "dataset": "hf://tatsu-lab/alpaca/data"});
    call.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let names = [
        "torchtune-llama3.2-1b",
        "torchtune-llama3.3-70b",
        "torchtune-qwen2.5-1.5b",
        "torchtune-own",
    ];
    let catalogue = Catalogue { entries: names.map(runtime).into(), unseen: vec![] };
    let call: FineTune = serde_json::from_value(call).unwrap();
    let takes = Takes::Model { framework: call.backend.framework(), model: &call.model };
    let chosen = choice::choose(&catalogue, call.runtime.as_deref(), takes)?;
    let plan = call.plan(call.name.as_deref().unwrap(), chosen)?;
    Ok((call, plan))
}

fn check(changes: Value, expected: Expect) {
    let text = match plan(changes) {
        Ok((_, plan)) => {
            serde_json::to_string_pretty(&plan.train_job(Generation::Patches)).unwrap()
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn adapters_are_trained_with_everything_that_can_be_asked_for() {
    check(
        json!({
            "epochs": 3, "batch_size": 4, "settings": {"dtype": "bf16", "optimizer.lr": 2e-5},
            "lora": {"rank": 8, "alpha": 16, "dropout": 0.1, "use_dora": true, "attn_modules": ["q_proj", "k_proj"]},
            "dataset_format": {"source": "parquet", "split": "train[:95%]", "train_on_input": false,
                "system_prompt": "You help: always", "column_map": {"input": "instruction", "output": "output"}},
            "env": {"model": {"ACCESS_TOKEN": {"secret": "hf", "key": "token"}}, "node": {"NCCL_DEBUG": "WARN"}},
            "resources_per_node": {"gpu": 1, "memory": "32Gi"}, "output": "pvc://models/tuned",
            "options": {"queue": "team", "node_selector": {"zone": "a"}, "time_limit_seconds": 60},
        }),
        expect![[r#"
            {
              "apiVersion": "trainer.kubeflow.org/v1alpha1",
              "kind": "TrainJob",
              "metadata": {
                "annotations": {
                  "mcp.kubeflow.org/output": "pvc://models/tuned"
                },
                "labels": {
                  "app.kubernetes.io/managed-by": "kubeflow-mcp",
                  "kueue.x-k8s.io/queue-name": "team"
                },
                "name": "tuned"
              },
              "spec": {
                "activeDeadlineSeconds": 60,
                "initializer": {
                  "dataset": {
                    "storageUri": "hf://tatsu-lab/alpaca/data"
                  },
                  "model": {
                    "env": [
                      {
                        "name": "IGNORE_PATTERNS",
                        "value": "*.msgpack,*.h5,*.bin,*.pt,*.pth"
                      },
                      {
                        "name": "ACCESS_TOKEN",
                        "valueFrom": {
                          "secretKeyRef": {
                            "key": "token",
                            "name": "hf"
                          }
                        }
                      }
                    ],
                    "storageUri": "hf://meta-llama/Llama-3.2-1B-Instruct"
                  }
                },
                "runtimePatches": [
                  {
                    "manager": "mcp.kubeflow.org/client",
                    "trainingRuntimeSpec": {
                      "template": {
                        "spec": {
                          "replicatedJobs": [
                            {
                              "name": "dataset-initializer",
                              "template": {
                                "spec": {
                                  "template": {
                                    "spec": {
                                      "nodeSelector": {
                                        "zone": "a"
                                      }
                                    }
                                  }
                                }
                              }
                            },
                            {
                              "name": "model-initializer",
                              "template": {
                                "spec": {
                                  "template": {
                                    "spec": {
                                      "nodeSelector": {
                                        "zone": "a"
                                      }
                                    }
                                  }
                                }
                              }
                            },
                            {
                              "name": "node",
                              "template": {
                                "spec": {
                                  "template": {
                                    "spec": {
                                      "containers": [
                                        {
                                          "name": "node",
                                          "volumeMounts": [
                                            {
                                              "mountPath": "/workspace/output",
                                              "name": "model-output",
                                              "subPath": "tuned"
                                            }
                                          ]
                                        }
                                      ],
                                      "nodeSelector": {
                                        "zone": "a"
                                      },
                                      "volumes": [
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
                  "name": "torchtune-llama3.2-1b"
                },
                "trainer": {
                  "args": [
                    "dtype=bf16",
                    "batch_size=4",
                    "epochs=3",
                    "dataset.data_dir=/workspace/dataset/data",
                    "model.lora_rank=8",
                    "model.lora_alpha=16",
                    "model.lora_dropout=0.1",
                    "model.use_dora=True",
                    "model.lora_attn_modules=[q_proj,k_proj]",
                    "dataset=torchtune.datasets.instruct_dataset",
                    "dataset.source=parquet",
                    "dataset.split=train[:95%]",
                    "dataset.train_on_input=False",
                    "dataset.new_system_prompt=\"You help: always\"",
                    "dataset.column_map={'input': 'instruction', 'output': 'output'}",
                    "optimizer.lr=0.00002"
                  ],
                  "command": [
                    "tune",
                    "run"
                  ],
                  "env": [
                    {
                      "name": "NCCL_DEBUG",
                      "value": "WARN"
                    }
                  ],
                  "resourcesPerNode": {
                    "limits": {
                      "memory": "32Gi",
                      "nvidia.com/gpu": "1"
                    },
                    "requests": {
                      "memory": "32Gi",
                      "nvidia.com/gpu": "1"
                    }
                  }
                }
              }
            }"#]],
    );
}

#[test]
fn a_model_and_a_data_set_are_enough() {
    let (call, plan) = plan(json!({})).unwrap();
    assert_eq!(plan.chosen.reference.name, "torchtune-llama3.2-1b");
    assert_eq!(recipe::name(&plan), "full_finetune_distributed --config llama3_2/1B_full");
    assert_eq!(plan.output.as_deref(), Some("pvc://initializer-tuned/output"));
    assert_eq!(
        plan.program.args,
        [
            "dataset.data_dir=/workspace/dataset/data",
            "dataset=torchtune.datasets.instruct_dataset",
            "dataset.source=parquet"
        ]
    );
    expect![[r#"
        Hugging Face gives models of meta-llama to those alone who have accepted their licence: give env.model.ACCESS_TOKEN from a Secret
        the model lands on a volume that is deleted with the job: copy it before, or give output"#]].assert_eq(&call.warnings(&plan).join("\n"));
}

#[test]
fn the_recipe_follows_devices_and_adapters() {
    let name = |changes: Value| recipe::name(&plan(changes).unwrap().1);
    let one = json!({"gpu": 1});
    assert_eq!(
        name(json!({"lora": {"quantize_base": true}, "resources_per_node": one})),
        "lora_finetune_single_device --config llama3_2/1B_qlora_single_device"
    );
    assert_eq!(name(json!({"lora": {}})), "lora_finetune_distributed --config llama3_2/1B_lora");
    // The runtime's devices stay, though something else is asked for.
    assert_eq!(
        name(json!({"lora": {}, "resources_per_node": {"memory": "64Gi"}})),
        "lora_finetune_distributed --config llama3_2/1B_lora"
    );
    assert_eq!(
        name(json!({"model": "hf://meta-llama/Llama-3.3-70B-Instruct", "num_nodes": 2})),
        "full_finetune_distributed --config llama3_3/70B_full_multinode"
    );
    assert_eq!(
        name(json!({"resources_per_node": {"mig-1g.5gb": 1, "gpu": 0}})),
        "full_finetune_single_device --config llama3_2/1B_full_single_device"
    );
}

#[test]
fn what_no_recipe_can_is_refused_in_terms_of_the_arguments() {
    let mut told = String::new();
    for changes in [
        json!({"num_nodes": 2}),
        json!({"model": "hf://meta-llama/Llama-3.3-70B-Instruct", "num_nodes": 2, "lora": {}}),
        json!({"lora": {"quantize_base": true}}),
        json!({"model": "hf://Qwen/Qwen2.5-1.5B-Instruct", "lora": {"quantize_base": true}}),
        json!({"runtime": "torchtune-own"}),
        json!({"runtime": "torchtune-llama"}),
        json!({"model": "hf://google/gemma-3-1b-it"}),
        json!({"model": "meta-llama/Llama-3.2-1B"}),
        json!({"lora": {"rnk": 8}}),
        json!({"lora": {"attn_modules": ["qproj"]}}),
        json!({"settings": {"output_dir": "/tmp"}}),
        json!({"settings": {"model.lora_rank": 8}}),
        json!({"settings": {"dtype": "fp16"}}),
        json!({"dataset_format": {"column_map": {"prompt": "q"}}}),
        json!({"env": {"model": {"ACCESS_TOKEN": "not-a-reference"}}}),
        json!({"env": {"dataset": {"REGON": "eu"}}}),
        json!({"env": {"HF_TOKEN": {"secret": "hf", "key": "token"}}}),
        json!({"output": "s3://models/tuned"}),
        json!({"output": "/home/me"}),
    ] {
        told += &format!("{}\n", plan(changes.clone()).err().expect("a refusal"));
    }
    expect![[r#"
        argument "num_nodes" is 2, must be 1: TorchTune trains llama3_2/1B on one node
        argument "num_nodes" is 2, must be 1 with lora: TorchTune trains adapters on one node
        argument "resources_per_node" must be for one GPU, as in {"gpu": 1}, where lora.quantize_base is true: TorchTune trains quantized llama3_2/1B on one device
        argument "lora.quantize_base" is true, but TorchTune cannot quantize qwen2_5/1.5B
        argument "runtime" is "torchtune-own", from whose name the Trainer cannot tell the model: it must be torchtune-FAMILY-SIZE and one of llama3_2/1B, llama3_2/3B, llama3_3/70B, qwen2_5/1.5B
        argument "runtime" names no runtime: "torchtune-llama" (did you mean "torchtune-llama3.2-1b"?); there are torchtune-llama3.2-1b, torchtune-llama3.3-70b, torchtune-qwen2.5-1.5b, torchtune-own
        argument "runtime" must be given, as none is named after "hf://google/gemma-3-1b-it": torchtune-llama3.2-1b, torchtune-llama3.3-70b, torchtune-qwen2.5-1.5b, torchtune-own
        argument "model" is "meta-llama/Llama-3.2-1B", must start with its scheme: did you mean "hf://meta-llama/Llama-3.2-1B"?
        argument "lora.rnk" is not known (did you mean "rank"?)
        argument "lora.attn_modules[0]" is "qproj", not one of "q_proj", "k_proj", "v_proj", "output_proj" (did you mean "q_proj"?)
        argument "settings.output_dir" is set by the runtime
        argument "settings.model.lora_rank" is what the argument lora is for
        argument "settings.dtype" is "fp16", not one of "bf16", "fp32" (did you mean "bf16"?)
        argument "dataset_format.column_map.prompt" is no column of TorchTune's: give "input" or "output"
        argument "env.model.ACCESS_TOKEN" looks like a secret, which everyone who may read the job would see: put it into a Secret and give {"secret": NAME, "key": KEY}
        argument "env.dataset.REGON" is nothing that fetching reads (did you mean "REGION"?): there are IGNORE_PATTERNS, ACCESS_TOKEN, ENDPOINT, ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION, ROLE_ARN
        argument "env.HF_TOKEN" is no step: give the variables of "model", "dataset" or "node" as an object
        argument "output" is "s3://models/tuned", must be pvc://CLAIM/PATH: TorchTune writes to a volume and uploads nothing
        argument "output" is "file:///home/me", must be pvc://CLAIM/PATH: TorchTune writes to a volume and uploads nothing
    "#]].assert_eq(&told);
}

#[test]
fn no_secret_is_in_the_open_and_no_step_gets_another_s() {
    let (_, plan) = plan(json!({"model": "s3://models/llama", "runtime": "torchtune-llama3.2-1b",
        "dataset": "s3://data/alpaca.json", "env": {
            "model": {"ENDPOINT": "https://s3.example.org", "SECRET_ACCESS_KEY": {"secret": "s3", "key": "b"}, "ACCESS_KEY_ID": {"secret": "s3", "key": "a"}},
            "dataset": {"REGION": "eu-1"}}}))
    .unwrap();
    expect![[r#"
        {
          "dataset": {
            "env": [
              {
                "name": "REGION",
                "value": "eu-1"
              }
            ],
            "storageUri": "s3://data/alpaca.json"
          },
          "model": {
            "env": [
              {
                "name": "IGNORE_PATTERNS",
                "value": "*.msgpack,*.h5,*.bin,*.pt,*.pth"
              },
              {
                "name": "ENDPOINT",
                "value": "https://s3.example.org"
              },
              {
                "name": "ACCESS_KEY_ID",
                "valueFrom": {
                  "secretKeyRef": {
                    "key": "a",
                    "name": "s3"
                  }
                }
              },
              {
                "name": "SECRET_ACCESS_KEY",
                "valueFrom": {
                  "secretKeyRef": {
                    "key": "b",
                    "name": "s3"
                  }
                }
              }
            ],
            "storageUri": "s3://models/llama"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&plan.program.initializer).unwrap());
    assert!(plan.program.args.contains(&"dataset.source=json".to_owned()));
}
