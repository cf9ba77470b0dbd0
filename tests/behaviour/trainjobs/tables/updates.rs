//! Changes of TrainJobs that are there.

use serde_json::{Value, json};

use super::{Changes, changes, patches::pod};

/// A TrainJob that no controller takes, so that nothing but the test changes it.
pub(super) fn base() -> Value {
    json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "there"},
        "spec": {
            "runtimeRef": {"name": "torchtune-llama3.2-1b", "kind": "TrainingRuntime"},
            "managedBy": "kueue.x-k8s.io/multikueue",
            "initializer": {"dataset": {"storageUri": "hf://a/b"}},
            "trainer": {"image": "example.com/image:1", "numNodes": 1},
            "activeDeadlineSeconds": 60,
            "runtimePatches": patch(),
        },
    })
}

fn patch() -> Value {
    let mut patch = pod(json!({
        "serviceAccountName": "default",
        "volumes": [{"name": "a", "emptyDir": {}}],
        "containers": [{"name": "node", "securityContext": {"runAsUser": 1}}],
        "imagePullSecrets": [{"name": "a"}],
        "securityContext": {"fsGroup": 1},
        "nodeSelector": {"a": "b"},
        "terminationGracePeriodSeconds": 1,
    }));
    patch[0]["time"] = "2026-01-01T00:00:00Z".into();
    patch
}

pub(super) fn of_a_running_job() -> Changes {
    changes! {
        "nothing changed": {},
        "labels": {"metadata": {"labels": {"a": "b"}}},
        "suspended": {"spec": {"suspend": true}},
        "another runtime": {"spec": {"runtimeRef": {"name": "torch"}}},
        "no runtime": {"spec": {"runtimeRef": null}},
        "another image": {"spec": {"trainer": {"image": "example.com/image:2"}}},
        "more nodes": {"spec": {"trainer": {"numNodes": 2}}},
        "no trainer": {"spec": {"trainer": null}},
        "another data set": {"spec": {"initializer": {"dataset": {"storageUri": "hf://c/d"}}}},
        "a model beside the data set": {"spec": {"initializer": {"model": {"storageUri": "hf://c/d"}}}},
        "no initializer": {"spec": {"initializer": null}},
        "a longer deadline": {"spec": {"activeDeadlineSeconds": 120}},
        "no deadline": {"spec": {"activeDeadlineSeconds": null}},
        "another controller": {"spec": {"managedBy": "trainer.kubeflow.org/trainjob-controller"}},
        "no controller": {"spec": {"managedBy": null}},
        "two fixed fields at once": {"spec": {"trainer": {"numNodes": 2}, "activeDeadlineSeconds": 120}},
        "a fixed field changed to a wrong value": {"spec": {"activeDeadlineSeconds": 0}},
        "a fixed field changed to a wrong type": {"spec": {"trainer": {"numNodes": "2"}}},
        "another patch": {"spec": {"runtimePatches": [{"manager": "c.io/d"}]}},
        "no patches": {"spec": {"runtimePatches": null}},
        "another selector": {"spec": {"runtimePatches": changed(json!({"nodeSelector": {"a": "c"}}))}},
        "another name": {"metadata": {"name": "else"}},
        "another uid": {"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}},
        "an old resource version": {"metadata": {"resourceVersion": "1"}},
        "a status": {"status": {"conditions": []}},
        "an unknown field": {"spec": {"runtime": "a"}},
    }
}

/// While a job is suspended, its patches may be changed, but for some fields of its Pods.
pub(super) fn of_a_suspended_job() -> Changes {
    changes! {
        "resumed": {"spec": {"suspend": false}},
        "resumed by leaving it out": {"spec": {"suspend": null}},
        "another patch": {"spec": {"runtimePatches": [{"manager": "c.io/d"}]}},
        "no patches": {"spec": {"runtimePatches": null}},
        "a patch changed and the job resumed": {"spec": {"suspend": false, "runtimePatches": changed(json!({"nodeSelector": {"a": "c"}}))}},
        "another time of a patch": {"spec": {"runtimePatches": [{"manager": "a.io/b", "time": "2026-02-01T00:00:00Z"}]}},
        "another selector": {"spec": {"runtimePatches": changed(json!({"nodeSelector": {"a": "c"}}))}},
        "a toleration": {"spec": {"runtimePatches": changed(json!({"tolerations": [{"operator": "Exists"}]}))}},
        "another account": {"spec": {"runtimePatches": changed(json!({"serviceAccountName": "other"}))}},
        "another volume": {"spec": {"runtimePatches": changed(json!({"volumes": [{"name": "b", "emptyDir": {}}]}))}},
        "another user of a container": {"spec": {"runtimePatches": changed(json!({"containers": [{"name": "node", "securityContext": {"runAsUser": 2}}]}))}},
        "another secret for images": {"spec": {"runtimePatches": changed(json!({"imagePullSecrets": [{"name": "b"}]}))}},
        "another group of the Pod": {"spec": {"runtimePatches": changed(json!({"securityContext": {"fsGroup": 2}}))}},
        "another grace period": {"spec": {"runtimePatches": changed(json!({"terminationGracePeriodSeconds": 2}))}},
        "two fixed fields of the Pod": {"spec": {"runtimePatches": changed(json!({"serviceAccountName": "other", "terminationGracePeriodSeconds": 2}))}},
        "more nodes": {"spec": {"trainer": {"numNodes": 2}}},
        "a container that is not there": {"spec": {"runtimePatches": [{"manager": "c.io/d", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [{"name": "nope"}]}}}}]}},
    }
}

/// The patch with some fields of its Pod put in place of what they were.
fn changed(fields: Value) -> Value {
    let mut patch = patch();
    let path = "/0/trainingRuntimeSpec/template/spec/replicatedJobs/0/template/spec/template/spec";
    let pod = patch.pointer_mut(path).expect("the patch above");
    json_patch::merge(pod, &fields);
    patch
}
