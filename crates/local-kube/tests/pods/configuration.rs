//! What a Pod's process is told: variables, volumes, peers.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use serde_json::json;

use crate::cluster::{Cluster, phase, pod, state};

#[tokio::test]
async fn variables_come_from_everywhere() {
    let cluster = Cluster::new().await;
    cluster
        .create::<ConfigMap>(
            json!({ "metadata": { "name": "map" }, "data": { "A": "1", "B": "2" } }),
        )
        .await;
    let mut told =
        pod("told", "echo $A $B $FROM_A $NAME $INDEX $LIMIT $JOINED; cat /etc/map/b; echo $(ARG)");
    told["metadata"]["labels"] = json!({ "index": "7" });
    let container = &mut told["spec"]["containers"][0];
    container["resources"] = json!({ "limits": { "memory": "1Gi" } });
    container["envFrom"] = json!([{ "configMapRef": { "name": "map" } }, { "prefix": "FROM_", "configMapRef": { "name": "map" } }]);
    container["env"] = json!([
        { "name": "B", "valueFrom": { "configMapKeyRef": { "name": "map", "key": "A" } } },
        { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
        { "name": "INDEX", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['index']" } } },
        { "name": "LIMIT", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
        { "name": "JOINED", "value": "$(NAME)-$(INDEX)-$(LATER)" },
        { "name": "LATER", "value": "x" },
        { "name": "ARG", "value": "argument" },
    ]);
    container["volumeMounts"] = json!([{ "name": "map", "mountPath": "/etc/map" }]);
    told["spec"]["volumes"] = json!([{ "name": "map", "configMap": { "name": "map", "items": [{ "key": "B", "path": "b" }] } }]);
    cluster.run(told, phase("Succeeded")).await;
    assert_eq!(
        cluster.log("told", &[]).await.unwrap(),
        "1 1 1 told 7 1024 told-7-$(LATER)\n2argument\n"
    );
}

#[tokio::test]
async fn a_secret_that_is_missing_is_waited_for() {
    let cluster = Cluster::new().await;
    let mut waits = pod("waits", "echo $PASSWORD");
    waits["spec"]["containers"][0]["env"] = json!([{ "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": "login", "key": "password" } } }]);
    let refused =
        |pod: &serde_json::Value| state(pod)["waiting"]["reason"] == "CreateContainerConfigError";
    let waiting = cluster.run(waits, refused).await;
    assert_eq!(state(&waiting)["waiting"]["message"], "secret \"login\" not found");
    cluster
        .create::<Secret>(
            json!({ "metadata": { "name": "login" }, "stringData": { "other": "x" } }),
        )
        .await;
    let keyless = "couldn't find key password in Secret default/login";
    cluster.wait::<Pod>("waits", |pod| state(pod)["waiting"]["message"] == keyless).await;
    cluster.merge::<Secret>("login", json!({ "stringData": { "password": "open" } })).await;
    cluster.wait::<Pod>("waits", phase("Succeeded")).await;
    assert_eq!(cluster.log("waits", &[]).await.unwrap(), "open\n");
}

#[tokio::test]
async fn ranks_find_each_other_and_two_jobs_do_not_collide() {
    let cluster = Cluster::new().await;
    let talk = "python -c \"
import os, socket, time
address = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))
if os.environ['RANK'] == '0':
    with socket.create_server(address) as server:
        server.accept()[0].sendall(os.environ['JOB'].encode())
else:
    deadline = time.time() + 30
    while True:
        try:
            print(socket.create_connection(address).recv(9).decode())
            break
        except ConnectionRefusedError:
            assert time.time() < deadline
            time.sleep(0.05)
\"";
    for job in ["one", "two"] {
        cluster
            .create::<Service>(
                json!({ "metadata": { "name": job }, "spec": { "clusterIP": "None" } }),
            )
            .await;
        for rank in ["0", "1"] {
            let mut member = pod(&format!("{job}-node-0-{rank}"), talk);
            member["spec"]["subdomain"] = job.into();
            member["spec"]["hostname"] = format!("{job}-node-0-{rank}").into();
            member["spec"]["containers"][0]["env"] = json!([
                { "name": "MASTER_ADDR", "value": format!("{job}-node-0-0.{job}") },
                { "name": "MASTER_PORT", "value": "29500" },
                { "name": "RANK", "value": rank },
                { "name": "JOB", "value": job },
            ]);
            cluster.create::<Pod>(member).await;
        }
    }
    for job in ["one", "two"] {
        let name = format!("{job}-node-0-1");
        cluster.wait::<Pod>(&name, phase("Succeeded")).await;
        assert_eq!(cluster.log(&name, &[]).await.unwrap(), format!("{job}\n"));
    }
}

#[tokio::test]
async fn what_runs_sees_that_its_config_map_has_changed() {
    let cluster = Cluster::with(|options| options.refresh = Duration::from_millis(200)).await;
    cluster
        .create::<ConfigMap>(json!({ "metadata": { "name": "settings" }, "data": { "rate": "1" } }))
        .await;
    let mut reads = pod("reads", "until grep 2 /settings/rate; do sleep 0.1; done");
    reads["spec"]["volumes"] = json!([{ "name": "settings", "configMap": { "name": "settings" } }]);
    reads["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "settings", "mountPath": "/settings" }]);
    cluster.run(reads, phase("Running")).await;
    cluster.merge::<ConfigMap>("settings", json!({ "data": { "rate": "2" } })).await;
    cluster.wait::<Pod>("reads", phase("Succeeded")).await;
}

#[tokio::test]
async fn what_cannot_run_here_is_said() {
    let cluster = Cluster::new().await;
    let mut image = pod("image", "true");
    image["spec"]["containers"][0]["image"] = "docker.io/library/busybox".into();
    let waiting =
        cluster.run(image, |pod| state(pod)["waiting"]["reason"] == "ErrImageNeverPull").await;
    let message = state(&waiting)["waiting"]["message"].as_str().unwrap();
    assert!(
        message.contains("docker.io/library/busybox") && message.contains("localhost/host-python")
    );
    assert_eq!(waiting["status"]["phase"], "Pending");

    let mut silent = pod("silent", "");
    silent["spec"]["containers"][0].as_object_mut().unwrap().remove("command");
    let waiting =
        cluster.run(silent, |pod| state(pod)["waiting"]["reason"] == "RunContainerError").await;
    assert!(
        state(&waiting)["waiting"]["message"].as_str().unwrap().contains("no command specified")
    );

    let mut mounts = pod("mounts", "true");
    mounts["spec"]["volumes"] = json!([{ "name": "host", "hostPath": { "path": "/etc" } }]);
    cluster.create::<Pod>(mounts).await;
    cluster.wait_event("mounts", "FailedMount MountVolume.SetUp failed for volume \"host\"").await;
}
