//! The server on standard input and output, which belong to the protocol alone.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use rmcp::{ServiceExt as _, service::ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::Server;

impl Server {
    /// Serves one client on standard input and output until it hangs up.
    pub async fn serve_stdio(self) -> Result<(), ServerInitializeError> {
        let (input, output) = rmcp::transport::stdio_pipes();
        self.serve_client(input, output).await
    }

    /// Serves one client on a pair of streams until it hangs up, and lets what changes the cluster
    /// come to its end.
    pub async fn serve_client(
        self,
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ServerInitializeError> {
        let input = EofSignal { input, hung_up: self.closing().clone() };
        let served = match self.clone().serve((input, output)).await {
            Ok(service) => tokio::select! {
                served = service.waiting() => served.map(|_| ()),
                // The library may wait longer for a client that hangs up in the wrong moment.
                () = self.closed() => Ok(()),
            },
            // A client that hangs up before it says hello has not failed.
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => return Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "the protocol's task did not end well");
        }
        self.finished().await;
        Ok(())
    }
}

/// Standard input that tells when it ends: the protocol library would otherwise wait some seconds
/// for calls whose answers nobody will read.
struct EofSignal<R> {
    input: R,
    hung_up: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for EofSignal<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining() > 0;
        let polled = Pin::new(&mut self.input).poll_read(cx, buffer);
        let ended = match &polled {
            Poll::Ready(Ok(())) => room && buffer.filled().len() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.hung_up.cancel();
        }
        polled
    }
}
