//! Training runtimes, right and wrong, and those that the TrainJobs of the other tables refer to.

use serde_json::{Value, json};

use super::{Changes, changes};

const ANCESTOR: &str = "trainer.kubeflow.org/trainjob-ancestor-step";

pub(super) fn base() -> Value {
    runtime(json!({"torch": {}}), json!([step("node", "trainer", json!({}))]))
}

fn runtime(policy: Value, steps: Value) -> Value {
    let mut runtime = json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainingRuntime",
        "metadata": {"name": "runtime"},
        "spec": {"template": {"spec": {"replicatedJobs": steps}}},
    });
    json_patch::merge(&mut runtime, &json!({"spec": {"mlPolicy": policy}}));
    runtime
}

/// A step with one container of its own name, whose Pod is changed as told.
fn step(name: &str, ancestor: &str, change: Value) -> Value {
    let container = if ancestor == "trainer" { "node" } else { name };
    let mut pod = json!({"containers": [{"name": container, "image": "localhost/none"}]});
    json_patch::merge(&mut pod, &change);
    let labels =
        if ancestor.is_empty() { json!({}) } else { json!({"labels": {ANCESTOR: ancestor}}) };
    json!({"name": name, "template": {"metadata": labels, "spec": {"template": {"spec": pod}}}})
}

/// A namespace's runtimes, by name.
pub(super) fn referred_to() -> Vec<(&'static str, Value)> {
    let node = || json!([step("node", "trainer", json!({}))]);
    let workspace = json!([{"name": "initializer", "mountPath": "/workspace"}]);
    let initializer = |name: &str| {
        step(
            name,
            name,
            json!({"containers": [{"name": name, "image": "localhost/none", "volumeMounts": workspace}], "volumes": [{"name": "initializer", "emptyDir": {}}]}),
        )
    };
    let tune = || {
        let node = step(
            "node",
            "trainer",
            json!({
                "containers": [
                    {"name": "node", "image": "localhost/none", "command": ["tune", "run", "full_finetune_distributed", "output_dir=/workspace/output", "checkpointer.checkpoint_dir=/workspace/model"],
                     "resources": {"limits": {"nvidia.com/gpu": 2}}, "volumeMounts": workspace},
                    {"name": "sidecar", "image": "localhost/none"},
                ],
                "volumes": [{"name": "initializer", "emptyDir": {}}],
            }),
        );
        runtime(
            json!({"torch": {}}),
            json!([initializer("dataset-initializer"), initializer("model-initializer"), node]),
        )
    };
    let launcher = || step("launcher", "trainer", json!({}));
    let worker = || step("node", "", json!({}));
    let mpi = json!({"mpi": {"runLauncherAsNode": true}});
    let volcano = |annotations: Value, pod: Value| {
        let mut runtime = runtime(json!({"torch": {}}), json!([step("node", "trainer", pod)]));
        runtime["spec"]["podGroupPolicy"] = json!({"volcano": {}});
        runtime["spec"]["template"]["metadata"] = json!({"annotations": annotations});
        runtime
    };
    let mut gang = runtime(json!({"torch": {}}), node());
    gang["spec"]["podGroupPolicy"] = json!({"coscheduling": {}});
    let injects = json!({"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["sidecar"]}]}}});
    let other = |name: &str| {
        step(name, "", json!({"containers": [{"name": "main", "image": "localhost/none"}]}))
    };
    vec![
        ("plain", runtime(Value::Null, node())),
        ("torch", runtime(json!({"torch": {}}), node())),
        ("jax", runtime(json!({"jax": {}}), node())),
        ("xgboost", runtime(json!({"xgboost": {}}), node())),
        ("mpi", runtime(mpi.clone(), json!([launcher(), worker()]))),
        ("mpi-launcher", runtime(mpi, json!([launcher()]))),
        (
            "flux-taken",
            runtime(
                json!({"flux": {}}),
                json!([step(
                    "node",
                    "trainer",
                    json!({"initContainers": [{"name": "flux-installer", "image": "localhost/none"}]})
                )]),
            ),
        ),
        ("injects", runtime(injects, node())),
        ("gang", gang),
        ("volcano", volcano(json!({"scheduling.volcano.sh/queue-name": ""}), json!({}))),
        (
            "init-other",
            runtime(
                json!({"torch": {}}),
                json!([
                    other("dataset-initializer"),
                    other("model-initializer"),
                    step("node", "trainer", json!({}))
                ]),
            ),
        ),
        (
            "init-bare",
            runtime(
                json!({"torch": {}}),
                json!([
                    step("dataset-initializer", "dataset-initializer", json!({})),
                    step("model-initializer", "model-initializer", json!({})),
                    step("node", "trainer", json!({})),
                ]),
            ),
        ),
        ("torchtune-llama3.2-1b", tune()),
        ("torchtune-llama3.3-70b", tune()),
        ("torchtune-qwen2.5-1.5b", tune()),
        ("torchtune-gemma3-1b", tune()),
    ]
}

pub(super) fn policies() -> Changes {
    let policy = |policy: Value| json!({"mlPolicy": policy});
    changes! {
        "nothing changed": {},
        "no spec": {"spec": null},
        "no policy": {"spec": {"mlPolicy": null}},
        "an empty policy": {"spec": {"mlPolicy": {"torch": null}}},
        "two policies": {"spec": policy(json!({"mpi": {}}))},
        "all policies": {"spec": policy(json!({"mpi": {}, "jax": {}, "xgboost": {}, "flux": {}}))},
        "an unknown policy": {"spec": policy(json!({"tensorflow": {}}))},
        "a policy that is a text": {"spec": policy(json!({"torch": "elastic"}))},
        "three nodes": {"spec": policy(json!({"numNodes": 3}))},
        "fewer nodes than none": {"spec": policy(json!({"numNodes": -1}))},
        "a text of nodes": {"spec": policy(json!({"numNodes": "2"}))},
        "processes of the generation before": {"spec": policy(json!({"torch": {"numProcPerNode": "auto"}}))},
        "the defaults of MPI": {"spec": policy(json!({"torch": null, "mpi": {}}))},
        "MPI of another implementation": {"spec": policy(json!({"torch": null, "mpi": {"mpiImplementation": "MPICH"}}))},
        "MPI of no implementation": {"spec": policy(json!({"torch": null, "mpi": {"mpiImplementation": ""}}))},
        "MPI without processes": {"spec": policy(json!({"torch": null, "mpi": {"numProcPerNode": 0}}))},
        "MPI with a text for a switch": {"spec": policy(json!({"torch": null, "mpi": {"runLauncherAsNode": "yes"}}))},
        "MPI whose keys are nowhere": {"spec": policy(json!({"torch": null, "mpi": {"sshAuthMountPath": "/".repeat(4097)}}))},
        "the defaults of Flux": {"spec": policy(json!({"torch": null, "flux": {}}))},
        "Flux without processes": {"spec": policy(json!({"torch": null, "flux": {"numProcPerNode": 0}}))},
        "an injection": {"spec": policy(json!({"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["sidecar"]}]}}}))},
        "an injection into the trainer": {"spec": policy(json!({"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["node"]}]}}}))},
        "an injection into nothing": {"spec": policy(json!({"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": []}]}}}))},
        "an injection into a container twice": {"spec": policy(json!({"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["a", "a"]}]}}}))},
        "an injection without containers": {"spec": policy(json!({"torch": {"envInjection": {"targets": [{"jobName": "node"}]}}}))},
        "an injection without targets": {"spec": policy(json!({"torch": {"envInjection": {"targets": []}}}))},
        "the defaults of a gang": {"spec": {"podGroupPolicy": {"coscheduling": {}}}},
        "a gang's time that is a text": {"spec": {"podGroupPolicy": {"coscheduling": {"scheduleTimeoutSeconds": "60"}}}},
        "the defaults of Volcano": {"spec": {"podGroupPolicy": {"volcano": {"networkTopology": {}}}}},
        "an unknown topology": {"spec": {"podGroupPolicy": {"volcano": {"networkTopology": {"mode": "medium"}}}}},
        "two gangs": {"spec": {"podGroupPolicy": {"coscheduling": {}, "volcano": {}}}},
        "an unknown gang": {"spec": {"podGroupPolicy": {"kai": {}}}},
        "an unknown field": {"spec": {"suspend": true}},
        "a label of its framework": {"metadata": {"labels": {"trainer.kubeflow.org/framework": "torch"}}},
        "deprecated": {"metadata": {"labels": {"trainer.kubeflow.org/support": "deprecated"}}},
        "a name with a dot": {"metadata": {"name": "a.b"}},
        "a name with a capital letter": {"metadata": {"name": "Runtime"}},
    }
}

pub(super) fn templates() -> Changes {
    let steps = |steps: Value| json!({"template": {"spec": {"replicatedJobs": steps}}});
    let one = |change: Value| {
        let mut node = step("node", "trainer", json!({}));
        json_patch::merge(&mut node, &change);
        json!({"template": {"spec": {"replicatedJobs": [node]}}})
    };
    let job = |spec: Value| json!({"template": {"spec": spec}});
    let job_set = |spec: Value| json!({"template": {"spec": spec}});
    changes! {
        "no template": {"spec": {"template": null}},
        "no steps": {"spec": steps(json!([]))},
        "steps that are an object": {"spec": steps(json!({}))},
        "a step twice": {"spec": steps(json!([step("node", "trainer", json!({})), step("node", "trainer", json!({}))]))},
        "a step without a name": {"spec": steps(json!([{"template": {}}]))},
        "a step without a template": {"spec": steps(json!([{"name": "node"}]))},
        "two replicas": {"spec": one(json!({"replicas": 2}))},
        "no replicas": {"spec": one(json!({"replicas": 0}))},
        "fewer replicas than none": {"spec": one(json!({"replicas": -1}))},
        "two replicas of a step that is no ancestor": {"spec": steps(json!([{"name": "a", "replicas": 2, "template": {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}}]))},
        "a trainer without its container": {"spec": steps(json!([step("node", "trainer", json!({"containers": [{"name": "main", "image": "a"}]}))]))},
        "a trainer without containers": {"spec": steps(json!([step("node", "trainer", json!({"containers": []}))]))},
        "initializers without their containers": {"spec": steps(json!([
            step("a", "dataset-initializer", json!({"containers": [{"name": "a"}]})), step("b", "model-initializer", json!({"containers": [{"name": "b", "command": ["x"], "env": [{"name": "A", "value": "b"}]}]})),
        ]))},
        "a wrong trainer with two replicas": {"spec": steps(json!([{"name": "node", "replicas": 2, "template": {"metadata": {"labels": {ANCESTOR: "trainer"}}, "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}}}}]))},
        "an unknown ancestor": {"spec": steps(json!([step("node", "evaluator", json!({}))]))},
        "a step that waits for another": {"spec": steps(json!([step("a", "", json!({})), with(step("b", "", json!({})), json!({"dependsOn": [{"name": "a", "status": "Complete"}]}))]))},
        "a step that waits for another's end": {"spec": steps(json!([step("a", "", json!({})), with(step("b", "", json!({})), json!({"dependsOn": [{"name": "a", "status": "Failed"}]}))]))},
        "steps in order that wait": {"spec": {"template": {"spec": {"startupPolicy": {"startupPolicyOrder": "InOrder"}, "replicatedJobs": [step("a", "", json!({})), with(step("b", "", json!({})), json!({"dependsOn": [{"name": "a", "status": "Ready"}]}))]}}}},
        "a group's name": {"spec": one(json!({"groupName": "a"}))},
        "a back-off limit": {"spec": one(job(json!({"backoffLimit": 0})))},
        "a back-off limit that is a text": {"spec": one(job(json!({"backoffLimit": "0"})))},
        "a back-off limit below nothing": {"spec": one(job(json!({"backoffLimit": -1})))},
        "an unknown field of the Job": {"spec": one(job(json!({"retries": 1})))},
        "a Job's wrong parallelism": {"spec": one(job(json!({"parallelism": "2"})))},
        "a Job's policy for failed Pods": {"spec": one(job(json!({"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}})))},
        "a Job's policy without an action": {"spec": one(job(json!({"podFailurePolicy": {"rules": [{}]}})))},
        "the network's names": {"spec": job_set(json!({"network": {"enableDNSHostnames": true, "subdomain": "a"}}))},
        "an unknown success": {"spec": job_set(json!({"successPolicy": {"operator": "Most"}}))},
        "a success without an operator": {"spec": job_set(json!({"successPolicy": {}}))},
        "restarts": {"spec": job_set(json!({"failurePolicy": {"maxRestarts": 3}}))},
        "restarts in an unknown way": {"spec": job_set(json!({"failurePolicy": {"restartStrategy": "Slowly"}}))},
        "a rule for failures": {"spec": job_set(json!({"failurePolicy": {"rules": [{"name": "a", "action": "FailJobSet", "onJobFailureReasons": ["BackoffLimitExceeded"]}]}}))},
        "a rule for failures without an action": {"spec": job_set(json!({"failurePolicy": {"rules": [{"name": "a"}]}}))},
        "a time to live": {"spec": job_set(json!({"ttlSecondsAfterFinished": 60}))},
        "a time to live below nothing": {"spec": job_set(json!({"ttlSecondsAfterFinished": -1}))},
        "a claim": {"spec": job_set(json!({"volumeClaimPolicies": [{"templates": [{"metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}]}))},
        "a claim kept in an unknown way": {"spec": job_set(json!({"volumeClaimPolicies": [{"templates": [{}], "retentionPolicy": {"whenDeleted": "Ask"}}]}))},
        "claims without templates": {"spec": job_set(json!({"volumeClaimPolicies": [{}]}))},
        "a coordinator": {"spec": job_set(json!({"coordinator": {"replicatedJob": "node"}}))},
        "an unknown field of the JobSet": {"spec": job_set(json!({"jobs": []}))},
        "labels of the JobSet": {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}},
    }
}

pub(super) fn pods() -> Changes {
    let pod = |change: Value| json!({"template": {"spec": {"replicatedJobs": [step("node", "trainer", change)]}}});
    let container = |change: Value| {
        let mut container = json!({"name": "node", "image": "localhost/none"});
        json_patch::merge(&mut container, &change);
        json!({"template": {"spec": {"replicatedJobs": [step("node", "trainer", json!({"containers": [container]}))]}}})
    };
    changes! {
        "an unknown field of the Pod": {"spec": pod(json!({"restart": "Never"}))},
        "a restart policy": {"spec": pod(json!({"restartPolicy": "Never"}))},
        "an unknown restart policy": {"spec": pod(json!({"restartPolicy": "Sometimes"}))},
        "an account": {"spec": pod(json!({"serviceAccountName": "a"}))},
        "a volume of each common sort": {"spec": pod(json!({"volumes": [
            {"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "b", "configMap": {"name": "b", "defaultMode": 420}}, {"name": "c", "secret": {"secretName": "c", "items": [{"key": "k", "path": "p"}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "d"}}, {"name": "e", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        ]}))},
        "a volume of a claim without a name": {"spec": pod(json!({"volumes": [{"name": "a", "persistentVolumeClaim": {}}]}))},
        "a volume whose size is a wrong quantity": {"spec": pod(json!({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "big"}}]}))},
        "a toleration": {"spec": pod(json!({"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}))},
        "an affinity of an unknown sort": {"spec": pod(json!({"affinity": {"rackAffinity": {}}}))},
        "a spread over the topology": {"spec": pod(json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}))},
        "a spread without a key": {"spec": pod(json!({"topologySpreadConstraints": [{"maxSkew": 1}]}))},
        "a host's alias": {"spec": pod(json!({"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["a"]}]}))},
        "a container twice": {"spec": pod(json!({"containers": [{"name": "node"}, {"name": "node"}]}))},
        "a container without a name": {"spec": pod(json!({"containers": [{"image": "a"}]}))},
        "an unknown field of the container": {"spec": container(json!({"cmd": ["a"]}))},
        "a command that is a text": {"spec": container(json!({"command": "python"}))},
        "a port": {"spec": container(json!({"ports": [{"containerPort": 8080}]}))},
        "a port that is a text": {"spec": container(json!({"ports": [{"containerPort": "8080"}]}))},
        "a port without a number": {"spec": container(json!({"ports": [{"name": "http"}]}))},
        "a port twice": {"spec": container(json!({"ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "TCP"}]}))},
        "a quantity with a wrong unit": {"spec": container(json!({"resources": {"limits": {"memory": "1GB"}}}))},
        "a quantity that is a number": {"spec": container(json!({"resources": {"limits": {"cpu": 2}}}))},
        "a variable whose value is a number": {"spec": container(json!({"env": [{"name": "A", "value": 1}]}))},
        "a variable twice": {"spec": container(json!({"env": [{"name": "A"}, {"name": "A"}]}))},
        "variables of a secret": {"spec": container(json!({"envFrom": [{"secretRef": {"name": "a"}}, {"prefix": "A_", "configMapRef": {}}]}))},
        "a variable from a secret without a key": {"spec": container(json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]}))},
        "a mount without a path": {"spec": container(json!({"volumeMounts": [{"name": "a"}]}))},
        "a probe": {"spec": container(json!({"readinessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 5}}))},
        "a probe without a port": {"spec": container(json!({"readinessProbe": {"httpGet": {"path": "/"}}}))},
        "a probe of gRPC": {"spec": container(json!({"livenessProbe": {"grpc": {"port": 1}}}))},
        "a user that is a text": {"spec": container(json!({"securityContext": {"runAsUser": "root"}}))},
        "capabilities": {"spec": container(json!({"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}))},
        "a hook without a command": {"spec": container(json!({"lifecycle": {"preStop": {"sleep": {}}}}))},
        "an image that is a number": {"spec": container(json!({"image": 1}))},
    }
}

/// What the webhooks ask of a runtime that is changed.
pub(super) fn updates() -> Changes {
    changes! {
        "nothing changed": {},
        "another policy": {"spec": {"mlPolicy": {"torch": null, "jax": {}}}},
        "two replicas": {"spec": {"template": {"spec": {"replicatedJobs": [with(step("node", "trainer", json!({})), json!({"replicas": 2}))]}}}},
        "a trainer without its container": {"spec": {"template": {"spec": {"replicatedJobs": [step("node", "trainer", json!({"containers": [{"name": "main"}]}))]}}}},
        "other limits of success": {"spec": {"template": {"spec": {"successPolicy": {"operator": "Any"}}}}},
        "deprecated": {"metadata": {"labels": {"trainer.kubeflow.org/support": "deprecated"}}},
    }
}

fn with(mut step: Value, change: Value) -> Value {
    json_patch::merge(&mut step, &change);
    step
}
