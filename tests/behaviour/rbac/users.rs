//! People with the roles of a Kubeflow platform: each sees and uses what they may, and is told why
//! the rest is missing.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    authorization::v1::{
        SelfSubjectRulesReview, SelfSubjectRulesReviewSpec, SubjectRulesReviewStatus,
    },
    rbac::v1::{RoleBinding, RoleRef, Subject},
};
use kube::{Api, Client, api::PostParams};
use kubeflow_mcp_core::{Effect, Persona, Policy, ToolDef, ToolSet};
use kubeflow_mcp_tests::{agent::Agent, cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

/// Nothing is kept from them by the server: only the cluster decides.
fn anything() -> Policy {
    Policy::of(Persona::PlatformAdmin)
}

/// Binds a user of the namespace's own to a ClusterRole in it, and waits until it counts.
async fn grant(namespace: &Namespace, user: &str, role: &str) {
    let before = rules(namespace, user).await.resource_rules.len();
    bind(namespace, user, role).await;
    until("the role", async || {
        let now = rules(namespace, user).await.resource_rules.len();
        if now > before { Ok(()) } else { Err(format!("{now} rules")) }
    })
    .await;
}

async fn bind(namespace: &Namespace, user: &str, role: &str) {
    let api_group = "rbac.authorization.k8s.io";
    let binding = RoleBinding {
        metadata: kube::api::ObjectMeta {
            name: Some(format!("{user}-{role}")),
            ..Default::default()
        },
        role_ref: RoleRef {
            api_group: Some(api_group.to_owned()),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            api_group: Some(api_group.to_owned()),
            kind: "User".to_owned(),
            name: user.to_owned(),
            namespace: None,
        }]),
    };
    let bindings = namespace.api::<RoleBinding>();
    bindings.create(&PostParams::default(), &binding).await.expect("a binding");
}

/// What the API server says that the user may do in the namespace.
async fn rules(namespace: &Namespace, user: &str) -> SubjectRulesReviewStatus {
    let client: Client = namespace.cluster().acting_as(user, &[]).await;
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.name().to_owned()) };
    let review = SelfSubjectRulesReview { spec, ..Default::default() };
    let review = Api::all(client).create(&PostParams::default(), &review).await;
    review.expect("a review").status.expect("a status")
}

fn tools(which: impl Fn(&ToolDef) -> bool) -> BTreeSet<String> {
    let all = ToolSet::linked().into_iter().flat_map(ToolSet::tools);
    all.filter(|it| which(it)).map(|it| it.name.to_owned()).collect()
}

/// Whether no administrator of the platform is needed for it.
fn for_users(tool: &ToolDef) -> bool {
    tool.persona < Persona::PlatformAdmin
}

async fn offered(agent: &Agent) -> BTreeSet<String> {
    agent.tools().await.into_iter().collect()
}

/// Why the tool is hidden, as `health_check` tells it.
async fn why_hidden(agent: &Agent, tool: &str) -> String {
    let health = agent.call("health_check", json!({})).await;
    let hidden = health["hidden"].as_array().expect("a list").iter();
    let of_tool = |it: &&Value| it["tools"].as_array().expect("a list").contains(&json!(tool));
    let hidden = hidden.clone().find(of_tool).unwrap_or_else(|| panic!("{tool} shows: {health}"));
    hidden["why"].as_str().expect("a reason").to_owned()
}

/// A runtime for scripts that the cluster brings: other tests make some meanwhile.
async fn shipped_runtime(agent: &Agent) -> String {
    let listed = agent.call("list_runtimes", json!({"limit": 100})).await;
    let rows = listed["runtimes"].as_array().expect("rows");
    let names = rows.iter().filter(|it| it["trainer"] == "custom").map(|it| &it["name"]);
    let mut names = names.map(|it| it.as_str().expect("a name"));
    names.find(|it| !it.starts_with("test-")).expect("a runtime").to_owned()
}

#[tokio::test]
async fn a_data_scientist_works_in_their_namespace_and_in_no_other() {
    let cluster = Cluster::under_test().await;
    let (theirs, other) = (cluster.namespace().await, cluster.namespace().await);
    let user = format!("ann-{}", theirs.name());
    grant(&theirs, &user, "kubeflow-edit").await;

    let agent = theirs.agent(&user, &[], anything()).await;
    assert_eq!(offered(&agent).await, tools(for_users));
    let own = agent.call("list_training_jobs", json!({})).await;
    assert_eq!(own["total"], 0, "{own}");
    let elsewhere = json!({"namespace": other.name()});
    let refused = agent.call("list_training_jobs", elsewhere).await;
    assert_eq!(refused["code"], "forbidden", "{refused}");
    let runtime = shipped_runtime(&agent).await;
    let script = json!({"script": "print(1)\n", "runtime": runtime, "namespace": other.name()});
    let refused = agent.call("run_custom_training", script).await;
    assert_eq!(refused["code"], "forbidden", "{refused}");
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains(&format!("User \"{user}\" cannot create")), "{message}");

    let lost = other.agent(&user, &[], anything()).await;
    let seen = offered(&lost).await;
    assert!(!seen.contains("list_training_jobs") && seen.contains("health_check"), "{seen:?}");
    assert_eq!(
        why_hidden(&lost, "list_training_jobs").await,
        format!("you may not list trainjobs.trainer.kubeflow.org in {}", other.name())
    );
    // Whoever runs the server can say where to look.
    let both = vec![other.name().to_owned(), theirs.name().to_owned()];
    let policy = Policy { namespaces: Some(both), ..anything() };
    let told = other.agent(&user, &[], policy).await;
    assert_eq!(offered(&told).await, tools(for_users));
    let own = told.call("list_training_jobs", json!({"namespace": theirs.name()})).await;
    assert_eq!(own["total"], 0, "{own}");
}

#[tokio::test]
async fn a_reader_is_offered_what_reads_and_nothing_that_writes() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let user = format!("reader-{}", namespace.name());
    grant(&namespace, &user, "kubeflow-view").await;
    let agent = namespace.agent(&user, &[], anything()).await;
    assert_eq!(offered(&agent).await, tools(|it| it.effect == Effect::Reads));
    assert_eq!(
        why_hidden(&agent, "run_custom_training").await,
        format!("you may not create trainjobs.trainer.kubeflow.org in {}", namespace.name())
    );
}

/// Trainer's roles are part of Kubeflow's and not of Kubernetes' own. That everybody may read the
/// cluster's runtimes comes with the Trainer.
#[tokio::test]
async fn who_may_edit_in_kubernetes_is_told_why_no_training_job_can_be_touched() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let user = format!("editor-{}", namespace.name());
    grant(&namespace, &user, "edit").await;
    let agent = namespace.agent(&user, &[], anything()).await;
    let seen = offered(&agent).await;
    let about_jobs = tools(|it| {
        it.needs.iter().any(|need| need.required && need.resource.plural == "trainjobs")
    });
    assert!(seen.is_disjoint(&about_jobs), "{seen:?}");
    for tool in &about_jobs {
        let why = why_hidden(&agent, tool).await;
        assert!(why.starts_with("you may not ") && why.contains("trainjobs"), "{tool}: {why}");
    }
    let refused = agent.call("run_custom_training", json!({"script": "print(1)\n"})).await;
    assert_eq!(refused["code"], "forbidden", "{refused}");
    assert_eq!(
        refused["message"],
        format!("you may not create trainjobs.trainer.kubeflow.org in {}", namespace.name())
    );
    assert_eq!(refused["hint"], "ask a cluster administrator for a role that grants it");
}

#[tokio::test]
async fn who_has_no_role_is_offered_what_everybody_may() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let user = format!("nobody-{}", namespace.name());
    let agent = namespace.agent(&user, &[], anything()).await;
    let seen = offered(&agent).await;
    let expected = tools(|it| {
        it.needs.iter().all(|need| {
            !need.required
                || (need.resource.plural == "clustertrainingruntimes" && need.verbs == ["list"])
        })
    });
    assert_eq!(seen, expected);
    let refused = agent.call("get_training_job", json!({"name": "any"})).await;
    assert_eq!(refused["code"], "forbidden", "{refused}");
}

/// A binding whose role is gone is a mistake of one binding: what others grant is still known, and
/// the review is not called incomplete.
#[tokio::test]
async fn a_binding_without_its_role_hides_nothing_that_others_grant() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let user = format!("ann-{}", namespace.name());
    bind(&namespace, &user, "no-such-role").await;
    grant(&namespace, &user, "kubeflow-edit").await;
    let review = until("the mistake", async || {
        let review = rules(&namespace, &user).await;
        if review.evaluation_error.is_some() { Ok(review) } else { Err(format!("{review:?}")) }
    })
    .await;
    let problem = review.evaluation_error.expect("it is there");
    assert!(problem.contains("\"no-such-role\" not found"), "{problem}");
    assert!(!review.incomplete);
    let agent = namespace.agent(&user, &[], anything()).await;
    assert_eq!(offered(&agent).await, tools(for_users));
}

/// What another authorizer grants is not in the review: then nothing is hidden, and the API server
/// decides at the call.
#[tokio::test]
async fn an_incomplete_review_hides_nothing_and_the_api_server_decides() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let user = format!("nobody-{}", namespace.name());
    let client = unsure(cluster.acting_as(&user, &[]).await, namespace.name());
    let agent = Agent::new(client, anything()).await;
    assert_eq!(offered(&agent).await, tools(|_| true));
    let refused = agent.call("list_training_jobs", json!({})).await;
    assert_eq!(refused["code"], "forbidden", "{refused}");
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("cannot list resource \"trainjobs\""), "{message}");
}

/// The same client of an API server with a second authorizer, which cannot list what it grants.
fn unsure(client: Client, namespace: &str) -> Client {
    use kube::{Error, client::Body};
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        async move {
            let reviews = request.uri().path().ends_with("/selfsubjectrulesreviews");
            let answer = client.send(request).await?;
            if !reviews {
                return Ok::<_, Error>(answer);
            }
            let (mut parts, body) = answer.into_parts();
            let body = body.collect_bytes().await?;
            let mut review: Value = serde_json::from_slice(&body).map_err(Error::SerdeError)?;
            review["status"]["incomplete"] = json!(true);
            parts.headers.remove(http::header::CONTENT_LENGTH);
            Ok(http::Response::from_parts(parts, Body::from(review.to_string().into_bytes())))
        }
    });
    Client::new(service, namespace)
}
