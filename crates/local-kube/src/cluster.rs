//! The cluster as a value: opened from its state, asked through clients, run by its controllers.

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, OnceLock, PoisonError, RwLock, Weak},
    task::{Context, Poll},
};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Resource,
    client::Body,
    core::{DynamicObject, Status},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    Admit, ResponseBody, UserInfo, answer, contents, expiry, garbage,
    http::{self, ListenError, Listener, administrator},
    jobs,
    kinds::{CRDS, Kinds},
    quota,
    rbac::{self, Grants},
    scheduler, status,
    store::{File, Store},
    verbs,
};

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// A cluster of one process. Clones are the same cluster.
#[derive(Clone)]
pub struct LocalKube(Arc<Cluster>);

/// What a cluster is opened with.
#[derive(Default)]
pub struct Options {
    pub state: State,
    /// Created or updated at the start, and served.
    pub crds: Vec<CustomResourceDefinition>,
    /// Created at the start if they do not exist.
    pub objects: Vec<DynamicObject>,
    /// Asked in this order on every write.
    pub admit: Vec<Admit>,
    /// The kubelet's folder, which the logs of Pods are read from.
    pub pods: Option<PathBuf>,
}

/// Where the objects are kept.
#[derive(Default)]
pub enum State {
    #[default]
    Memory,
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("state of the local cluster: {0}")]
    State(#[from] rusqlite::Error),
    #[error("{what} of the local cluster: {}", status.message)]
    Object { what: String, status: Box<Status> },
    #[error("{0} of the local cluster is of a kind that nothing defines")]
    Unserved(String),
}

struct Cluster {
    store: Store,
    kinds: RwLock<Arc<Kinds>>,
    grants: RwLock<Option<Arc<Grants>>>,
    admit: Vec<Admit>,
    pods: Option<PathBuf>,
    client: OnceLock<kube::Client>,
    users: Arc<http::Users>,
    /// The certificate of the authority that clients outside the process trust, as PEM.
    authority: OnceLock<String>,
}

impl LocalKube {
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let file = match &options.state {
            State::Memory => File::in_memory()?,
            State::File(path) => File::at(path)?,
        };
        let kube = Self(Arc::new(Cluster {
            store: Store::open(file)?,
            kinds: RwLock::default(),
            grants: RwLock::default(),
            admit: options.admit,
            pods: options.pods,
            client: OnceLock::new(),
            users: Arc::default(),
            authority: OnceLock::new(),
        }));
        kube.written(CRDS);
        for object in rbac::bootstrap().into_iter().chain(verbs::priority_classes()) {
            kube.install(object, false)?;
        }
        for crd in options.crds {
            kube.install(written(&crd), true)?;
        }
        for object in options.objects {
            kube.install(written(&object), false)?;
        }
        // Last, so that a component may bring one of them with labels of its own.
        for name in NAMESPACES {
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            kube.install(namespace, false)?;
        }
        Ok(kube)
    }

    /// A client of the administrator, who may do everything.
    pub fn client(&self) -> kube::Client {
        self.client_as(administrator())
    }

    /// A client of a user, who may do what RBAC grants.
    pub fn client_as(&self, user: UserInfo) -> kube::Client {
        let kube = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (kube, user) = (kube.clone(), user.clone());
            async move { kube.serve(user, request).await }
        });
        kube::Client::new(service, "default")
    }

    /// Answers one request of a known user.
    pub async fn answer(&self, user: UserInfo, request: Request<Bytes>) -> Response<ResponseBody> {
        answer::answer(self, user, request).await
    }

    /// Serves the API over TLS on loopback until the listener is dropped. `dir` keeps its
    /// certificates and the administrator's token.
    pub async fn listen(&self, dir: &Path) -> Result<Listener, ListenError> {
        let kube = self.clone();
        let listener = http::listen(dir, self.0.users.clone(), move |user, request| {
            let kube = kube.clone();
            async move { kube.answer(user, request).await }
        })
        .await?;
        let authority = listener.authority().to_owned();
        if self.0.authority.set(authority).is_ok() {
            // Namespaces that were there before are looked at again.
            self.store().touch();
        }
        Ok(listener)
    }

    /// The cluster's own controllers; they stop when the future is dropped.
    pub async fn run(&self) {
        futures::join!(
            garbage::run(self),
            contents::run(self),
            rbac::aggregation::run(self),
            expiry::run(self),
            quota::keep_status(self),
            scheduler::run(self.client()),
            jobs::run(self.client()),
        );
    }

    async fn serve(
        &self,
        user: UserInfo,
        request: Request<Body>,
    ) -> Result<Response<ResponseBody>, kube::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(self.answer(user, Request::from_parts(parts, body)).await)
    }

    fn install(&self, object: Value, update: bool) -> Result<(), OpenError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let what = format!("{} {:?}", text(&object["kind"]), text(&object["metadata"]["name"]));
        let kind =
            self.kinds().of_object(&text(&object["apiVersion"]), &text(&object["kind"])).cloned();
        let Some(kind) = kind else { return Err(OpenError::Unserved(what)) };
        let namespace = kind.namespaced.then(|| match object["metadata"]["namespace"].as_str() {
            None | Some("") => "default".to_owned(),
            Some(namespace) => namespace.to_owned(),
        });
        verbs::install(self, &kind, namespace.as_deref(), object, update)
            .map_err(|status| OpenError::Object { what, status })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Who may speak to it from outside the process.
    pub(crate) fn users(&self) -> &http::Users {
        &self.0.users
    }

    pub(crate) fn authority(&self) -> Option<&str> {
        self.0.authority.get().map(String::as_str)
    }

    pub(crate) fn kinds(&self) -> Arc<Kinds> {
        self.0.kinds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn admit(&self) -> &[Admit] {
        &self.0.admit
    }

    #[cfg(unix)]
    pub(crate) fn pods(&self) -> Option<&Path> {
        self.0.pods.as_deref()
    }

    /// The roles and bindings of now.
    pub(crate) fn grants(&self) -> Arc<Grants> {
        if let Some(grants) = &*self.0.grants.read().unwrap_or_else(PoisonError::into_inner) {
            return grants.clone();
        }
        let mut kept = self.0.grants.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(Arc::new(self.read_grants())).clone()
    }

    fn read_grants(&self) -> Grants {
        fn all<K: Resource<DynamicType = ()> + DeserializeOwned>(store: &Store) -> Vec<K> {
            let resource = format!("{}.{}", K::plural(&()), K::group(&()));
            let objects = store.all(&resource, None);
            objects.iter().filter_map(|it| K::deserialize(&it.value).ok()).collect()
        }
        let store = self.store();
        Grants {
            roles: all(store),
            cluster_roles: all(store),
            role_bindings: all(store),
            cluster_role_bindings: all(store),
        }
    }

    /// What has to follow a write to a resource at once.
    pub(crate) fn written(&self, resource: &str) {
        if resource.ends_with(".rbac.authorization.k8s.io") {
            *self.0.grants.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        if resource == CRDS {
            let mut kinds = self.0.kinds.write().unwrap_or_else(PoisonError::into_inner);
            let definitions = self.0.store.all(CRDS, None);
            *kinds = Arc::new(Kinds::serving(definitions.iter().map(|it| &it.value)));
        }
    }

    /// The client that admission reads with; it does not keep the cluster alive.
    pub(crate) fn inner_client(&self) -> &kube::Client {
        self.0.client.get_or_init(|| {
            let cluster: Weak<Cluster> = Arc::downgrade(&self.0);
            let service = tower::service_fn(move |request: Request<Body>| {
                let cluster = cluster.upgrade();
                async move {
                    let cluster = cluster
                        .ok_or_else(|| kube::Error::Api(status::internal("the cluster is gone")))?;
                    Self(cluster).serve(administrator(), request).await
                }
            });
            kube::Client::new(service, "default")
        })
    }
}

impl tower::Service<Request<Body>> for LocalKube {
    type Response = Response<ResponseBody>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// Answers as to the administrator.
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let kube = self.clone();
        Box::pin(async move { kube.serve(administrator(), request).await })
    }
}

fn written(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).expect("objects of Kubernetes are JSON")
}
