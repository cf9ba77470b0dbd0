//! Starting searches in a cluster in the process, as an agent does.

use expect_test::{Expect, expect};
use kube::Api;
use kubeflow_mcp_core::testing::Cluster;
use serde_json::{Value, json};

use super::Optimize;
use crate::{TOOL_SET, api::Experiment};

const SCRIPT: &str = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float)\nlr = parser.parse_args().lr\nprint(f'accuracy={1 - lr}')\n";

async fn cluster() -> Cluster {
    Cluster::new(&[&TOOL_SET]).await
}

fn sound() -> Value {
    json!({"script": SCRIPT, "image": "localhost/host-python", "objective_metric_name": "accuracy",
        "parameters": {"lr": {"min": 0.001, "max": 0.1, "log": true}, "epochs": 3},
        "max_trial_count": 4, "name": "digits"})
}

fn with(changes: Value) -> Value {
    let mut call = sound();
    call.as_object_mut()
        .expect("an object")
        .extend(changes.as_object().expect("an object").clone());
    call.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    call
}

async fn optimize(cluster: &Cluster, call: Value) -> Value {
    cluster.call::<Optimize>(call).await
}

async fn experiments(cluster: &Cluster) -> Vec<Experiment> {
    let api: Api<Experiment> = Api::default_namespaced(cluster.client());
    api.list(&Default::default()).await.expect("the experiments").items
}

#[tokio::test]
async fn a_preview_asks_the_cluster_and_makes_nothing() {
    let cluster = cluster().await;
    let mut preview = optimize(&cluster, with(json!({"name": null, "packages": ["numpy"]}))).await;
    let name = preview["name"].take();
    assert!(name.as_str().is_some_and(|it| it.starts_with("tune-")), "{preview}");
    expect![[r#"
        {
          "algorithm": "random",
          "code_bytes": 147,
          "code_digest": "82662c5b0d198ea9",
          "command": "python train.py --epochs=3 --lr=${trialParameters.lr}",
          "created": true,
          "fixed": {
            "epochs": 3
          },
          "image": "localhost/host-python",
          "max_failed_trial_count": 3,
          "max_trial_count": 4,
          "name": null,
          "namespace": "default",
          "objective": "maximize accuracy",
          "packages": [
            "numpy"
          ],
          "parallel_trial_count": 3,
          "parameters": {
            "lr": "double 0.001..0.1 logUniform"
          },
          "preview": true,
          "trial_kind": "Job"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&preview).unwrap());
    assert!(experiments(&cluster).await.is_empty());
}

#[tokio::test]
async fn the_same_confirmed_call_starts_one_search() {
    let cluster = cluster().await;
    let call = with(json!({"confirmed": true}));
    let first = optimize(&cluster, call.clone()).await;
    assert_eq!((&first["created"], &first["preview"]), (&json!(true), &json!(false)), "{first}");
    let again = optimize(&cluster, call).await;
    assert_eq!(again["created"], false, "{again}");
    assert_eq!(experiments(&cluster).await.len(), 1);
    let other = optimize(&cluster, with(json!({"max_trial_count": 5, "confirmed": true}))).await;
    assert_eq!(other["code"], "conflict", "{other}");
    let unnamed = optimize(&cluster, with(json!({"name": null, "confirmed": true}))).await;
    assert_eq!(unnamed["code"], "invalid_argument", "{unnamed}");
}

#[tokio::test]
async fn the_experiment_is_what_katib_reads() {
    let cluster = cluster().await;
    let call = json!({"image": "localhost/host-python", "name": "search", "confirmed": true,
        "command": ["python", "/app/train.py", "--opt=${trialParameters.opt}"],
        "parameters": {"lr": {"min": 0.001, "max": 0.1}, "opt": ["sgd", "adam"], "epochs": 3},
        "objective_metric_name": "loss", "objective_goal": 0.1,
        "additional_metric_names": ["accuracy"],
        "algorithm_name": "tpe", "algorithm_settings": {"random_state": 7}, "early_stopping": {},
        "max_trial_count": 20, "parallel_trial_count": 2,
        "resources_per_trial": {"cpu": 1, "memory": "1Gi"},
        "options": {"queue": "team", "time_limit_seconds": 60, "node_selector": {"zone": "a"}}});
    let started = optimize(&cluster, call).await;
    assert_eq!(started["created"], true, "{started}");
    let spec = &experiments(&cluster).await[0].spec;
    expect![[r#"
        {
          "parameters": [
            {
              "name": "lr",
              "parameterType": "double",
              "feasibleSpace": {
                "min": "0.001",
                "max": "0.1",
                "distribution": "uniform"
              }
            },
            {
              "name": "opt",
              "parameterType": "categorical",
              "feasibleSpace": {
                "list": [
                  "sgd",
                  "adam"
                ],
                "distribution": "uniform"
              }
            }
          ],
          "objective": {
            "type": "minimize",
            "goal": 0.1,
            "objectiveMetricName": "loss",
            "additionalMetricNames": [
              "accuracy"
            ],
            "metricStrategies": [
              {
                "name": "loss",
                "value": "min"
              },
              {
                "name": "accuracy",
                "value": "latest"
              }
            ]
          },
          "algorithm": {
            "algorithmName": "tpe",
            "algorithmSettings": [
              {
                "name": "random_state",
                "value": "7"
              }
            ]
          },
          "earlyStopping": {
            "algorithmName": "medianstop"
          },
          "trialTemplate": {
            "trialSpec": {
              "apiVersion": "batch/v1",
              "kind": "Job",
              "metadata": {
                "labels": {
                  "kueue.x-k8s.io/queue-name": "team"
                }
              },
              "spec": {
                "activeDeadlineSeconds": 60,
                "backoffLimit": 0,
                "template": {
                  "metadata": {
                    "labels": {
                      "sidecar.istio.io/inject": "false"
                    }
                  },
                  "spec": {
                    "containers": [
                      {
                        "args": [
                          "python /app/train.py --opt=\"$KUBEFLOW_TRAINER_OPT_OPT\" --epochs=3 --lr=\"$KUBEFLOW_TRAINER_OPT_LR\""
                        ],
                        "command": [
                          "sh",
                          "-c"
                        ],
                        "env": [
                          {
                            "name": "KUBEFLOW_TRAINER_OPT_LR",
                            "value": "${trialParameters.lr}"
                          },
                          {
                            "name": "KUBEFLOW_TRAINER_OPT_OPT",
                            "value": "${trialParameters.opt}"
                          },
                          {
                            "name": "FUNC_ARGS",
                            "value": "{\"epochs\":3,\"lr\":${trialParameters.lr},\"opt\":\"${trialParameters.opt}\"}"
                          }
                        ],
                        "image": "localhost/host-python",
                        "name": "node",
                        "resources": {
                          "limits": {
                            "cpu": "1",
                            "memory": "1Gi"
                          },
                          "requests": {
                            "cpu": "1",
                            "memory": "1Gi"
                          }
                        }
                      }
                    ],
                    "nodeSelector": {
                      "zone": "a"
                    },
                    "restartPolicy": "Never"
                  }
                }
              }
            },
            "trialParameters": [
              {
                "name": "lr",
                "reference": "lr"
              },
              {
                "name": "opt",
                "reference": "opt"
              }
            ],
            "primaryContainerName": "node",
            "successCondition": "status.conditions.#(type==\"Complete\")#|#(status==\"True\")#",
            "failureCondition": "status.conditions.#(type==\"Failed\")#|#(status==\"True\")#",
            "retain": true
          },
          "parallelTrialCount": 2,
          "maxTrialCount": 20,
          "maxFailedTrialCount": 3,
          "metricsCollectorSpec": {
            "collector": {
              "kind": "StdOut"
            }
          },
          "resumePolicy": "LongRunning"
        }"#]].assert_eq(&serde_json::to_string_pretty(spec).unwrap());
}

#[tokio::test]
async fn what_cannot_be_right_starts_nothing() {
    let cluster = cluster().await;
    let mut told = String::new();
    for changes in [
        json!({"parameters": {"lr": {"min": 0.1, "max": 0.001}}}),
        json!({"parameters": {"lr": {"min": 0.1, "max": 0.2, "step": 0.5}}}),
        json!({"parameters": {"opt": ["sgd"]}}),
        json!({"objective_type": "minimize", "objective_goal": 0.9}),
        json!({"algorithm_name": "random", "algorithm_settings": {"random_sate": 1}}),
        json!({"algorithm_name": "tpee"}),
        json!({"algorithm_name": "grid", "parameters": {"opt": ["sgd", "adam"]}}),
        json!({"early_stopping": {"start_stepp": 1}}),
        json!({"parallel_trial_count": 5}),
        json!({"max_failed_trial_count": 5}),
        json!({"name": "a".repeat(41)}),
        json!({"name": "Digits"}),
        json!({"script": "print(\n"}),
        json!({"script": null}),
        json!({"script": null, "image": null}),
        json!({"command": ["python"]}),
        json!({"image": null}),
        json!({"image": "Python 3"}),
        json!({"image": "example.com/train:1"}),
        json!({"script": null, "command": ["python", "--lr=${trialParameters.rl}"]}),
        json!({"script": null, "train_job": "mnist", "image": null}),
        json!({"script": null, "train_job": "mnist"}),
        json!({"env": {"FUNC_ARGS": "{}"}}),
        json!({"resources_per_trial": {"memory": "lots"}}),
        json!({"options": {"nodeselector": {"a": "b"}}}),
        json!({"options": {"volume_mounts": [{"nam": "data"}]}}),
    ] {
        let error = optimize(&cluster, with(changes)).await;
        let text = |field: &str| error[field].as_str().unwrap_or("none").to_owned();
        told += &format!("{}: {}\n", text("code"), text("message"));
    }
    expect![[r#"
        invalid_argument: argument "parameters.lr" min 0.1 is greater than max 0.001
        invalid_argument: argument "parameters.lr" step 0.5 leaves only 0.1 between min 0.1 and max 0.2: give a smaller step
        invalid_argument: argument "parameters.opt" list has only "sgd": nothing to search; set it in the code instead
        invalid_argument: argument "objective_type" is "minimize", but one would maximize "accuracy", and the first trial would reach the goal
        invalid_argument: argument "algorithm_settings.random_sate" is unknown (did you mean "random_state"?): random has only random_state
        invalid_argument: argument "algorithm_name" "tpee" is unknown (did you mean "tpe"?): the algorithms are random, grid, tpe, multivariate-tpe, bayesianoptimization, cmaes, sobol, hyperband, pbt
        invalid_argument: argument "max_trial_count" is 4, but the grid has only 2 combinations
        invalid_argument: argument "early_stopping.start_stepp" is unknown (did you mean "start_step"?): medianstop has min_trials_required, start_step
        invalid_argument: argument "parallel_trial_count" is 5, must be at most max_trial_count, which is 4
        invalid_argument: argument "max_failed_trial_count" is 5, must be at most max_trial_count, which is 4
        invalid_argument: argument "name" is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", with 41 characters, must have at most 40: Katib takes no longer ones
        invalid_argument: argument "name" must be lower-case letters, digits and '-', start with a letter and not end with '-', and is "Digits"
        invalid_argument: argument "script" does not parse at line 2, column 1: unexpected EOF while parsing
        invalid_argument: argument "command" must be given with image: what an image runs by itself, Katib would have to ask its registry
        invalid_argument: argument "command" must be given, or script, or train_job
        invalid_argument: argument "script, command, train_job" cannot be given together: one of them says what trials run
        invalid_argument: argument "image" must be given, as the Trainer is not served here, whose runtimes would name one; on a local cluster "localhost/host-python"
        invalid_argument: argument "image" is "Python 3", must have a name of small letters, digits, '.', '_' and '-', as in registry.example.org/team/image:tag
        conflict: this cluster runs Pods as processes and cannot run the container image "example.com/train:1"; it can run localhost/host-python
        invalid_argument: argument "command" names a parameter "rl" that is not searched
        not_found: TrainJob "mnist" not found in namespace "default"
        invalid_argument: argument "image" cannot be given with train_job, whose own is kept
        invalid_argument: argument "env.FUNC_ARGS" is set by the argument parameters already
        invalid_argument: argument "resources_per_trial.memory" must be a quantity such as 2, "500m" or "4Gi", and is "lots"
        invalid_argument: argument "options.nodeselector" is not known (did you mean "node_selector"?)
        invalid: a trial would be refused: Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field "spec.template.spec.containers[0].volumeMounts[0].nam"
    "#]].assert_eq(&told);
    assert!(experiments(&cluster).await.is_empty());
}

#[tokio::test]
async fn what_may_find_nothing_is_warned_of() {
    let cluster = cluster().await;
    let parameters = json!({"lr": {"min": 0.1, "max": 0.2}, "momentum": {"min": 0.1, "max": 0.2}});
    for (changes, expected) in [
        (json!({}), expect!["null"]),
        (
            json!({"parameters": parameters, "objective_metric_name": "f1"}),
            expect![[
                r#"["the script nowhere names f1: it must print f1=VALUE, or no trial counts","the script nowhere names momentum: trials with other values of it would be the same"]"#
            ]],
        ),
        (
            json!({"objective_type": "minimize"}),
            expect![[r#"["accuracy is to minimize; one would maximize it"]"#]],
        ),
    ] {
        let preview = optimize(&cluster, with(changes)).await;
        check(&preview["warnings"], &expected);
    }
}

fn check(value: &Value, expected: &Expect) {
    expected.assert_eq(&value.to_string());
}
