//! A namespace that one test has to itself.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Namespace as Object, Pod, ServiceAccount},
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use kubeflow_mcp_core::{Persona, Policy, cluster_client};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    agent::Agent,
    cluster::{Cluster, RUNTIME},
    normal,
    request::{self, Answer},
    waiting::until,
};

/// How long the Pods of a test may take to end after it.
const ENDING: Duration = Duration::from_secs(20);

/// A namespace, removed with everything in it when the test is over.
pub struct Namespace {
    cluster: Cluster,
    name: String,
    folder: TempDir,
    agent: OnceCell<Agent>,
}

impl Namespace {
    pub(crate) async fn create(cluster: &Cluster) -> Self {
        let name = format!("test-{}", &Uuid::new_v4().simple().to_string()[..10]);
        let folder = tempfile::tempdir().expect("a folder");
        cluster.write_kubeconfig(&folder.path().join("kubeconfig"), Some(&name), None);
        let mut object = Object::default();
        object.metadata.name = Some(name.clone());
        let api: Api<Object> = Api::all(cluster.admin());
        // Also on a control plane that is just coming back, where the first answer may be lost.
        until("a namespace", async || match api.create(&PostParams::default(), &object).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            Err(error) => Err(error.to_string()),
        })
        .await;
        let namespace = Self { cluster: cluster.clone(), name, folder, agent: OnceCell::new() };
        // Pods are refused before it is there.
        until("the account of Pods", async || {
            let account = namespace.api::<ServiceAccount>().get_opt("default").await;
            account.map_err(|error| error.to_string())?.ok_or_else(|| "none".to_owned())
        })
        .await;
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The administrator's kubeconfig with this as the default namespace.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The objects of a kind in it, for the administrator.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.admin(), &self.name)
    }

    /// The objects of a kind that no type is known for, as in `("trainer.kubeflow.org/v1alpha1", "TrainJob")`.
    pub fn objects(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.cluster.admin(), &self.name, &kind)
    }

    /// Calls a tool as a platform administrator, and gives its structured content, or code, message
    /// and hint.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let agent = self.agent.get_or_init(|| async {
            let client = client(&self.kubeconfig()).await;
            Agent::new(client, Policy::of(Persona::PlatformAdmin)).await
        });
        agent.await.call(tool, arguments).await
    }

    /// An agent of somebody else, with this as their default namespace.
    pub async fn agent(&self, user: &str, groups: &[&str], policy: Policy) -> Agent {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("kubeconfig");
        self.cluster.write_kubeconfig(&file, Some(&self.name), Some((user, groups)));
        Agent::new(client(&file).await, policy).await
    }

    /// Sends a request as the administrator; `NAMESPACE` stands for its name in line and body.
    pub async fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_as(&self.cluster.admin(), line, headers, body).await
    }

    /// The same as whoever `client` speaks for.
    pub async fn ask_as(
        &self,
        client: &Client,
        line: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (line, body) = (self.named(line), self.named(body));
        request::ask(client, &line, headers, body.as_bytes()).await
    }

    /// The text without what differs between two runs.
    pub fn normalised(&self, text: &str) -> String {
        normal::normalised(text, &self.name)
    }

    fn named(&self, text: &str) -> String {
        text.replace("NAMESPACE", &self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let (file, name) = (self.kubeconfig(), self.name.clone());
        let (done, over) = mpsc::channel();
        // The test's own runtime is ending, and cannot wait for anything.
        RUNTIME.spawn(async move {
            if let Err(error) = remove(&client(&file).await, &name).await {
                tracing::warn!(%error, name, "a test's namespace is left behind");
            }
            // The test may have lost patience.
            let _ = done.send(());
        });
        let _ = over.recv_timeout(ENDING + Duration::from_secs(5));
    }
}

/// Has the namespace deleted, and waits until its Pods have ended: their processes would outlive us.
async fn remove(client: &Client, name: &str) -> kube::Result<()> {
    let namespaces: Api<Object> = Api::all(client.clone());
    namespaces.delete(name, &DeleteParams::background()).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    let deadline = Instant::now() + ENDING;
    while !pods.list_metadata(&ListParams::default()).await?.items.is_empty()
        && Instant::now() < deadline
    {
        let soon = DeleteParams::default().grace_period(1);
        pods.delete_collection(&soon, &ListParams::default()).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn client(kubeconfig: &Path) -> Client {
    cluster_client(Some(kubeconfig), None).await.expect("a kubeconfig")
}
