//! A ServiceAccount with roles of its own, and all that is asked and refused in its name.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding, RoleRef, Subject},
};
use kube::{
    Api, Client, Error, ResourceExt as _,
    api::{DeleteParams, PostParams},
    client::Body,
    config::Kubeconfig,
};
use kubeflow_mcp_core::cluster_client;
use kubeflow_mcp_tests::{namespace::Namespace, waiting::until};
use local_kube::ApiPath;
use serde_json::{Value, json};
use tower::service_fn;

/// The account, and what it has.
pub(super) struct Account {
    pub(super) client: Client,
    pub(super) witness: Witness,
    roles: Vec<ClusterRole>,
    name: String,
}

/// What is asked of the API server in somebody's name, in RBAC's words: `list pods in team`.
#[derive(Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    asked: BTreeSet<(String, String, String)>,
    refused: BTreeSet<String>,
}

impl Account {
    /// An account of the namespace with `roles`: those that end in `-cluster` everywhere, the others
    /// in the namespace. Their names are made this account's own, so that no two tests meet.
    pub(super) async fn with(namespace: &Namespace, roles: &[ClusterRole]) -> Self {
        let (admin, name) = (namespace.cluster().admin(), format!("{}-account", namespace.name()));
        let account = ServiceAccount { metadata: named(&name), ..ServiceAccount::default() };
        let accounts = namespace.api::<ServiceAccount>();
        accounts.create(&PostParams::default(), &account).await.expect("an account");
        let roles: Vec<ClusterRole> = roles.iter().map(|it| own(it, namespace)).collect();
        for role in &roles {
            let all: Api<ClusterRole> = Api::all(admin.clone());
            all.create(&PostParams::default(), role).await.expect("a role");
            bind(namespace, &name, role).await;
        }
        let witness = Witness::default();
        let client = witness.before(client(namespace, &name).await, namespace.name());
        let account = Self { client, witness, roles, name };
        account.has_its_roles(namespace).await;
        account
    }

    /// An API server learns of roles and bindings a moment after they are stored.
    async fn has_its_roles(&self, namespace: &Namespace) {
        let given: Vec<Value> =
            self.roles.iter().flat_map(|it| &it.rules).flatten().map(of_rule).collect();
        until("the account's rights", async || {
            let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.name().to_owned()) };
            let review = SelfSubjectRulesReview { spec, ..Default::default() };
            let reviews = Api::all(self.client.clone());
            let review = reviews.create(&PostParams::default(), &review).await;
            let status = review.expect("an answer").status.expect("a status");
            let has: Vec<Value> = status.resource_rules.iter().map(of_rule).collect();
            let lacks = given.iter().find(|rule| !has.contains(rule));
            lacks.map_or(Ok(()), |rule| Err(format!("it lacks {rule}")))
        })
        .await;
    }

    /// Rights that are granted, though no call has needed them.
    pub(super) fn unused(&self) -> Vec<String> {
        let asked = self.witness.asked();
        let mut unused = Vec::new();
        for rule in self.roles.iter().flat_map(|it| &it.rules).flatten() {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    for verb in &rule.verbs {
                        let right = (verb.clone(), group.clone(), resource.clone());
                        if !asked.contains(&right) {
                            unused.push(format!("{verb} {resource} {group}"));
                        }
                    }
                }
            }
        }
        unused
    }

    /// Removes what lies outside the namespace.
    pub(super) async fn remove(self, admin: &Client) {
        for role in &self.roles {
            let (name, now) = (role.name_any(), DeleteParams::default());
            let roles: Api<ClusterRole> = Api::all(admin.clone());
            roles.delete(&name, &now).await.expect("the role is there");
            if name.ends_with(EVERYWHERE) {
                let bindings: Api<ClusterRoleBinding> = Api::all(admin.clone());
                bindings.delete(&name, &now).await.expect("the binding is there");
            }
        }
        tracing::debug!(account = self.name, "removed");
    }
}

/// How the names of roles end whose objects lie in no namespace.
const EVERYWHERE: &str = "-cluster";

impl Witness {
    /// Lays itself before a client whose default namespace is to be `namespace`.
    fn before(&self, client: Client, namespace: &str) -> Client {
        let witness = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let (witness, client) = (witness.clone(), client.clone());
            async move { witness.send(&client, request).await }
        });
        Client::new(service, namespace)
    }

    async fn send(&self, client: &Client, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = client.send(request).await?;
        let Some(path) = ApiPath::parse(uri.path()) else { return Ok(answer) };
        let watches = uri.query().is_some_and(|it| it.split('&').any(|it| it == "watch=true"));
        let verb = if watches { "watch" } else { path.verb(&method) };
        let resource = match path.subresource {
            Some(subresource) => format!("{}/{subresource}", path.plural),
            None => path.plural.to_owned(),
        };
        let mut seen = self.0.lock().expect("nobody panics in between");
        if answer.status() == http::StatusCode::FORBIDDEN {
            let place = path.namespace.map_or("everywhere".to_owned(), |it| format!("in {it}"));
            seen.refused.insert(format!("{verb} {resource} {place}"));
        }
        seen.asked.insert((verb.to_owned(), path.group.to_owned(), resource));
        Ok(answer)
    }

    /// What has been asked for: verb, group and resource.
    fn asked(&self) -> BTreeSet<(String, String, String)> {
        self.0.lock().expect("nobody panics in between").asked.clone()
    }

    /// What has been refused since the last time.
    pub(super) fn refused(&self) -> Vec<String> {
        let mut seen = self.0.lock().expect("nobody panics in between");
        std::mem::take(&mut seen.refused).into_iter().collect()
    }
}

fn of_rule(rule: &impl serde::Serialize) -> Value {
    let rule = serde_json::to_value(rule).expect("a rule is JSON");
    json!([rule["apiGroups"], rule["resources"], rule["verbs"]])
}

fn named(name: &str) -> kube::api::ObjectMeta {
    kube::api::ObjectMeta { name: Some(name.to_owned()), ..Default::default() }
}

fn own(role: &ClusterRole, namespace: &Namespace) -> ClusterRole {
    let name = format!("{}-{}", namespace.name(), role.name_any());
    ClusterRole { metadata: named(&name), ..role.clone() }
}

async fn bind(namespace: &Namespace, account: &str, role: &ClusterRole) {
    let name = role.name_any();
    let role_ref = RoleRef {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: "ClusterRole".to_owned(),
        name: name.clone(),
    };
    let subjects = Some(vec![Subject {
        kind: "ServiceAccount".to_owned(),
        name: account.to_owned(),
        namespace: Some(namespace.name().to_owned()),
        api_group: None,
    }]);
    let metadata = named(&name);
    if name.ends_with(EVERYWHERE) {
        let bindings: Api<ClusterRoleBinding> = Api::all(namespace.cluster().admin());
        let binding = ClusterRoleBinding { metadata, role_ref, subjects };
        bindings.create(&PostParams::default(), &binding).await.expect("a binding");
    } else {
        let binding = RoleBinding { metadata, role_ref, subjects };
        let bindings = namespace.api::<RoleBinding>();
        bindings.create(&PostParams::default(), &binding).await.expect("a binding");
    }
}

/// A client with a token of the account. The local cluster issues none: there the administrator
/// speaks in the account's name.
async fn client(namespace: &Namespace, account: &str) -> Client {
    if !namespace.cluster().is_real() {
        let space = namespace.name();
        let user = format!("system:serviceaccount:{space}:{account}");
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{space}")];
        return namespace.cluster().acting_as(&user, &groups).await;
    }
    let request = TokenRequest {
        spec: Some(TokenRequestSpec { expiration_seconds: Some(3600), ..Default::default() }),
        ..Default::default()
    };
    let accounts = namespace.api::<ServiceAccount>();
    let request = accounts.create_token_request(account, &PostParams::default(), &request).await;
    let token = request.expect("a token").status.expect("a token").token;
    let config = Kubeconfig::read_from(namespace.kubeconfig()).expect("a kubeconfig");
    let mut config = serde_json::to_value(config).expect("a kubeconfig is JSON");
    for user in config["users"].as_array_mut().expect("a list") {
        user["user"] = json!({"token": token});
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, config.to_string()).expect("a file in a folder of ours");
    cluster_client(Some(&file), None).await.expect("a kubeconfig")
}
