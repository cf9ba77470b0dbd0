//! What the cluster says of itself and of the caller: what the gate judges by.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use http::Request;
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::Namespace as NamespaceObject,
};
use kube::{
    Api, Client, Error,
    api::{ListParams, PostParams},
    client::Body,
};

use crate::{Need, Policy, Resource};

/// Where an API server tells whether all of it has started; a refusal is an answer there.
pub(crate) const READINESS: &str = "/readyz";
/// How many namespaces are looked at when neither policy nor kubeconfig names one.
const NAMESPACES: u32 = 10;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Why the cluster could not be asked. Then nothing else is known.
    pub unreachable: Option<String>,
    /// Whether the API server is still starting, or already ending: what it does not name may be
    /// there all the same.
    pub unready: bool,
    /// Who the caller is to the cluster, where it can tell.
    pub user: Option<String>,
    /// What the API server calls its version.
    pub version: Option<String>,
    /// Every resource the cluster serves, `(group, plural)`, and the version it prefers.
    pub served: BTreeMap<(String, String), String>,
    /// Where the caller may work, and what they may do there.
    pub namespaces: Vec<Namespace>,
}

/// What a caller may do in one namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    pub name: String,
    pub rules: Vec<ResourceRule>,
    /// Whether `rules` may leave some out, as with a webhook authorizer.
    pub incomplete: bool,
}

impl Facts {
    /// Asks the cluster, as the caller whose client it is.
    pub(crate) async fn ask(
        client: &Client,
        policy: &Policy,
        namespace: &str,
    ) -> Result<Self, Error> {
        let (unready, served, version, namespaces, user) = tokio::try_join!(
            unready(client),
            served(client),
            client.apiserver_version(),
            namespaces(client, policy, namespace),
            user(client),
        )?;
        let version = Some(version.git_version);
        Ok(Self { unreachable: None, unready, user, version, served, namespaces })
    }

    pub(crate) fn unreachable(reason: String) -> Self {
        Self { unreachable: Some(reason), ..Self::default() }
    }

    /// What keeps the cluster from being known, if something does.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.unreachable
            .as_deref()
            .or_else(|| self.unready.then_some("its API server is not ready"))
    }

    pub(crate) fn serve(&self, resource: Resource) -> bool {
        self.version_of(resource).is_some()
    }

    pub(crate) fn version_of(&self, resource: Resource) -> Option<&str> {
        // Not every API server lists subresources: they come with what they belong to.
        let plural = resource.plural.split('/').next().unwrap_or_default();
        self.served.get(&(resource.group.to_owned(), plural.to_owned())).map(String::as_str)
    }
}

impl Namespace {
    pub(crate) fn allows(&self, need: Need) -> bool {
        self.incomplete || need.verbs.iter().all(|verb| self.grants(verb, need.resource))
    }

    fn grants(&self, verb: &str, resource: Resource) -> bool {
        let any = |list: &[String], it: &str| list.iter().any(|entry| entry == "*" || entry == it);
        let of_any = resource.plural.split_once('/').map(|(_, sub)| format!("*/{sub}"));
        self.rules.iter().any(|rule| {
            let resources = rule.resources.as_deref().unwrap_or_default();
            // A rule for single names does not help where no name is given.
            let limited = rule.resource_names.as_ref().is_some_and(|names| !names.is_empty());
            let nameless = matches!(verb, "create" | "list" | "watch" | "deletecollection");
            !(limited && nameless)
                && any(&rule.verbs, verb)
                && any(rule.api_groups.as_deref().unwrap_or_default(), resource.group)
                && (any(resources, resource.plural)
                    || of_any.as_ref().is_some_and(|it| resources.contains(it)))
        })
    }

    /// Whether there is more than what every authenticated user may do.
    fn grants_something(&self) -> bool {
        let about_oneself = |rule: &ResourceRule| {
            let groups = rule.api_groups.as_deref().unwrap_or_default();
            groups.iter().all(|group| {
                group.ends_with("authorization.k8s.io") || group.ends_with("authentication.k8s.io")
            })
        };
        self.incomplete || !self.rules.iter().all(about_oneself)
    }
}

/// A starting API server answers before it knows what definitions and roles there are.
async fn unready(client: &Client) -> Result<bool, Error> {
    let request = Request::get(READINESS).body(Body::empty()).map_err(Error::HttpError)?;
    // Whatever else is answered, as by a proxy that hides the path, tells nothing.
    Ok(client.send(request).await?.status().is_server_error())
}

/// The caller's name; an API server before 1.28 cannot tell it.
async fn user(client: &Client) -> Result<Option<String>, Error> {
    let review = Api::all(client.clone());
    let review = review.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let status = review.ok().and_then(|it: SelfSubjectReview| it.status);
    Ok(status.and_then(|it| it.user_info?.username))
}

/// Everything that discovery names, in two requests where the API server aggregates it.
async fn served(client: &Client) -> Result<BTreeMap<(String, String), String>, Error> {
    let aggregated = tokio::try_join!(
        client.list_core_api_versions_aggregated(),
        client.list_api_groups_aggregated()
    );
    let (core, groups) = match aggregated {
        // Who does not know aggregation answers with a list of groups in another form.
        Ok((core, groups)) if !groups.items.is_empty() => (core, groups),
        _ => return served_by_group(client).await,
    };
    let mut served = BTreeMap::new();
    for group in core.items.into_iter().chain(groups.items) {
        let name = group.metadata.and_then(|it| it.name).unwrap_or_default();
        for version in group.versions {
            let number = version.version.unwrap_or_default();
            for plural in version.resources.into_iter().filter_map(|it| it.resource) {
                // The version that is preferred comes first.
                served.entry((name.clone(), plural)).or_insert_with(|| number.clone());
            }
        }
    }
    Ok(served)
}

/// The same from an API server before 1.26, or a proxy, that answers in the old way.
async fn served_by_group(client: &Client) -> Result<BTreeMap<(String, String), String>, Error> {
    let core = client.list_core_api_resources("v1").await?;
    let mut served: BTreeMap<_, _> =
        core.resources.into_iter().map(|it| ((String::new(), it.name), "v1".to_owned())).collect();
    let groups = client.list_api_groups().await?.groups;
    let versions = groups.into_iter().filter_map(|group| {
        let version = group.preferred_version.or_else(|| group.versions.into_iter().next())?;
        Some((group.name, version))
    });
    let resources = versions.map(|(group, version)| async move {
        // One broken aggregated API must not hide all the others.
        let list = client.list_api_group_resources(&version.group_version).await;
        (group, version.version, list.map(|it| it.resources).unwrap_or_default())
    });
    for (group, version, resources) in futures::future::join_all(resources).await {
        for resource in resources {
            served.entry((group.clone(), resource.name)).or_insert_with(|| version.clone());
        }
    }
    Ok(served)
}

/// What the caller may do in the namespaces of the policy, else in their own, else in those that
/// they may list.
async fn namespaces(
    client: &Client,
    policy: &Policy,
    namespace: &str,
) -> Result<Vec<Namespace>, Error> {
    if let Some(names) = &policy.namespaces {
        return try_join_all(names.iter().map(|name| rules(client, name))).await;
    }
    let own = rules(client, namespace).await?;
    if own.grants_something() {
        return Ok(vec![own]);
    }
    let listed = Api::<NamespaceObject>::all(client.clone())
        .list_metadata(&ListParams::default().limit(NAMESPACES))
        .await;
    // Most users may not list namespaces; then their own is all that is known.
    let names = listed.map(|list| list.items).unwrap_or_default();
    let names = names.into_iter().filter_map(|it| it.metadata.name).filter(|it| it != namespace);
    let others = names.map(|name| async move { rules(client, &name).await });
    let mut all = vec![own];
    all.extend(try_join_all(others).await?);
    Ok(all)
}

async fn rules(client: &Client, namespace: &str) -> Result<Namespace, Error> {
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) };
    let review = SelfSubjectRulesReview { spec, ..Default::default() };
    let review = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    let status = review.status.unwrap_or_default();
    Ok(Namespace {
        name: namespace.to_owned(),
        rules: status.resource_rules,
        incomplete: status.incomplete,
    })
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;
    use crate::Persona;

    /// An API server before aggregated discovery, where Ann may list Pods in one namespace.
    async fn old(request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let group = json!({"groupVersion": "example.org/v2", "version": "v2"});
        let resource = |name: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": "", "verbs": []});
        let answer = match path.as_str() {
            "/version" => json!({"major": "1", "minor": "24", "gitVersion": "v1.24.0",
                "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "",
                "compiler": "", "platform": ""}),
            "/api" => json!({"kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": []}),
            "/api/v1" => json!({"groupVersion": "v1", "resources": [resource("pods")]}),
            "/apis" => json!({"kind": "APIGroupList", "groups": [
                {"name": "example.org", "versions": [group], "preferredVersion": group},
                {"name": "broken.org", "versions": [
                    {"groupVersion": "broken.org/v1", "version": "v1"}]}]}),
            "/apis/example.org/v2" => {
                json!({"groupVersion": "example.org/v2", "resources": [resource("jobs")]})
            }
            "/api/v1/namespaces" => json!({"kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1", "metadata": {},
                "items": [{"metadata": {"name": "default"}}, {"metadata": {"name": "team"}}]}),
            path if path.ends_with("selfsubjectrulesreviews") => {
                let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]});
                let oneself = json!({"apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
                    "resources": ["selfsubjectrulesreviews"]});
                let team = asked["spec"]["namespace"] == "team";
                let rules = if team { json!([pods, oneself]) } else { json!([oneself]) };
                json!({"status": {"incomplete": false, "nonResourceRules": [],
                    "resourceRules": rules}})
            }
            _ => json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"}),
        };
        let code = if answer["kind"] == "Status" { 404 } else { 200 };
        let body = Body::from(answer.to_string().into_bytes());
        Ok(Response::builder().status(code).body(body).expect("a response"))
    }

    async fn ask(policy: &Policy) -> Facts {
        let client = Client::new(service_fn(old), "default");
        Facts::ask(&client, policy, "default").await.expect("the server answers")
    }

    #[tokio::test]
    async fn an_old_server_is_asked_group_by_group_and_a_broken_group_hides_no_other() {
        let facts = ask(&Policy::of(Persona::Readonly)).await;
        let served = |group: &str, plural: &str| (group.to_owned(), plural.to_owned());
        assert_eq!(
            facts.served,
            [
                (served("", "pods"), "v1".to_owned()),
                (served("example.org", "jobs"), "v2".to_owned()),
            ]
            .into()
        );
        assert_eq!((facts.user, facts.version.as_deref()), (None, Some("v1.24.0")));
    }

    #[tokio::test]
    async fn who_may_do_nothing_where_they_are_is_looked_for_elsewhere() {
        let names = |facts: Facts| -> Vec<String> {
            facts.namespaces.into_iter().map(|it| it.name).collect()
        };
        assert_eq!(names(ask(&Policy::of(Persona::Readonly)).await), ["default", "team"]);
        let policy =
            Policy { namespaces: Some(vec!["team".to_owned()]), ..Policy::of(Persona::Readonly) };
        assert_eq!(names(ask(&policy).await), ["team"]);
    }
}
