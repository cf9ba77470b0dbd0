//! The API over TLS on loopback, for kubectl and every other client outside the process.

#[cfg_attr(not(feature = "kubelet-program"), allow(dead_code))]
pub(crate) mod connections;
mod credentials;
mod users;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use kube::core::Status;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::credentials::AUTHORITY;
use self::credentials::Credentials;
pub(crate) use self::{credentials::random_token, users::Users};
use crate::{UserInfo, rbac, status};

/// As much as the API server takes in one request.
const MOST_BYTES: usize = 3 * 1024 * 1024;

/// The API server's address, and who may speak to it. It stops when dropped.
pub struct Listener {
    /// What kubectl and other clients need to speak to it as the administrator, as YAML.
    pub kubeconfig: String,
    pub addr: SocketAddr,
    authority: String,
    users: Arc<Users>,
    _stopped: DropGuard,
}

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("could not read or write {path:?}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("could not use the certificate of {path:?}: {why}")]
    Tls { path: PathBuf, why: String },
    #[error("could not listen on loopback: {0}")]
    Bind(io::Error),
}

impl Listener {
    /// A token for a further user, good while the listener lives. Their roles say what they may do.
    pub fn token(&self, user: UserInfo) -> String {
        let token = credentials::random_token();
        self.users.add(&token, user, None);
        token
    }

    /// The certificate of the authority that clients trust, as PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// A kubeconfig, as YAML, for whoever holds the token.
    pub fn kubeconfig_for(&self, token: &str) -> String {
        credentials::kubeconfig(self.addr, &self.authority, token)
    }
}

/// The administrator, who passes every check.
pub fn administrator() -> UserInfo {
    UserInfo {
        username: "kubernetes-admin".into(),
        uid: String::new(),
        groups: vec![rbac::MASTERS.into(), "system:authenticated".into()],
    }
}

/// Serves `answer` on loopback, on the port of the last time if it is free. Certificates and the
/// administrator's token live in `dir`, which only the user can read, and outlast a restart.
pub(crate) async fn listen<A, F, B>(
    dir: &Path,
    users: Arc<Users>,
    answer: A,
) -> Result<Listener, ListenError>
where
    A: Fn(UserInfo, Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let credentials = Credentials::load_or_make(dir)?;
    let acceptor = TlsAcceptor::from(Arc::new(credentials.tls(dir)?));
    let listener = bind(credentials.port).await.map_err(ListenError::Bind)?;
    let addr = listener.local_addr().map_err(ListenError::Bind)?;
    credentials::remember_port(dir, addr.port())?;

    users.add(&credentials.token, administrator(), None);
    let stopping = CancellationToken::new();
    let of_users = users.clone();
    let answer = move |request: Request<Incoming>| {
        let (users, answer) = (of_users.clone(), answer.clone());
        async move {
            match authenticated(&users, request).await {
                Ok((user, request)) => answer(user, request).await.map(Either::Left),
                Err(status) => refused(&status).map(Either::Right),
            }
        }
    };
    let accepting = connections::accept(listener, acceptor, stopping.clone(), answer);
    tokio::spawn(stopping.clone().run_until_cancelled_owned(accepting));
    Ok(Listener {
        kubeconfig: credentials::kubeconfig(addr, &credentials.authority, &credentials.token),
        addr,
        authority: credentials.authority,
        users,
        _stopped: stopping.drop_guard(),
    })
}

async fn bind(port: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = port
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// The user and the whole request, or why there will be no answer.
async fn authenticated(
    users: &Users,
    request: Request<Incoming>,
) -> Result<(UserInfo, Request<Bytes>), Box<Status>> {
    let user = users.of(&request).ok_or_else(status::unauthorized)?;
    let (mut parts, body) = request.into_parts();
    // The token has served its purpose, and nobody behind this needs to be trusted with it.
    parts.headers.remove(header::AUTHORIZATION);
    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            status::too_large(format!("Request entity too large: limit is {MOST_BYTES}"))
        } else {
            status::bad_request(format!("the body of the request broke off: {error}"))
        }
    })?;
    Ok((user, Request::from_parts(parts, body.to_bytes())))
}

fn refused(status: &Status) -> Response<Full<Bytes>> {
    let mut body = serde_json::json!(status);
    body["kind"] = "Status".into();
    body["apiVersion"] = "v1".into();
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(status.code).unwrap_or_default();
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests;
