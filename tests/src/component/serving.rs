//! The server of webhooks: TLS on loopback, with a certificate that somebody else has made.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    routing::{get, post},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
    server::TlsStream,
};

use super::hooks::Hooks;

/// Connections on which TLS has been agreed.
pub(super) struct Listener {
    agreed: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Listener {
    pub(super) async fn bind(port: u16, certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (sender, agreed) = mpsc::channel(1);
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), sender));
        Ok(Self { agreed, address })
    }
}

/// One that is slow to agree keeps nobody else waiting.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    agreed: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was lost");
                continue;
            }
        };
        let (acceptor, agreed) = (acceptor.clone(), agreed.clone());
        tokio::spawn(async move {
            match acceptor.accept(stream).await {
                // Nobody takes it any more when the server has ended.
                Ok(stream) => drop(agreed.send((stream, address)).await),
                Err(error) => tracing::debug!(%error, "no TLS"),
            }
        });
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.agreed.recv().await {
            Some(agreed) => agreed,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Serves until it fails.
pub(super) async fn serve(listener: Listener, hooks: Arc<Hooks>) -> anyhow::Result<()> {
    let routes =
        Router::new().route("/readyz", get(ready)).route("/{hook}", post(answer)).with_state(hooks);
    Ok(axum::serve(listener, routes).await?)
}

async fn ready(State(hooks): State<Arc<Hooks>>) -> StatusCode {
    if hooks.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn answer(
    State(hooks): State<Arc<Hooks>>,
    UrlPath(hook): UrlPath<String>,
    review: Bytes,
) -> (StatusCode, String) {
    match hooks.answer(&hook, &review).await {
        Ok(Some(answer)) => (StatusCode::OK, answer.to_string()),
        Ok(None) => (StatusCode::NOT_FOUND, format!("there is no webhook {hook:?}")),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}
