//! Two upgraded connections joined into one: how a WebSocket passes.
//!
//! Frames are not looked into. But whoever sends knows where one ends, so that a tunnel which has to end ends with a
//! close frame on both sides, between two others.

use std::any::Any;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::ending::{End, Farewell};
use super::frames::{self, Frames};
use super::upgrade::{Raw, Upgrade};
use super::watch::{Sweep, Watch};

/// How long a frame that has begun may take to end when the tunnel has to.
const FRAME: Duration = Duration::from_millis(500);

/// How long both sides have to take their close frames, and to close.
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
    let Ok((client, backend)) = tokio::try_join!(upgrade.raw(), backend.raw()) else { return };
    let watch = sweep.watch();
    let progress = Progress {
        watch: watch.clone(),
        sweep,
        idle,
        client: AtomicBool::new(true),
        backend: AtomicBool::new(true),
        last: AtomicBool::new(false),
    };
    let mut client = Side::new(client, &progress, &progress.client);
    let mut backend = Side::new(backend, &progress, &progress.backend);
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
        progress.last.store(true, Relaxed);
        let whole = std::future::poll_fn(|cx| match copy.as_mut().poll(cx) {
            Poll::Pending if !progress.is_between() => Poll::Pending,
            _ => Poll::Ready(()),
        });
        if !progress.is_between() {
            let _ = tokio::time::timeout(FRAME, whole).await;
        }
        farewell
    };
    // Who does not take it, or does not close thereupon, is cut off. The backend is left by its client, which is us.
    let partings = async {
        let mut key = [0; 4];
        let _ = rand::fill(&mut key);
        tokio::join!(
            client.part(frames::close(farewell.code, farewell.reason)),
            backend.part(frames::close_masked(Farewell::leaving("").code, farewell.reason, key)),
        )
    };
    let _ = tokio::time::timeout(GOODBYE, partings).await;
}

/// How far a tunnel has got.
struct Progress {
    watch: Arc<Watch>,
    sweep: Arc<Sweep>,
    idle: Duration,
    /// Whether the client has been sent whole frames, and whether the backend has.
    client: AtomicBool,
    backend: AtomicBool,
    /// Whether the frames that are on their way are the last.
    last: AtomicBool,
}

impl Progress {
    fn made(&self) {
        self.watch.arm(self.sweep.after(self.idle));
    }

    /// Whether both have.
    fn is_between(&self) -> bool {
        self.client.load(Relaxed) && self.backend.load(Relaxed)
    }
}

/// One side of a tunnel, and the frames towards it.
struct Side<'a> {
    io: Raw,
    progress: &'a Progress,
    between: &'a AtomicBool,
    frames: Frames,
}

impl<'a> Side<'a> {
    fn new(io: Raw, progress: &'a Progress, between: &'a AtomicBool) -> Self {
        Self { io, progress, between, frames: Frames::default() }
    }

    /// Whether it has had its last frame. The client's is waited for, and may depend on what the backend is told.
    fn is_done(&self) -> bool {
        let Progress { last, client, .. } = self.progress;
        last.load(Relaxed) && self.frames.is_between() && client.load(Relaxed)
    }

    /// Tells it why, if it can be told anything, and waits until it closes: closing first, with bytes unread, could
    /// lose what it was told.
    async fn part(&mut self, close: Vec<u8>) -> io::Result<()> {
        if !self.frames.is_between() || self.frames.is_closed() {
            return Ok(());
        }
        let io = &mut self.io;
        io.write_all(&close).await?;
        io.flush().await?;
        io.shutdown().await?;
        let mut ignored = [0; 1024];
        while io.read(&mut ignored).await? > 0 {}
        Ok(())
    }
}

impl AsyncRead for Side<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Side<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.is_done() {
            // Nobody wakes it: there is nothing more to come.
            return Poll::Pending;
        }
        let mut room = buf;
        if this.progress.last.load(Relaxed) {
            room = room.get(..this.frames.clone().finish(buf)).unwrap_or(buf);
        }
        let written = Pin::new(&mut this.io).poll_write(cx, room);
        if let Poll::Ready(written) = &written {
            this.progress.made();
            if let Ok(count) = written {
                this.frames.pass(room.get(..*count).unwrap_or(room));
                this.between.store(this.frames.is_between(), Relaxed);
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
