//! TrainJobs whose names, metadata or fields of the outermost level are in question.

use serde_json::{Value, json};

use super::{Changes, changes};

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "job"},
        "spec": {"runtimeRef": {"name": "plain", "kind": "TrainingRuntime"}},
    })
}

pub(super) fn names() -> Changes {
    changes! {
        "nothing changed": {},
        "a name of one letter": {"metadata": {"name": "a"}},
        "a name with a digit and a dash": {"metadata": {"name": "a-1"}},
        "a name of 63 characters": {"metadata": {"name": "a".repeat(63)}},
        "a name of 64 characters": {"metadata": {"name": "a".repeat(64)}},
        "a name of 254 characters": {"metadata": {"name": "a".repeat(254)}},
        "a name that begins with a digit": {"metadata": {"name": "1a"}},
        "a name that begins with a dash": {"metadata": {"name": "-a"}},
        "a name that ends with a dash": {"metadata": {"name": "a-"}},
        "a name with a dot": {"metadata": {"name": "a.b"}},
        "a name with a capital letter": {"metadata": {"name": "Job"}},
        "a name with an underscore": {"metadata": {"name": "a_b"}},
        "a name with a slash": {"metadata": {"name": "a/b"}},
        "a name with a blank": {"metadata": {"name": "a b"}},
        "an empty name": {"metadata": {"name": ""}},
        "no name": {"metadata": {"name": null}},
        "a name that is a number": {"metadata": {"name": 1}},
        "labels and annotations": {"metadata": {"labels": {"a": "b"}, "annotations": {"c/d": "e f"}}},
        "a label whose value has a blank": {"metadata": {"labels": {"a": "b c"}}},
        "a label whose key has a blank": {"metadata": {"labels": {"a b": "c"}}},
        "a label whose value is too long": {"metadata": {"labels": {"a": "b".repeat(64)}}},
        "a label that is a number": {"metadata": {"labels": {"a": 1}}},
        "an annotation whose key has two slashes": {"metadata": {"annotations": {"a/b/c": "d"}}},
        "an annotation that is an object": {"metadata": {"annotations": {"a": {}}}},
        "annotations of 300 KB": {"metadata": {"annotations": {"a": "b".repeat(300_000)}}},
        "a finalizer": {"metadata": {"finalizers": ["example.com/keep"]}},
        "a finalizer without a domain": {"metadata": {"finalizers": ["keep"]}},
        "an owner without a uid": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": ""}]}},
        "a field of the metadata that is not known": {"metadata": {"nom": "a"}},
        "another namespace than the request's": {"metadata": {"namespace": "elsewhere"}},
        "no spec": {"spec": null},
        "a spec that is a list": {"spec": []},
        "a spec that is a text": {"spec": "a"},
        "a field beside the spec that is not known": {"specs": {}},
        "a status that the client sets": {"status": {"conditions": []}},
        "another kind than the request's": {"kind": "Job"},
        "another group than the request's": {"apiVersion": "example.com/v1"},
        "a resource version": {"metadata": {"resourceVersion": "1"}},
    }
}

pub(super) fn fields() -> Changes {
    changes! {
        "suspended": {"spec": {"suspend": true}},
        "suspend is a text": {"spec": {"suspend": "true"}},
        "suspend is a number": {"spec": {"suspend": 1}},
        "managed by the controller": {"spec": {"managedBy": "trainer.kubeflow.org/trainjob-controller"}},
        "managed by another cluster": {"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}},
        "managed by an unknown controller": {"spec": {"managedBy": "example.com/mine"}},
        "managed by nobody": {"spec": {"managedBy": ""}},
        "managed by a number": {"spec": {"managedBy": 1}},
        "a deadline": {"spec": {"activeDeadlineSeconds": 60}},
        "a deadline of nothing": {"spec": {"activeDeadlineSeconds": 0}},
        "a deadline in the past": {"spec": {"activeDeadlineSeconds": -1}},
        "a deadline with a fraction": {"spec": {"activeDeadlineSeconds": 1.5}},
        "a deadline that is a text": {"spec": {"activeDeadlineSeconds": "60"}},
        "an unknown field": {"spec": {"runtime": "plain"}},
        "two unknown fields": {"spec": {"runtime": "plain", "trainer": {"nodes": 2}}},
        "an unknown field of the generation before": {"spec": {"podTemplateOverrides": []}},
        "an unknown field and a wrong one": {"spec": {"runtime": "plain", "suspend": "true"}},
        "two wrong fields": {"spec": {"suspend": "true", "activeDeadlineSeconds": 0}},
        "a wrong type and a broken rule": {"spec": {"suspend": "true", "managedBy": "me"}},
        "a wrong value and a broken rule": {"spec": {"activeDeadlineSeconds": 0, "managedBy": "me"}},
        "a broken rule and a runtime that is not there": {"spec": {"managedBy": "me", "runtimeRef": {"name": "nope"}}},
    }
}

pub(super) fn runtimes() -> Changes {
    changes! {
        "no runtime": {"spec": {"runtimeRef": null}},
        "a runtime that is a text": {"spec": {"runtimeRef": "plain"}},
        "a runtime without a name": {"spec": {"runtimeRef": {"name": null}}},
        "a runtime with an empty name": {"spec": {"runtimeRef": {"name": ""}}},
        "a runtime whose name is too long": {"spec": {"runtimeRef": {"name": "a".repeat(254)}}},
        "a runtime whose name is a number": {"spec": {"runtimeRef": {"name": 1}}},
        "a runtime that is not there": {"spec": {"runtimeRef": {"name": "nope"}}},
        "a cluster's runtime that is not there": {"spec": {"runtimeRef": {"name": "nope", "kind": "ClusterTrainingRuntime"}}},
        "a runtime whose kind is left to the default": {"spec": {"runtimeRef": {"name": "nope", "kind": null}}},
        "a namespace's runtime sought in the cluster": {"spec": {"runtimeRef": {"kind": "ClusterTrainingRuntime"}}},
        "a kind that is no runtime": {"spec": {"runtimeRef": {"kind": "JobSet"}}},
        "a group that has no runtimes": {"spec": {"runtimeRef": {"apiGroup": "example.com"}}},
        "an empty group": {"spec": {"runtimeRef": {"apiGroup": ""}}},
        "an empty kind": {"spec": {"runtimeRef": {"kind": ""}}},
        "a kind that is too long": {"spec": {"runtimeRef": {"kind": "a".repeat(254)}}},
        "an unknown field of the runtime": {"spec": {"runtimeRef": {"namespace": "elsewhere"}}},
        "a deprecated runtime": {"spec": {"runtimeRef": {"name": "NAMESPACE-deprecated", "kind": "ClusterTrainingRuntime"}}},
    }
}
