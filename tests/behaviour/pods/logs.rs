//! The logs of Pods, with everything that may be asked of them.

use expect_test::expect;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::json;

use super::observed::{Gate, Observed, pod};

async fn log(namespace: &Namespace, pod: &str, query: &str) -> String {
    let line = format!("GET /api/v1/namespaces/NAMESPACE/pods/{pod}/log?{query}");
    let answer = namespace.ask(&line, &[], "").await;
    let said = match answer.code {
        200 => answer.text,
        code => format!("{code} {}", answer.json()["message"].as_str().unwrap_or(&answer.text)),
    };
    namespace.normalised(&said)
}

#[tokio::test]
async fn what_is_asked_of_a_log_is_shown() {
    let namespace = Cluster::under_test().await.namespace().await;
    let prints =
        pod("prints", "echo one; sleep 0.5; echo two >&2; sleep 0.5; printf 'three\\n\\nlast'");
    Observed::create(&namespace, prints).await.phase("Succeeded").await;
    for (query, expected) in [
        (
            "",
            expect![[r#"
            one
            two
            three

            last
        "#]],
        ),
        (
            "tailLines=1",
            expect![[r#"
            last
        "#]],
        ),
        ("tailLines=0", expect![""]),
        (
            "limitBytes=6",
            expect![[r#"
            one
            tw"#]],
        ),
        (
            "tailLines=1&timestamps=true",
            expect![[r#"
            TIME last
        "#]],
        ),
        ("sinceTime=2100-01-01T00:00:00Z", expect![""]),
        (
            "sinceSeconds=3600&tailLines=1",
            expect![[r#"
            last
        "#]],
        ),
        (
            "follow=true&tailLines=3",
            expect![[r#"
            three

            last
        "#]],
        ),
        (
            "previous=true",
            expect![[r#"400 previous terminated container "main" in pod "prints" not found"#]],
        ),
        ("container=other", expect!["400 container other is not valid for pod prints"]),
        (
            "tailLines=-1",
            expect![[
                r#"422 PodLogOptions "prints" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"#
            ]],
        ),
        (
            "limitBytes=0",
            expect![[
                r#"422 PodLogOptions "prints" is invalid: limitBytes: Invalid value: 0: must be greater than 0"#
            ]],
        ),
        (
            "sinceSeconds=0",
            expect![[
                r#"422 PodLogOptions "prints" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0"#
            ]],
        ),
        (
            "sinceSeconds=1&sinceTime=2100-01-01T00:00:00Z",
            expect![[
                r#"422 PodLogOptions "prints" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"#
            ]],
        ),
        ("tailLines=many", expect![[r#"400 strconv.ParseInt: parsing "many": invalid syntax"#]]),
    ] {
        expected.assert_eq(&log(&namespace, "prints", query).await);
    }
    expect![[r#"404 pods "nobody" not found"#]].assert_eq(&log(&namespace, "nobody", "").await);
}

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let namespace = Cluster::under_test().await.namespace().await;
    let gate = Gate::new();
    let script = format!("echo before; {}; echo after", gate.wait());
    let pod = Observed::create(&namespace, pod("talks", &script)).await;
    pod.phase("Running").await;
    let (followed, ()) = tokio::join!(log(&namespace, "talks", "follow=true"), async {
        until("the first line", async || match log(&namespace, "talks", "").await.as_str() {
            "before\n" => Ok(()),
            other => Err(other.to_owned()),
        })
        .await;
        gate.open();
    });
    assert_eq!(followed, "before\nafter\n");
}

#[tokio::test]
async fn the_log_of_the_run_before() {
    let namespace = Cluster::under_test().await.namespace().await;
    let gate = Gate::new();
    let script =
        format!("echo run; [ -e mark ] || {{ echo first; touch mark; exit 1; }}; {}", gate.wait());
    let mut again = pod("again", &script);
    again["spec"]["restartPolicy"] = "OnFailure".into();
    let pod = Observed::create(&namespace, again).await;
    pod.once("the second run", |pod| {
        let container = &pod["status"]["containerStatuses"][0];
        container["restartCount"] == 1 && container["state"]["running"].is_object()
    })
    .await;
    assert_eq!(log(&namespace, "again", "previous=true").await, "run\nfirst\n");
    until("its own log", async || match log(&namespace, "again", "").await.as_str() {
        "run\n" => Ok(()),
        other => Err(other.to_owned()),
    })
    .await;
    gate.open();
    pod.phase("Succeeded").await;
}

#[tokio::test]
async fn which_container_is_meant() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut two = pod("two", "echo from main");
    let mut other = two["spec"]["containers"][0].clone();
    other["name"] = "other".into();
    other["command"][2] = "echo from other".into();
    two["spec"]["containers"].as_array_mut().unwrap().push(other.clone());
    other["name"] = "first".into();
    two["spec"]["initContainers"] = json!([other]);
    Observed::create(&namespace, two).await.phase("Succeeded").await;
    for (query, expected) in [
        (
            "",
            expect![
                "400 a container name must be specified for pod two, choose one of: [first main other]"
            ],
        ),
        (
            "container=other",
            expect![[r#"
            from other
        "#]],
        ),
        (
            "container=first",
            expect![[r#"
            from other
        "#]],
        ),
        ("container=third", expect!["400 container third is not valid for pod two"]),
    ] {
        expected.assert_eq(&log(&namespace, "two", query).await);
    }
}

#[tokio::test]
async fn a_container_that_has_not_started_has_no_log() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut lacks = pod("lacks", "true");
    lacks["spec"]["volumes"] = json!([{ "name": "keys", "secret": { "secretName": "absent" } }]);
    let pod = Observed::create(&namespace, lacks).await;
    pod.said("FailedMount").await;
    expect![[r#"400 container "main" in pod "lacks" is waiting to start: ContainerCreating"#]]
        .assert_eq(&log(&namespace, "lacks", "").await);
    let mut unscheduled = super::observed::pod("unscheduled", "true");
    unscheduled["spec"]["nodeSelector"] = json!({ "no": "such-node" });
    Observed::create(&namespace, unscheduled).await;
    expect!["204 "].assert_eq(&log(&namespace, "unscheduled", "").await);
}
