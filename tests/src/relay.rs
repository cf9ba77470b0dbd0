//! A way to a server that can be cut: its address stays while the server comes and goes.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where a server is reached, if it can be. Dropped, it accepts no more.
pub struct Relay {
    pub addr: SocketAddr,
    way: Arc<Mutex<Way>>,
    _stopped: DropGuard,
}

#[derive(Default)]
struct Way {
    to: Option<SocketAddr>,
    /// Ends what passes now.
    cut: CancellationToken,
}

impl Relay {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (addr, way) = (listener.local_addr()?, Arc::<Mutex<Way>>::default());
        let stopped = CancellationToken::new();
        tokio::spawn(stopped.clone().run_until_cancelled_owned(accept(listener, way.clone())));
        Ok(Self { addr, way, _stopped: stopped.drop_guard() })
    }

    /// Leads to another server from now on, or to none; whatever passes is cut off.
    pub fn lead(&self, to: Option<SocketAddr>) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        way.to = to;
        std::mem::take(&mut way.cut).cancel();
    }

    /// Cuts off whatever passes in this moment.
    pub fn cut(&self) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut way.cut).cancel();
    }
}

async fn accept(listener: TcpListener, way: Arc<Mutex<Way>>) {
    while let Ok((near, _)) = listener.accept().await {
        let (to, cut) = {
            let way = way.lock().unwrap_or_else(PoisonError::into_inner);
            (way.to, way.cut.clone())
        };
        // Where nobody is behind it, the connection ends at once.
        if let Some(to) = to {
            tokio::spawn(cut.run_until_cancelled_owned(pass(near, to)));
        }
    }
}

async fn pass(mut near: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut far = TcpStream::connect(to).await?;
    // Small messages are not to wait for each other.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
