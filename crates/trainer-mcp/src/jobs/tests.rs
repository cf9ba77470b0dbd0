//! Jobs in a cluster in the process, as an agent finds and changes them.

use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
    runtime::wait::await_condition,
};
use kubeflow_mcp_core::testing::Cluster;
use serde_json::{Value, json};
use workloads::train_job::TrainJob;

use super::{
    change::{DeleteTrainingJob, UpdateTrainingJob},
    details::GetTrainingJob,
    *,
};
use crate::{
    TOOL_SET,
    testing::{ByHand, status},
};

/// A cluster with a job of two nodes, suspended so that nothing moves.
async fn cluster() -> Cluster {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    create(&cluster, json!({"name": "mnist"}), true).await;
    cluster
}

async fn create(cluster: &Cluster, metadata: Value, suspend: bool) -> TrainJob {
    let job = json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": metadata,
        "spec": {"runtimeRef": {"name": "python"}, "suspend": suspend, "trainer": {"numNodes": 2, "command": ["python"], "args": ["--lr=0.1"],
            "resourcesPerNode": {"requests": {"cpu": 1}}}}});
    let api: Api<TrainJob> = Api::default_namespaced(cluster.client());
    api.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.expect("a job")
}

/// Without what differs from run to run.
fn check(mut answer: Value, expected: Expect) {
    fn blur(value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("20") && text.ends_with('Z') => {
                *text = "…".into()
            }
            Value::Object(fields) => fields.values_mut().for_each(blur),
            Value::Array(items) => items.iter_mut().for_each(blur),
            _ => {}
        }
    }
    blur(&mut answer);
    expected.assert_eq(&serde_json::to_string_pretty(&answer).unwrap());
}

#[tokio::test]
async fn jobs_are_listed_and_filtered() {
    let cluster = cluster().await;
    check(
        cluster.call::<ListTrainingJobs>(json!({})).await,
        expect![[r#"
        {
          "jobs": [
            {
              "created": "…",
              "name": "mnist",
              "nodes": 2,
              "phase": "Suspended",
              "runtime": "python"
            }
          ],
          "order": "newest-first",
          "total": 1
        }"#]],
    );
    let none = cluster.call::<ListTrainingJobs>(json!({"runtime": "torch"})).await;
    assert_eq!((&none["jobs"], &none["total"]), (&json!([]), &json!(0)));
    let one = cluster.call::<ListTrainingJobs>(json!({"status": "Suspended"})).await;
    assert_eq!(one["jobs"][0]["name"], "mnist", "{one}");
    for wrong in [json!({"status": "Succeeded"}), json!({"cursor": "made up"}), json!({"limit": 0})]
    {
        let refused = cluster.call::<ListTrainingJobs>(wrong).await;
        assert_eq!(refused["code"], "invalid_argument", "{refused}");
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let cluster = cluster().await;
    for number in 0..5 {
        create(&cluster, json!({"name": format!("job-{number}")}), true).await;
    }
    let (mut names, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = cluster.call::<ListTrainingJobs>(json!({"limit": 4, "cursor": cursor})).await;
        names.extend(
            page["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["name"].as_str().unwrap().to_owned()),
        );
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    names.sort_unstable();
    assert_eq!(names, ["job-0", "job-1", "job-2", "job-3", "job-4", "mnist"]);
}

#[tokio::test]
async fn a_job_is_shown() {
    let cluster = cluster().await;
    let job: Api<TrainJob> = Api::default_namespaced(cluster.client());
    await_condition(job, "mnist", |it: Option<&TrainJob>| {
        it.is_some_and(|it| it.condition("Suspended").is_some())
    })
    .await
    .expect("the controller suspends it");
    check(
        cluster.call::<GetTrainingJob>(json!({"name": "mnist"})).await,
        expect![[r#"
        {
          "args": [
            "--lr=0.1"
          ],
          "conditions": [
            {
              "at": "…",
              "reason": "Suspended",
              "status": "True",
              "type": "Suspended"
            }
          ],
          "created": "…",
          "groups": [],
          "name": "mnist",
          "namespace": "default",
          "nodes": 2,
          "phase": "Suspended",
          "resources": {
            "cpu": "1"
          },
          "runtime": "python",
          "runtime_kind": "ClusterTrainingRuntime",
          "sdk_status": "Created",
          "steps": []
        }"#]],
    );
    check(
        cluster.call::<GetTrainingJob>(json!({"name": "absent"})).await,
        expect![[r#"
        {
          "code": "not_found",
          "message": "TrainJob \"absent\" not found in namespace \"default\""
        }"#]],
    );
}

#[tokio::test]
async fn resuming_is_previewed_and_done_once() {
    let cluster = cluster().await;
    let suspended = async || {
        let api: Api<TrainJob> = Api::default_namespaced(cluster.client());
        api.get("mnist").await.unwrap().spec.suspend
    };
    let resume = json!({"name": "mnist", "action": "resume"});
    check(
        cluster.call::<UpdateTrainingJob>(resume).await,
        expect![[r#"
        {
          "changed": true,
          "consequence": "new Pods start the program from its beginning; it must find its checkpoints itself",
          "name": "mnist",
          "namespace": "default",
          "preview": true,
          "suspended": false
        }"#]],
    );
    assert_eq!(suspended().await, Some(true));
    let resume = json!({"name": "mnist", "action": "resume", "confirmed": true});
    assert_eq!(cluster.call::<UpdateTrainingJob>(resume.clone()).await["changed"], true);
    assert_eq!(suspended().await, Some(false));
    assert_eq!(cluster.call::<UpdateTrainingJob>(resume).await["changed"], false);
}

#[tokio::test]
async fn what_kueue_manages_is_left_to_it() {
    let cluster = cluster().await;
    let labels = json!({"kueue.x-k8s.io/queue-name": "team"});
    create(&cluster, json!({"name": "queued", "labels": labels}), true).await;
    check(
        cluster.call::<UpdateTrainingJob>(json!({"name": "queued", "action": "resume"})).await,
        expect![[r#"
            {
              "code": "conflict",
              "hint": "to stop it, delete it, or have its Workload deactivated",
              "message": "training job \"queued\" is managed by Kueue (queue \"team\"), which suspends and resumes it as its queue allows and would undo this"
            }"#]],
    );
}

/// The JobSet of a job, once the Trainer has made it.
async fn job_set(cluster: &Cluster, name: &str) -> DynamicObject {
    let kind = GroupVersionKind::gvk("jobset.x-k8s.io", "v1alpha2", "JobSet");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::default_namespaced_with(cluster.client(), &resource);
    let made = |it: Option<&DynamicObject>| it.is_some();
    await_condition(api, name, made).await.expect("a watch").expect("a JobSet")
}

#[tokio::test]
async fn deletion_is_previewed_with_what_is_lost() {
    let cluster = cluster().await;
    let job_set = job_set(&cluster, "mnist").await;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    for (name, owner) in [("initializer-mnist", Some(&job_set)), ("kept-mnist", None)] {
        let owner = owner.map(|it| {
            json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": it.name_any(), "uid": it.uid()})
        });
        let claim = json!({
            "metadata": {"name": name, "labels": {"jobset.sigs.k8s.io/jobset-name": "mnist"},
                "ownerReferences": owner.map(|it| vec![it])},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        let claim = serde_json::from_value(claim).unwrap();
        claims.create(&PostParams::default(), &claim).await.expect("a claim");
    }
    let jobs: Api<TrainJob> = Api::default_namespaced(cluster.client());
    let preview = cluster.call::<DeleteTrainingJob>(json!({"name": "mnist"})).await;
    check(
        preview,
        expect![[r#"
            {
              "kept_volumes": [
                "kept-mnist"
              ],
              "lost_volumes": [
                "initializer-mnist"
              ],
              "name": "mnist",
              "namespace": "default",
              "phase": "Suspended",
              "pods": 0,
              "preview": true
            }"#]],
    );
    assert_eq!(jobs.get("mnist").await.expect("it is still there").name_any(), "mnist");
    let done = cluster.call::<DeleteTrainingJob>(json!({"name": "mnist", "confirmed": true})).await;
    assert_eq!(done["preview"], false, "{done}");
    let again =
        cluster.call::<DeleteTrainingJob>(json!({"name": "mnist", "confirmed": true})).await;
    assert_eq!(again["code"], "not_found", "{again}");
}

#[tokio::test]
async fn a_running_job_tells_how_far_it_is() {
    let cluster = ByHand::new(|_, query| {
        assert!(query.contains("timestamps=true"), "{query}");
        let lines = "2026-08-21T10:00:00Z step 100/1000 loss=0.5\n2026-08-21T10:01:00Z step 250/1000 loss=0.4\n";
        (200, lines.to_owned())
    })
    .await;
    cluster.job("mnist", 1, status(1, 1, None)).await;
    cluster.pod("mnist", 0, "Running", json!({"running": {}}), 0).await;
    let job = cluster.call("get_training_job", json!({"name": "mnist"})).await;
    let printed = json!({"percent": 25, "metrics": {"step": "250/1000", "loss": "0.4"}});
    assert_eq!(job["progress"], printed, "{job}");
    // What the program reports to the Trainer is better.
    let mut reporting = status(1, 1, None);
    reporting["trainerStatus"] = json!({"progressPercentage": 40, "estimatedRemainingSeconds": 90});
    cluster.job("reporting", 1, reporting).await;
    let job = cluster.call("get_training_job", json!({"name": "reporting"})).await;
    assert_eq!(job["progress"], json!({"percent": 40, "remaining_seconds": 90}), "{job}");
}
