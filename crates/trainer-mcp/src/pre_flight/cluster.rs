//! What is looked up in the cluster for one job: no more than it needs, in few requests.

use k8s_openapi::api::{
    core::v1::{Namespace, Node, PersistentVolumeClaim, ResourceQuota, Secret},
    storage::v1::StorageClass,
};
use kube::{Api, ResourceExt as _, api::ListParams, core::Request};
use kubeflow_mcp_core::{Caller, Error, Resource, Result};
use serde_json::Value;
use workloads::{creation, diagnosis::MOST_NODES};

use super::shape::Shape;
use crate::capacity::{self, Taken, queues::LOCAL_QUEUES};

/// In all, those of the rehearsed submission included.
pub(super) const MOST_REQUESTS: usize = 12;
/// How many Pods one request brings: few pages, since requests are counted.
const PAGE: u32 = 2_500;

pub(super) const SECRETS: Resource = Resource::namespaced("", "secrets");
pub(super) const CLASSES: Resource = Resource::cluster("storage.k8s.io", "storageclasses");
pub(super) const NAMESPACES: Resource = Resource::cluster("", "namespaces");

/// One thing that was looked up.
#[derive(Debug)]
pub(super) enum Look<T> {
    Seen(T),
    /// The caller may not.
    Forbidden,
    /// The cluster has no such thing.
    Missing,
    /// Nothing depends on it.
    Needless,
    /// The requests did not suffice.
    Skipped,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) nodes: Look<Vec<Node>>,
    pub(super) taken: Look<Taken>,
    pub(super) quotas: Look<Vec<ResourceQuota>>,
    /// Their names: nothing else of them is ever asked for.
    pub(super) secrets: Look<Vec<String>>,
    pub(super) claims: Look<Vec<PersistentVolumeClaim>>,
    pub(super) classes: Look<Vec<StorageClass>>,
    pub(super) queue: Look<Value>,
    /// What the API server says to one of the job's Pods: what it warns of, or why it refuses.
    pub(super) pod: Look<Result<Vec<String>, Error>>,
    /// The labels of the namespace, where no Pod could be tried.
    pub(super) namespace: Look<Namespace>,
}

/// How many requests are left.
struct Purse(usize);

impl Purse {
    /// Whether there is something to ask, and a request for it.
    fn pays(&mut self, needed: bool) -> Pays {
        match (needed, self.0) {
            (false, _) => Pays::Needless,
            (true, 0) => Pays::Skipped,
            (true, _) => {
                self.0 -= 1;
                Pays::Yes
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Pays {
    Yes,
    Needless,
    Skipped,
}

impl Cluster {
    pub(super) async fn look(
        caller: &Caller,
        namespace: &str,
        shape: &Shape,
        spent: usize,
    ) -> Result<Self> {
        // One is kept for the Pods of the cluster.
        let mut purse = Purse(MOST_REQUESTS.saturating_sub(spent + 1));
        let (pod, nodes, quotas) = (purse.pays(true), purse.pays(true), purse.pays(true));
        let queue = purse.pays(shape.queue.is_some());
        let secrets = purse.pays(!shape.secrets.is_empty());
        let claims = purse.pays(!shape.claims.is_empty());
        let classes = purse.pays(!shape.classes.is_empty());
        let fallback = purse.pays(true);
        let pages = u32::try_from(purse.0 + 1).unwrap_or(1);

        let all = ListParams::default();
        let many = ListParams::default().limit(MOST_NODES);
        let node_api: Api<Node> = caller.cluster_api();
        let class_api: Api<StorageClass> = caller.cluster_api();
        let space = Some(namespace);
        let quota_api: Api<ResourceQuota> = caller.api(space);
        let claim_api: Api<PersistentVolumeClaim> = caller.api(space);
        let (pod, nodes, taken, quotas, queue, secrets, claims, classes) = futures::join!(
            paid(pod, trial(caller, namespace, shape)),
            paid(nodes, async { Ok(node_api.list(&many).await?.items) }),
            paid(Pays::Yes, async { Ok(capacity::taken(caller, PAGE, pages).await?) }),
            paid(quotas, async { Ok(quota_api.list(&all).await?.items) }),
            paid(queue, local_queue(caller, namespace, shape.queue.as_deref().unwrap_or_default())),
            paid(secrets, secret_names(caller, namespace)),
            paid(claims, async { Ok(claim_api.list(&all).await?.items) }),
            paid(classes, async { Ok(class_api.list(&all).await?.items) }),
        );
        let pod = match pod? {
            // Who may not create Pods is told so for no Pod by name.
            Look::Seen(Err(Error::Kubernetes(status)))
                if status.code == 403
                    && status.details.as_ref().is_none_or(|it| it.name.is_empty()) =>
            {
                Look::Forbidden
            }
            pod => pod,
        };
        let fallback = if matches!(pod, Look::Forbidden) { fallback } else { Pays::Needless };
        let spaces: Api<Namespace> = caller.cluster_api();
        let labels = paid(fallback, async { Ok(spaces.get(namespace).await?) }).await?;
        Ok(Self {
            nodes: nodes?,
            taken: taken?,
            quotas: quotas?,
            secrets: secrets?,
            claims: claims?,
            classes: classes?,
            queue: queue?,
            pod,
            namespace: labels,
        })
    }
}

async fn paid<T>(pays: Pays, request: impl Future<Output = Result<T>>) -> Result<Look<T>> {
    match pays {
        Pays::Needless => return Ok(Look::Needless),
        Pays::Skipped => return Ok(Look::Skipped),
        Pays::Yes => {}
    }
    match request.await {
        Ok(found) => Ok(Look::Seen(found)),
        Err(Error::Kubernetes(status)) if status.code == 403 => Ok(Look::Forbidden),
        Err(Error::Kubernetes(status)) if status.code == 404 => Ok(Look::Missing),
        Err(error) => Err(error),
    }
}

/// Asks the API server what it would do with one of the job's Pods.
async fn trial(
    caller: &Caller,
    namespace: &str,
    shape: &Shape,
) -> Result<Result<Vec<String>, Error>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    match creation::create(caller, &path, shape.pod()).await {
        Ok(creation) => Ok(Ok(creation.warnings)),
        Err(error @ Error::Kubernetes(_)) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

async fn secret_names(caller: &Caller, namespace: &str) -> Result<Vec<String>> {
    let api: Api<Secret> = caller.api(Some(namespace));
    let found = api.list_metadata(&ListParams::default().limit(PAGE)).await?;
    Ok(found.items.iter().map(|it| it.name_any()).collect())
}

async fn local_queue(caller: &Caller, namespace: &str, name: &str) -> Result<Value> {
    let version = caller.version_of(LOCAL_QUEUES).await.unwrap_or_else(|| "v1beta1".to_owned());
    let path = format!(
        "/apis/{}/{version}/namespaces/{namespace}/{}",
        LOCAL_QUEUES.group, LOCAL_QUEUES.plural
    );
    let request = Request::new(path).get(name, &Default::default());
    Ok(caller.client().request(request.map_err(kube::Error::BuildRequest)?).await?)
}
