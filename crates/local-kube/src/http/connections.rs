//! TLS connections on a listener, each served until its client or the server ends it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls::pki_types::CertificateDer};
use tokio_util::sync::CancellationToken;

/// How long a client may take over its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The client's certificate, as an extension of its requests where the server asks for one.
#[derive(Clone)]
pub(crate) struct ClientCertificate(pub(crate) Arc<CertificateDer<'static>>);

/// Accepts until dropped; what was accepted is served until `stopping`.
pub(crate) async fn accept<A, F, B>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    stopping: CancellationToken,
    answer: A,
) where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = serve(stream, acceptor.clone(), answer.clone());
                tokio::spawn(stopping.clone().run_until_cancelled_owned(serving));
            }
            Err(error) => {
                // The process has no file descriptors left, or the like: others may end soon.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve<A, F, B>(stream: TcpStream, acceptor: TlsAcceptor, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Small answers are not to wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not turn off delays");
    }
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a client broke off its TLS handshake"),
        Err(_) => return tracing::debug!("a client did not finish its TLS handshake"),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let client = shown.map(|shown| ClientCertificate(Arc::new(shown.clone().into_owned())));
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(client) = &client {
            request.extensions_mut().insert(client.clone());
        }
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection broke off");
    }
}
