//! A cluster of one machine for one test, and the Pods that tests make.

use std::{ffi::OsString, path::PathBuf, sync::OnceLock, time::Duration};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
    runtime::{WatchStreamExt, watcher},
};
use local_kube::{HOST_PYTHON, LocalKube, Options, kubelet};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

/// Longer than anything a test waits for should take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) dir: PathBuf,
    kube: LocalKube,
    change: fn(&mut kubelet::Options),
    kubelet: Option<JoinHandle<()>>,
    controllers: JoinSet<()>,
    /// Gone with the value, and with it all that runs.
    _folder: tempfile::TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Else it could make its folder anew.
        if let Some(kubelet) = self.kubelet.take() {
            kubelet.abort();
        }
    }
}

impl Cluster {
    /// A machine with back-off short enough to wait for.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: fn(&mut kubelet::Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kube = LocalKube::open(Options::default()).unwrap();
        let mut cluster = Self {
            client: kube.client(),
            kube,
            dir: folder.path().to_owned(),
            change,
            kubelet: None,
            controllers: JoinSet::new(),
            _folder: folder,
        };
        // Made once for all tests: what it holds is the same for each.
        std::os::unix::fs::symlink(environments(), cluster.dir.join("environments")).unwrap();
        cluster.start_kubelet();
        cluster
    }

    /// With environments of its own, none made yet.
    pub(crate) async fn bare() -> Self {
        let cluster = Self::new().await;
        std::fs::remove_file(cluster.dir.join("environments")).unwrap();
        cluster
    }

    /// With the cluster's own controllers and its scheduler.
    pub(crate) async fn scheduling() -> Self {
        let mut cluster = Self::new().await;
        let kube = cluster.kube.clone();
        cluster.controllers.spawn(async move { kube.run().await });
        cluster
    }

    pub(crate) fn start_kubelet(&mut self) {
        let supervisor = vec![OsString::from(env!("CARGO_BIN_EXE_local-kube-supervisor"))];
        let mut options = kubelet::Options::new("machine", self.dir.clone(), supervisor);
        options.first_backoff = Duration::from_secs(1);
        (self.change)(&mut options);
        let client = self.client.clone();
        self.kubelet = Some(tokio::spawn(async move {
            kubelet::run(client, options).await.unwrap();
        }));
    }

    /// As if it were killed: what it runs is left to itself.
    pub(crate) async fn kill_kubelet(&mut self) {
        if let Some(kubelet) = self.kubelet.take() {
            kubelet.abort();
            let _ = kubelet.await;
        }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + serde::Serialize,
    {
        let object = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap()
    }

    /// Creates a Pod on the machine and waits until `holds`.
    pub(crate) async fn run(&self, pod: Value, holds: impl Fn(&Value) -> bool) -> Value {
        let created: Pod = self.create(pod).await;
        self.wait::<Pod>(&created.metadata.name.unwrap(), holds).await
    }

    /// The object once something holds of it.
    pub(crate) async fn wait<K>(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Send
            + DeserializeOwned
            + serde::Serialize
            + 'static,
    {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut seen = Value::Null;
        let mut changes = Box::pin(watcher(self.api::<K>(), config).applied_objects());
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(object) = changes.try_next().await.unwrap() {
                seen = serde_json::to_value(object).unwrap();
                if holds(&seen) {
                    return;
                }
            }
        });
        if found.await.is_err() {
            panic!(
                "{name} did not become what was waited for:\n{seen:#}\n{:#?}",
                self.events(name).await
            );
        }
        seen
    }

    pub(crate) async fn claim(&self, name: &str) {
        self.create::<PersistentVolumeClaim>(json!({
            "metadata": { "name": name },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
        }))
        .await;
    }

    /// Where the only claim's files are.
    pub(crate) fn claim_folder(&self) -> PathBuf {
        std::fs::read_dir(self.dir.join("claims")).unwrap().next().unwrap().unwrap().path()
    }

    pub(crate) async fn wait_gone<K>(&self, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let gone = async {
            while self.api::<K>().get_opt(name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    }

    /// What was said of an object: `TYPE REASON MESSAGE`, in order.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let mut events = self.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| event.involved_object.name.as_deref() == Some(name));
        events.sort_by_key(|event| {
            event.metadata.resource_version.clone().map(|v| v.parse::<u64>().ok())
        });
        let text = |text: Option<String>| text.unwrap_or_default();
        let shown = |e: Event| format!("{} {} {}", text(e.type_), text(e.reason), text(e.message));
        events.into_iter().map(shown).collect()
    }

    /// Waits until an event of the object contains the text.
    pub(crate) async fn wait_event(&self, name: &str, part: &str) {
        let said = async {
            while !self.events(name).await.iter().any(|event| event.contains(part)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "no event {part:?} in {:#?}", self.events(name).await);
    }

    pub(crate) async fn merge<K>(&self, name: &str, patch: Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let patch = Patch::Merge(patch);
        self.api::<K>().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// A Pod's log once it contains `part`.
    pub(crate) async fn log_with(&self, name: &str, part: &str) -> String {
        let said = async {
            loop {
                let log = self.log(name, &[]).await.unwrap();
                if log.contains(part) {
                    return log;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap()
    }

    /// A Pod's log, as the log subresource reads it.
    pub(crate) async fn log(&self, name: &str, query: &[(&str, &str)]) -> Result<String, String> {
        let pod = self.api::<Pod>().get(name).await.unwrap();
        let query = kubelet::LogQuery::parse(name, query.iter().copied())
            .map_err(|status| status.message)?;
        let log =
            kubelet::read_log(&self.dir, &pod, &query).await.map_err(|status| status.message)?;
        let read: Vec<bytes::Bytes> =
            tokio::time::timeout(PATIENCE, log.unwrap().try_collect()).await.unwrap().unwrap();
        Ok(String::from_utf8(read.concat()).unwrap())
    }
}

fn environments() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder =
        FOLDER.get_or_init(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("environments"));
    std::fs::create_dir_all(folder).unwrap();
    folder.clone()
}

/// A Pod of one container that a shell runs, on the machine.
pub(crate) fn pod(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "nodeName": "machine", "restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": "main", "image": HOST_PYTHON, "command": ["sh", "-c", script],
            }],
        },
    })
}

pub(crate) fn phase(phase: &str) -> impl Fn(&Value) -> bool {
    move |pod| pod["status"]["phase"] == phase
}

/// The state of a Pod's only container.
pub(crate) fn state(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]
}

/// Waits until a process has ended.
pub(crate) async fn wait_dead(pid: &str) {
    let ended = async {
        // A zombie until whoever inherits it looks after it.
        while !std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    assert!(ended.is_ok(), "process {pid} still runs");
}
