//! Two upgraded connections joined into one: how a WebSocket passes.
//!
//! Credentials are checked when it is opened. A token that is revoked or expires later, or an API that is
//! undeployed, does not end it.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::{Sweep, Watch};

/// Something that shall last as long as an upgraded connection, in the extensions of the request that asks for
/// one: a stream of HTTP/2 belongs to a connection that must not be taken for idle.
#[derive(Clone)]
pub(crate) struct Hold(#[allow(dead_code, reason = "it is there to be dropped")] Arc<dyn Any + Send + Sync>);

impl Hold {
    pub(crate) fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Arc::new(held))
    }
}

/// The client's end of a connection that it wants upgraded.
pub(crate) struct Client {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) hold: Option<Hold>,
}

/// Passes bytes both ways until both sides have ended, one breaks, or nothing moves for `idle`.
///
/// Nothing that a client sent before the backend's 101 has been forwarded: hyper keeps it until the
/// connection is handed over.
pub(crate) async fn join(client: Client, backend: OnUpgrade, sweep: Arc<Sweep>, idle: Duration) {
    let Client { upgrade, hold: _hold } = client;
    let Ok((client, backend)) = tokio::try_join!(upgrade, backend) else { return };
    let watch = sweep.watch();
    let mut client = Noticed { io: TokioIo::new(client), watch: watch.clone(), sweep, idle };
    client.progress();
    let mut backend = TokioIo::new(backend);
    let copy = tokio::io::copy_bidirectional(&mut client, &mut backend);
    tokio::select! {
        ended = copy => if let Err(error) = ended {
            tracing::debug!(%error, "an upgraded connection broke");
        },
        () = std::future::poll_fn(|cx| watch.poll_expired(cx)) => {
            tracing::debug!("an upgraded connection was idle for too long");
        }
    }
}

/// Every byte passes the client's side, so it is enough to look there.
struct Noticed<T> {
    io: T,
    watch: Arc<Watch>,
    sweep: Arc<Sweep>,
    idle: Duration,
}

impl<T> Noticed<T> {
    fn progress(&self) {
        self.watch.arm(self.sweep.after(self.idle));
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Noticed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_ready() {
            self.progress();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noticed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if written.is_ready() {
            self.progress();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
