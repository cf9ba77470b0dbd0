//! Volumes that a job uses and that were there before it.

use std::fs;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use kubeflow_mcp_tests::cluster::Cluster;
use serde_json::json;

use crate::training;

/// The folder of the volume is on this machine, as the processes of Pods are.
#[tokio::test]
async fn a_job_reads_and_writes_a_volume_that_was_made_by_hand() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "by hand").unwrap();
    let volumes: Api<PersistentVolume> = Api::all(cluster.admin());
    let modes = json!(["ReadWriteOnce"]);
    let volume = json!({"metadata": {"name": namespace.name()}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": modes, "storageClassName": "",
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": folder.path()},
    }});
    let volume: PersistentVolume = serde_json::from_value(volume).unwrap();
    volumes.create(&PostParams::default(), &volume).await.unwrap();
    let claim = json!({"metadata": {"name": "data"}, "spec": {
        "accessModes": modes, "storageClassName": "", "volumeName": namespace.name(),
        "resources": {"requests": {"storage": "1Gi"}},
    }});
    let claim: PersistentVolumeClaim = serde_json::from_value(claim).unwrap();
    let claims = namespace.api::<PersistentVolumeClaim>();
    claims.create(&PostParams::default(), &claim).await.unwrap();

    let script = "import os\nhere = os.environ['HERE']\nprint(open(here + '/data').read())\n\
                  open(os.environ['MODEL_OUTPUT'] + '/model', 'w').write('trained')";
    let job = json!({
        "name": "reader", "runtime": "once", "script": script, "confirmed": true,
        "env": {"HERE": "/volume"},
        "options": {
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            "volume_mounts": [{"name": "data", "mountPath": "/volume"}],
        },
        "output": "pvc://data/models/reader",
    });
    let started = namespace.call("run_custom_training", job).await;
    assert_eq!(started["created"], true, "{started}");
    let ended = json!({"name": "reader", "timeout_seconds": 120});
    let ended = namespace.call("wait_for_training", ended).await;
    assert_eq!(
        (&ended["phase"], &ended["log"]),
        (&json!("Succeeded"), &json!("by hand")),
        "{ended}"
    );
    let shown = namespace.call("get_training_job", json!({"name": "reader"})).await;
    assert_eq!(shown["output"], "pvc://data/models/reader", "{shown}");
    let claim = claims.get("data").await.unwrap();
    assert_eq!(claim.status.unwrap().phase.as_deref(), Some("Bound"));

    // The claim is the user's own, and not the job's.
    let deleted = json!({"name": "reader", "confirmed": true});
    let deleted = namespace.call("delete_training_job", deleted).await;
    assert_eq!(deleted["lost_volumes"], json!([]), "{deleted}");
    let model = folder.path().join("models/reader/model");
    assert_eq!(fs::read_to_string(model).unwrap(), "trained");
    volumes.delete(namespace.name(), &DeleteParams::default()).await.unwrap();
}
