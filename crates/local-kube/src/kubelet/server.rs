//! The kubelet's own API, over TLS on loopback: the logs that the API server asks it for.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{LogQuery, Options, authorization, logs};
use crate::{
    http::connections::{self, ClientCertificate},
    query,
};

/// With what the kubelet's API is served. Clients show a certificate of the authority.
#[derive(Clone, Debug)]
pub struct Serving {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_authority: PathBuf,
    /// 0 is any free one.
    pub port: u16,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0:?} cannot be used: {1}")]
    File(PathBuf, String),
    #[error("the kubelet's certificate cannot be used: {0}")]
    Tls(String),
    #[error("the kubelet cannot listen on port {0} of loopback: {1}")]
    Bind(u16, #[source] io::Error),
}

/// Serves until dropped.
pub(super) struct Server {
    pub(super) port: u16,
    _stopped: DropGuard,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl Server {
    pub(super) async fn start(
        serving: &Serving,
        client: &Client,
        options: &Options,
    ) -> Result<Self, ServeError> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(serving)?));
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, serving.port)).await;
        let failed = |error| ServeError::Bind(serving.port, error);
        let listener = bound.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let stopping = CancellationToken::new();
        let kubelet = Arc::new(Kubelet {
            client: client.clone(),
            node: options.node.clone(),
            dir: options.dir.clone(),
        });
        let answer = move |request| {
            let kubelet = kubelet.clone();
            async move { kubelet.answer(request).await }
        };
        let accepting = connections::accept(listener, acceptor, stopping.clone(), answer);
        tokio::spawn(stopping.clone().run_until_cancelled_owned(accepting));
        Ok(Self { port, _stopped: stopping.drop_guard() })
    }
}

fn tls(serving: &Serving) -> Result<ServerConfig, ServeError> {
    let chain = certificates(&serving.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&serving.key)?)
        .map_err(|error| ServeError::File(serving.key.clone(), error.to_string()))?;
    let mut authorities = RootCertStore::empty();
    for authority in certificates(&serving.client_authority)? {
        authorities.add(authority).map_err(|error| {
            ServeError::File(serving.client_authority.clone(), error.to_string())
        })?;
    }
    let unusable = |error: &dyn std::fmt::Display| ServeError::Tls(error.to_string());
    let provider = Arc::new(ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone())
            .build()
            .map_err(|error| unusable(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|it| it.with_client_cert_verifier(clients).with_single_cert(chain, key))
        .map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let failed = |error: &dyn std::fmt::Display| ServeError::File(path.into(), error.to_string());
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    if certificates.is_empty() { Err(failed(&"it holds no certificate")) } else { Ok(certificates) }
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    fs::read(path).map_err(|error| ServeError::File(path.into(), error.to_string()))
}

struct Kubelet {
    client: Client,
    node: String,
    dir: PathBuf,
}

impl Kubelet {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(shown) = request.extensions().get::<ClientCertificate>() else {
            return said(StatusCode::UNAUTHORIZED, "Unauthorized");
        };
        let admitted = authorization::admit(&self.client, &self.node, &shown.0, request.method());
        if let Err((code, why)) = admitted.await {
            return said(code, &why);
        }
        let path: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        match (request.method(), path.as_slice()) {
            (&Method::GET, ["healthz"]) => said(StatusCode::OK, "ok"),
            (&Method::GET, ["containerLogs", namespace, pod, container]) => {
                let query = request.uri().query().unwrap_or_default();
                let log = self.log(namespace, pod, container, query).await;
                log.unwrap_or_else(|(code, why)| said(code, &why))
            }
            (_, ["containerLogs", _, _, _] | ["healthz"]) => {
                said(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed")
            }
            _ => said(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }

    /// What went wrong is said as plain text: the API server makes a Status of it.
    async fn log(
        &self,
        namespace: &str,
        name: &str,
        container: &str,
        query: &str,
    ) -> Result<Response<Body>, (StatusCode, String)> {
        let pairs: Vec<(String, String)> = query::pairs(query).collect();
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut query = LogQuery::parse(name, pairs).map_err(status)?;
        query.container = Some(container.to_owned());
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pod = pods.get_opt(name).await.map_err(|error| {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("pod {name:?} cannot be read: {error}"))
        })?;
        let here = |pod: &Pod| {
            pod.spec.as_ref().is_some_and(|it| it.node_name.as_ref() == Some(&self.node))
        };
        let pod = pod.filter(here);
        let pod =
            pod.ok_or_else(|| (StatusCode::NOT_FOUND, format!("pod {name:?} does not exist")))?;
        let log = logs::read(&self.dir, &pod, &query).await.map_err(status)?;
        // One without a node is none of this node's, and was refused above.
        let log = log.unwrap_or_else(|| stream::empty().boxed());
        let body = StreamBody::new(log.map_ok(Frame::data)).boxed_unsync();
        let mut response = Response::new(body);
        let text = header::HeaderValue::from_static("text/plain");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        Ok(response)
    }
}

fn status(status: Box<kube::core::Status>) -> (StatusCode, String) {
    (StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), status.message)
}

fn said(code: StatusCode, text: &str) -> Response<Body> {
    let body = Full::from(text.to_owned()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
}
