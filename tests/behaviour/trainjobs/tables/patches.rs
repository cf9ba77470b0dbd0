//! TrainJobs whose patches of the runtime are in question.

use serde_json::{Value, json};

use super::{Changes, changes};

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "job"},
        "spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b", "kind": "TrainingRuntime"}},
    })
}

pub(super) fn patches() -> Changes {
    let of_manager = |manager: Value| json!([{"manager": manager}]);
    changes! {
        "no patches": {"spec": {"runtimePatches": []}},
        "patches that are an object": {"spec": {"runtimePatches": {}}},
        "a patch of a manager": {"spec": {"runtimePatches": of_manager(json!("example.com/a"))}},
        "a patch of nobody": {"spec": {"runtimePatches": [{"time": "2026-01-01T00:00:00Z"}]}},
        "a manager without a name": {"spec": {"runtimePatches": of_manager(json!(""))}},
        "a manager without a domain": {"spec": {"runtimePatches": of_manager(json!("kueue"))}},
        "a manager without a path": {"spec": {"runtimePatches": of_manager(json!("example.com/"))}},
        "a manager with an empty domain": {"spec": {"runtimePatches": of_manager(json!("/a"))}},
        "a manager with a capital letter": {"spec": {"runtimePatches": of_manager(json!("Example.com/a"))}},
        "a manager with an underscore": {"spec": {"runtimePatches": of_manager(json!("example_com/a"))}},
        "a manager with two slashes": {"spec": {"runtimePatches": of_manager(json!("example.com/a/b"))}},
        "a manager with a blank": {"spec": {"runtimePatches": of_manager(json!("example.com/a b"))}},
        "a manager whose domain has an empty part": {"spec": {"runtimePatches": of_manager(json!("example..com/a"))}},
        "a manager that is too long": {"spec": {"runtimePatches": of_manager(json!(format!("example.com/{}", "a".repeat(253))))}},
        "a manager that is a number": {"spec": {"runtimePatches": of_manager(json!(1))}},
        "two managers": {"spec": {"runtimePatches": [{"manager": "a.io/b"}, {"manager": "c.io/d"}]}},
        "a manager twice": {"spec": {"runtimePatches": [{"manager": "a.io/b"}, {"manager": "a.io/b"}]}},
        "17 managers": {"spec": {"runtimePatches": (0..17).map(|it| json!({"manager": format!("a.io/{it}")})).collect::<Vec<_>>()}},
        "a patch with its time": {"spec": {"runtimePatches": [{"manager": "a.io/b", "time": "2026-01-01T00:00:00Z"}]}},
        "a patch with a wrong time": {"spec": {"runtimePatches": [{"manager": "a.io/b", "time": "yesterday"}]}},
        "an unknown field of a patch": {"spec": {"runtimePatches": [{"manager": "a.io/b", "spec": {}}]}},
        "labels of the JobSet": {"spec": {"runtimePatches": [{"manager": "a.io/b", "trainingRuntimeSpec": {"template": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}}}]}},
        "an empty patch of the runtime": {"spec": {"runtimePatches": [{"manager": "a.io/b", "trainingRuntimeSpec": {}}]}},
        "a step that is not there": {"spec": {"runtimePatches": step(json!({"name": "launcher"}))}},
        "a step without a name": {"spec": {"runtimePatches": step(json!({"template": {}}))}},
        "a step with an empty name": {"spec": {"runtimePatches": step(json!({"name": ""}))}},
        "a step": {"spec": {"runtimePatches": step(json!({"name": "node"}))}},
        "labels of a step's Job": {"spec": {"runtimePatches": step(json!({"name": "node", "template": {"metadata": {"labels": {"a": "b"}}}}))}},
        "the number of a step's Pods": {"spec": {"runtimePatches": step(json!({"name": "node", "template": {"spec": {"parallelism": 2}}}))}},
        "the replicas of a step": {"spec": {"runtimePatches": step(json!({"name": "node", "replicas": 2}))}},
    }
}

pub(super) fn pods() -> Changes {
    changes! {
        "an empty Pod": {"spec": {"runtimePatches": pod(json!({}))}},
        "labels of a Pod": {"spec": {"runtimePatches": step(json!({"name": "node", "template": {"spec": {"template": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}}}}))}},
        "a wrong label of a Pod": {"spec": {"runtimePatches": step(json!({"name": "node", "template": {"spec": {"template": {"metadata": {"labels": {"a": 1}}}}}}))}},
        "everything that a Pod's patch may say": {"spec": {"runtimePatches": pod(json!({
            "serviceAccountName": "default",
            "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}],
            "containers": [{"name": "node", "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}], "securityContext": {"runAsUser": 1000}}],
            "imagePullSecrets": [{"name": "a"}],
            "securityContext": {"fsGroup": 1000},
            "nodeSelector": {"a": "b"},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}}},
            "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
            "schedulingGates": [{"name": "a.io/b"}],
            "terminationGracePeriodSeconds": 60,
        }))}},
        "an account that is a number": {"spec": {"runtimePatches": pod(json!({"serviceAccountName": 1}))}},
        "an account that is too long": {"spec": {"runtimePatches": pod(json!({"serviceAccountName": "a".repeat(254)}))}},
        "a volume without a name": {"spec": {"runtimePatches": pod(json!({"volumes": [{"emptyDir": {}}]}))}},
        "a volume without a source": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a"}]}))}},
        "a volume twice": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a"}, {"name": "a"}]}))}},
        "a volume of an unknown sort": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a", "disk": {}}]}))}},
        "a volume of a claim": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "b"}}]}))}},
        "a volume of a claim without a name": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a", "persistentVolumeClaim": {}}]}))}},
        "a volume of a host's folder": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}))}},
        "a volume of a secret's key without a path": {"spec": {"runtimePatches": pod(json!({"volumes": [{"name": "a", "secret": {"secretName": "b", "items": [{"key": "c"}]}}]}))}},
        "a container that is not there": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "main"}]}))}},
        "a container without a name": {"spec": {"runtimePatches": pod(json!({"containers": [{"env": []}]}))}},
        "a container's variables": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "node", "env": [{"name": "A", "value": "b"}]}]}))}},
        "a sidecar's variables": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "sidecar", "env": [{"name": "A", "value": "b"}]}]}))}},
        "an initializer's variables": {"spec": {"runtimePatches": step(json!({"name": "dataset-initializer", "template": {"spec": {"template": {"spec": {"containers": [{"name": "dataset-initializer", "env": [{"name": "A"}]}]}}}}}))}},
        "a container's image": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "node", "image": "a"}]}))}},
        "a container's resources": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "node", "resources": {}}]}))}},
        "a volume mounted twice": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "node", "volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/b"}]}]}))}},
        "a volume mounted nowhere": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "node", "volumeMounts": [{"name": "a"}]}]}))}},
        "a container's wrong user": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "node", "securityContext": {"runAsUser": "root"}}]}))}},
        "an init container that is not there": {"spec": {"runtimePatches": pod(json!({"initContainers": [{"name": "a"}]}))}},
        "an init container that is an ordinary one": {"spec": {"runtimePatches": pod(json!({"initContainers": [{"name": "node"}]}))}},
        "two containers that are not there": {"spec": {"runtimePatches": pod(json!({"containers": [{"name": "a"}, {"name": "b"}]}))}},
        "a secret for images without a name": {"spec": {"runtimePatches": pod(json!({"imagePullSecrets": [{}]}))}},
        "a selector with a number": {"spec": {"runtimePatches": pod(json!({"nodeSelector": {"a": 1}}))}},
        "a toleration with an unknown operator": {"spec": {"runtimePatches": pod(json!({"tolerations": [{"key": "a", "operator": "Is"}]}))}},
        "a toleration with an unknown field": {"spec": {"runtimePatches": pod(json!({"tolerations": [{"name": "a"}]}))}},
        "an affinity without terms": {"spec": {"runtimePatches": pod(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}}))}},
        "an unknown affinity": {"spec": {"runtimePatches": pod(json!({"affinity": {"rackAffinity": {}}}))}},
        "a gate without a name": {"spec": {"runtimePatches": pod(json!({"schedulingGates": [{}]}))}},
        "17 gates": {"spec": {"runtimePatches": pod(json!({"schedulingGates": (0..17).map(|it| json!({"name": format!("a{it}")})).collect::<Vec<_>>()}))}},
        "a grace period below nothing": {"spec": {"runtimePatches": pod(json!({"terminationGracePeriodSeconds": -1}))}},
        "a restart policy": {"spec": {"runtimePatches": pod(json!({"restartPolicy": "Never"}))}},
        "the host's network": {"spec": {"runtimePatches": pod(json!({"hostNetwork": true}))}},
    }
}

/// One manager's patch of one step.
fn step(step: Value) -> Value {
    json!([{"manager": "a.io/b", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [step]}}}}])
}

/// One manager's patch of the training step's Pods.
pub(super) fn pod(pod: Value) -> Value {
    step(json!({"name": "node", "template": {"spec": {"template": {"spec": pod}}}}))
}
