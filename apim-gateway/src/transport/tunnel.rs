//! Two upgraded connections joined into one: how a WebSocket passes.
//!
//! Frames are not looked into. But whoever sends to the client knows where one ends, so that a tunnel which has to
//! end ends with a close frame, between two others.

use std::any::Any;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::ending::{End, Farewell};
use super::frames::{self, Frames};
use super::upgrade::{Raw, Upgrade};
use super::watch::{Sweep, Watch};

/// How long a frame that has begun may take to end when the tunnel has to.
const FRAME: Duration = Duration::from_millis(500);

/// How long the client has to take its close frame, and to close.
const GOODBYE: Duration = Duration::from_secs(1);

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
    pub(crate) upgrade: Upgrade,
    pub(crate) hold: Option<Hold>,
    pub(crate) end: End,
}

/// Passes bytes both ways until both sides have ended, one breaks, nothing moves for `idle`, or the tunnel is
/// asked to end.
///
/// Nothing that a client sent before the backend's 101 has been forwarded: it is kept until the connection is
/// handed over.
pub(crate) async fn join(client: Client, backend: Upgrade, sweep: Arc<Sweep>, idle: Duration) {
    let Client { upgrade, hold: _hold, end } = client;
    let Ok((client, mut backend)) = tokio::try_join!(upgrade.raw(), backend.raw()) else { return };
    let watch = sweep.watch();
    let progress = Progress {
        watch: watch.clone(),
        sweep,
        idle,
        between: AtomicBool::new(true),
        last: AtomicBool::new(false),
    };
    let mut client = Noticed { io: client, progress: &progress, frames: Frames::default() };
    progress.made();
    let farewell = {
        let mut copy = pin!(tokio::io::copy_bidirectional(&mut client, &mut backend));
        let farewell = tokio::select! {
            ended = &mut copy => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an upgraded connection broke");
                }
                return;
            }
            () = std::future::poll_fn(|cx| watch.poll_expired(cx)) => {
                tracing::debug!("an upgraded connection was idle for too long");
                return;
            }
            farewell = end.asked() => farewell,
        };
        tracing::debug!(?farewell, "an upgraded connection has to end");
        if !progress.between.load(Relaxed) {
            // Ends by itself with the frame.
            progress.last.store(true, Relaxed);
            let _ = tokio::time::timeout(FRAME, copy).await;
        }
        farewell
    };
    let speechless = !progress.between.load(Relaxed) || client.frames.is_closed();
    if !speechless {
        // Who does not take it, or does not close thereupon, is cut off.
        let _ = tokio::time::timeout(GOODBYE, part(&mut client.io, farewell)).await;
    }
}

/// Tells the client why, and waits until it closes: closing first, with bytes unread, could lose what it was told.
async fn part(client: &mut Raw, farewell: Farewell) -> io::Result<()> {
    client.write_all(&frames::close(farewell.code, farewell.reason)).await?;
    client.flush().await?;
    client.shutdown().await?;
    let mut ignored = [0; 1024];
    while client.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// How far a tunnel has got.
struct Progress {
    watch: Arc<Watch>,
    sweep: Arc<Sweep>,
    idle: Duration,
    /// Whether the client has been sent whole frames.
    between: AtomicBool,
    /// Whether the frame that is on its way to the client is the last.
    last: AtomicBool,
}

impl Progress {
    fn made(&self) {
        self.watch.arm(self.sweep.after(self.idle));
    }
}

/// Every byte passes the client's side, so it is enough to look there.
struct Noticed<'a> {
    io: Raw,
    progress: &'a Progress,
    /// Those towards the client.
    frames: Frames,
}

impl AsyncRead for Noticed<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_ready() {
            self.progress.made();
        }
        read
    }
}

impl AsyncWrite for Noticed<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut room = buf;
        if this.progress.last.load(Relaxed) {
            if this.frames.is_between() {
                return Poll::Ready(Err(io::Error::other("the last frame has been sent")));
            }
            room = room.get(..this.frames.clone().finish(buf)).unwrap_or(buf);
        }
        let written = Pin::new(&mut this.io).poll_write(cx, room);
        if let Poll::Ready(written) = &written {
            this.progress.made();
            if let Ok(count) = written {
                this.frames.pass(room.get(..*count).unwrap_or(room));
                this.progress.between.store(this.frames.is_between(), Relaxed);
            }
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
