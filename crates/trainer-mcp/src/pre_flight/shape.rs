//! The Pods that a TrainJob would have, as far as its runtime and its own fields tell.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use local_kube::patch::strategic_merge;
use serde_json::{Value, json};
use workloads::train_job::runtime::Runtime;

/// A job, taken apart.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) name: String,
    /// The Kueue queue that it names.
    pub(super) queue: Option<String>,
    pub(super) nodes: u64,
    /// One of the Pods that train.
    pub(super) trainer: PodTemplateSpec,
    /// Of all its Pods, the initializers' too.
    pub(super) secrets: BTreeSet<String>,
    pub(super) claims: BTreeSet<String>,
    /// Classes of the volumes that are made for it; `None` stands for the default.
    pub(super) classes: BTreeSet<Option<String>>,
    /// All images, in order of their names.
    pub(super) images: BTreeSet<String>,
}

impl Shape {
    pub(super) fn of(job: &Value, runtime: &Runtime, queue_label: &str) -> Self {
        let nodes = job["spec"]["trainer"]["numNodes"].as_u64();
        let mut shape = Self {
            name: job["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            queue: job["metadata"]["labels"][queue_label].as_str().map(str::to_owned),
            nodes: nodes.unwrap_or_else(|| u64::try_from(runtime.nodes()).unwrap_or(1)),
            classes: classes(runtime),
            ..Self::default()
        };
        let trainers = runtime.trainer_jobs();
        for replicated in &runtime.spec.template.spec.replicated_jobs {
            let mut pod = json!(replicated.template.spec.as_ref().map(|it| &it.template));
            patch(&mut pod, job, &replicated.name);
            let trains = trainers.contains(&replicated.name.as_str());
            if trains {
                set_trainer(&mut pod, &job["spec"]["trainer"]);
            }
            let pod: PodTemplateSpec = serde_json::from_value(pod).unwrap_or_default();
            if let Some(spec) = &pod.spec {
                shape.look_at(spec);
            }
            // With MPI the launcher is none of the nodes that have the devices.
            if trains && (replicated.name != "launcher" || shape.trainer.spec.is_none()) {
                shape.trainer = pod;
            }
        }
        for initializer in ["dataset", "model"] {
            let secret = &job["spec"]["initializer"][initializer]["secretRef"]["name"];
            shape.secrets.extend(secret.as_str().map(str::to_owned));
        }
        shape
    }

    fn look_at(&mut self, pod: &PodSpec) {
        self.secrets.extend(pod.image_pull_secrets.iter().flatten().map(|it| it.name.clone()));
        for volume in pod.volumes.iter().flatten() {
            let secret = volume.secret.as_ref().filter(|it| it.optional != Some(true));
            self.secrets.extend(secret.and_then(|it| it.secret_name.clone()));
            self.claims
                .extend(volume.persistent_volume_claim.iter().map(|it| it.claim_name.clone()));
        }
        for container in pod.init_containers.iter().flatten().chain(&pod.containers) {
            self.images.extend(container.image.clone());
            let one = container.env.iter().flatten().filter_map(|it| it.value_from.as_ref());
            let one = one.filter_map(|it| it.secret_key_ref.as_ref());
            let one = one.filter(|it| it.optional != Some(true)).map(|it| it.name.clone());
            let all = container.env_from.iter().flatten().filter_map(|it| it.secret_ref.as_ref());
            let all = all.filter(|it| it.optional != Some(true)).map(|it| it.name.clone());
            self.secrets.extend(one.chain(all));
        }
    }

    /// A Pod of the job, for the API server to judge.
    pub(super) fn pod(&self) -> Value {
        let metadata = self.trainer.metadata.as_ref();
        let mut spec = json!(self.trainer.spec);
        // JobSet's default, and what a Job takes.
        if spec["restartPolicy"].is_null() {
            spec["restartPolicy"] = json!("OnFailure");
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": format!("{}-node-0-0-check", self.name),
                "labels": metadata.and_then(|it| it.labels.clone()),
                "annotations": metadata.and_then(|it| it.annotations.clone()).unwrap_or_default(),
            },
            "spec": spec,
        })
    }
}

fn classes(runtime: &Runtime) -> BTreeSet<Option<String>> {
    let policies = runtime.spec.template.spec.volume_claim_policies.iter();
    let claims = policies.flat_map(|it| &it.templates);
    claims.map(|it| it.spec.as_ref().and_then(|it| it.storage_class_name.clone())).collect()
}

/// Lays the job's own wishes over the Pods of one of its parts, in whichever form it has them.
fn patch(pod: &mut Value, job: &Value, part: &str) {
    let newer = job["spec"]["runtimePatches"].as_array().into_iter().flatten();
    let newer = newer.flat_map(|it| {
        let jobs = it.pointer("/trainingRuntimeSpec/template/spec/replicatedJobs");
        jobs.and_then(Value::as_array).into_iter().flatten()
    });
    let newer = newer.filter(|it| it["name"] == part);
    let newer = newer.filter_map(|it| it.pointer("/template/spec/template").cloned());
    let older = job["spec"]["podTemplateOverrides"].as_array().into_iter().flatten();
    let older = older.filter(|it| {
        let jobs = it["targetJobs"].as_array().into_iter().flatten();
        jobs.into_iter().any(|it| it["name"] == part)
    });
    let older = older.map(|it| json!({"spec": it["spec"]}));
    for wish in newer.chain(older) {
        // What cannot be merged, the dry run has refused.
        let _ = strategic_merge(pod, &wish);
    }
}

fn set_trainer(pod: &mut Value, trainer: &Value) {
    let containers = pod["spec"]["containers"].as_array_mut().into_iter().flatten();
    for container in containers.filter(|it| it["name"] == "node") {
        for field in ["image", "command", "args"] {
            if !trainer[field].is_null() {
                container[field] = trainer[field].clone();
            }
        }
        let more = trainer["env"].as_array().cloned().unwrap_or_default();
        let mut env = container["env"].as_array().cloned().unwrap_or_default();
        env.retain(|own| !more.iter().any(|it| it["name"] == own["name"]));
        env.extend(more);
        if !env.is_empty() {
            container["env"] = json!(env);
        }
        for kind in ["requests", "limits"] {
            for (resource, amount) in
                trainer["resourcesPerNode"][kind].as_object().into_iter().flatten()
            {
                container["resources"][kind][resource] = amount.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_the_runtime_s_with_what_the_job_says() {
        let container = json!({"name": "node", "image": "old", "env": [{"name": "A", "value": "1"}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}}});
        let node = json!({"name": "node", "template": {"spec": {"template": {"spec": {"containers": [container]}}}}});
        let runtime: Runtime = serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": {
            "mlPolicy": {"numNodes": 2},
            "template": {"spec": {"replicatedJobs": [node], "volumeClaimPolicies": [{"templates": [{"spec": {}}]}]}}}}))
        .unwrap();
        let secret =
            json!({"name": "T", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}});
        let wish = json!({"spec": {"nodeSelector": {"zone": "a"}, "imagePullSecrets": [{"name": "pull"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}});
        let patches = json!([{"manager": "m", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [
            {"name": "node", "template": {"spec": {"template": wish}}}]}}}}]);
        let job = json!({"metadata": {"name": "mnist", "labels": {"queue": "team"}}, "spec": {
            "trainer": {"image": "new", "env": [secret], "resourcesPerNode": {"limits": {"nvidia.com/gpu": 4}}},
            "runtimePatches": patches}});
        let shape = Shape::of(&job, &runtime, "queue");
        assert_eq!((shape.nodes, shape.queue.as_deref()), (2, Some("team")));
        assert_eq!(shape.secrets, ["hf", "pull"].map(str::to_owned).into());
        assert_eq!(shape.claims, ["data".to_owned()].into());
        assert_eq!(shape.classes, [None].into());
        assert_eq!(shape.images, ["new".to_owned()].into());
        let pod = shape.pod();
        assert_eq!(pod["spec"]["nodeSelector"], json!({"zone": "a"}));
        assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], "4");
        assert_eq!(pod["metadata"]["name"], "mnist-node-0-0-check");
    }
}
