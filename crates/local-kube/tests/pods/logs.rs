//! Reading the log of a Pod, while it is written and when there is none.

use crate::cluster::{Cluster, phase, pod, state};

#[tokio::test]
async fn a_followed_log_ends_with_its_container() {
    let cluster = Cluster::new().await;
    let counting = "for i in 1 2 3; do echo line $i; sleep 0.2; done; printf end";
    cluster.run(pod("counting", counting), |pod| state(pod)["running"].is_object()).await;
    let all = cluster.log("counting", &[("follow", "true")]).await.unwrap();
    assert_eq!(all, "line 1\nline 2\nline 3\nend\n");
    let limited = [("follow", "true"), ("limitBytes", "9")];
    assert_eq!(cluster.log("counting", &limited).await.unwrap(), "line 1\nli");
    assert_eq!(cluster.log("counting", &[("tailLines", "2")]).await.unwrap(), "line 3\nend\n");
}

#[tokio::test]
async fn the_latest_of_a_long_log_is_kept() {
    let cluster = Cluster::with(|options| options.log_limit = 50_000).await;
    cluster
        .run(
            pod("talkative", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done"),
            phase("Succeeded"),
        )
        .await;
    let log = cluster.log("talkative", &[]).await.unwrap();
    assert!(log.ends_with("line 2999\nline 3000\n"));
    assert!(log.len() < 25_000 && !log.contains("line 1\n"), "{}", log.len());
}

#[tokio::test]
async fn what_has_no_log_is_said_as_a_kubelet_does() {
    let cluster = Cluster::new().await;
    let mut image = pod("image", "true");
    image["spec"]["containers"][0]["image"] = "other".into();
    cluster.run(image, |pod| state(pod)["waiting"]["reason"] == "ErrImageNeverPull").await;
    let error = cluster.log("image", &[]).await.unwrap_err();
    assert_eq!(error, "container \"main\" in pod \"image\" is waiting to start: ErrImageNeverPull");
    cluster.run(pod("once", "true"), phase("Succeeded")).await;
    for (query, expected) in [
        (("previous", "true"), "previous terminated container \"main\" in pod \"once\" not found"),
        (("container", "side"), "container side is not valid for pod once"),
        (
            ("tailLines", "-1"),
            "PodLogOptions \"once\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
        ),
    ] {
        assert_eq!(cluster.log("once", &[query]).await.unwrap_err(), expected);
    }
}
