//! Connections to backends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use apim_core::Fault;
use futures_util::future::Either;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::{Course, Upload};
use super::failure;
use super::pool::{Own, Streams};
use super::retry::Headers;
use super::target::Target;
use crate::transport::dial::{self, DialError, Stream};
use crate::transport::watch::{Sweep, Watch};
use crate::transport::{buffer, gather};

/// An open connection.
pub(super) enum Line {
    /// For one request at a time.
    H1(H1),
    /// For many.
    H2(H2),
}

impl Line {
    /// Whether it has been used before, and so may have been closed at the other end.
    pub(super) fn is_used(&self) -> bool {
        match self {
            Self::H1(line) => line.used,
            Self::H2(line) => line.used,
        }
    }

    /// The deadline of the request in flight.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        match self {
            Self::H1(line) => &line.watch,
            Self::H2(line) => &line.watch,
        }
    }

    /// How far the request in flight is.
    pub(super) fn course(&self) -> &Arc<Course> {
        match self {
            Self::H1(line) => &line.course,
            Self::H2(line) => &line.course,
        }
    }

    /// Sends a request. The line must live as long as the future is polled.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<> {
        match self {
            Self::H1(line) => Either::Left(line.sender.try_send_request(request)),
            Self::H2(line) => Either::Right(line.sender.try_send_request(request)),
        }
    }

    /// An empty list for the header lines of the request that is sent next; HTTP/2 keeps none.
    pub(super) fn take_room(&mut self) -> Headers {
        match self {
            Self::H1(line) => std::mem::take(&mut line.room),
            Self::H2(_) => Headers::new(),
        }
    }

    /// Keeps the list for later.
    pub(super) fn keep_room(&mut self, room: Option<Headers>) {
        if let (Self::H1(line), Some(room)) = (self, room) {
            line.room = room;
        }
    }

    /// Waits until a connection that has just been used has noticed that it is free; false if it has gone.
    pub(super) async fn is_free(&mut self) -> bool {
        match self {
            Self::H1(line) => line.sender.is_ready() || line.sender.ready().await.is_ok(),
            Self::H2(_) => true,
        }
    }
}

/// An HTTP/1.1 connection.
pub(super) struct H1 {
    pub(super) sender: http1::SendRequest<Upload>,
    watch: Arc<Watch>,
    course: Arc<Course>,
    /// The end of its rest between two requests; its task ends with it.
    idle: Arc<Watch>,
    used: bool,
    /// For copies of header lines.
    room: Headers,
}

impl H1 {
    /// Lays it by.
    pub(super) fn rest(&self, until: u64) {
        self.watch.disarm();
        self.idle.arm(until);
    }

    /// Takes it up again; false if it has gone in the meantime.
    pub(super) fn wake_up(&self) -> bool {
        self.idle.disarm();
        !self.idle.is_expired() && !self.watch.is_expired() && !self.sender.is_closed()
    }

    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    pub(super) fn is_uploading(&self) -> bool {
        self.course.is_uploading()
    }

    pub(super) fn used(self) -> Self {
        Self { used: true, ..self }
    }
}

/// An open HTTP/2 connection, as the pool keeps it.
pub(super) struct Trunk {
    sender: http2::SendRequest<Upload>,
    streams: Arc<Streams>,
    sweep: Arc<Sweep>,
}

impl Trunk {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams.has_room()
    }

    /// Room for one request.
    pub(super) fn share(&self, used: bool) -> H2 {
        self.streams.one_more();
        let (sender, streams) = (self.sender.clone(), self.streams.clone());
        H2 { sender, watch: self.sweep.watch(), course: Arc::default(), streams, used }
    }
}

/// Room for one request on an HTTP/2 connection, until it is dropped.
pub(super) struct H2 {
    pub(super) sender: http2::SendRequest<Upload>,
    watch: Arc<Watch>,
    course: Arc<Course>,
    streams: Arc<Streams>,
    used: bool,
}

impl Drop for H2 {
    fn drop(&mut self) {
        self.streams.one_less();
    }
}

/// Opens a connection. With `h1_only` it can be upgraded.
pub(super) async fn open(own: &Arc<Own>, target: &Arc<Target>, h1_only: bool) -> Result<Line, Fault> {
    let pool = &target.pool;
    let failed = |error| failure::connecting(target, error);
    // A burst of requests to a backend that speaks HTTP/2 needs one connection, not one each. A large one
    // may fill the connection that it waited for; who finds no room twice opens one of its own.
    for _ in 0..2 {
        if h1_only || !pool.may_speak_h2() {
            break;
        }
        if let Some(line) = pool.take_new() {
            return Ok(line);
        }
        pool.opening(|| open_shared(own.clone(), target.clone())).await.map_err(failed)?;
    }
    if !h1_only && let Some(line) = pool.take_new() {
        return Ok(line);
    }
    let line = connect(own, target, h1_only).await.map_err(|error| failed(Arc::new(error)))?;
    Ok(match line {
        New::H1(line) => Line::H1(line),
        New::H2(trunk) => {
            let share = trunk.share(false);
            pool.keep(trunk);
            Line::H2(share)
        }
    })
}

/// Opens a connection for whoever of those waiting comes first, or all of them if it serves many.
async fn open_shared(own: Arc<Own>, target: Arc<Target>) -> Result<(), Arc<DialError>> {
    match connect(&own, &target, false).await? {
        New::H1(line) => target.pool.give_back(line, own.sweep.after(own.settings.idle_timeout)),
        New::H2(trunk) => target.pool.keep(trunk),
    }
    Ok(())
}

/// A connection that nobody has used.
enum New {
    H1(H1),
    H2(Trunk),
}

async fn connect(own: &Own, target: &Target, h1_only: bool) -> Result<New, DialError> {
    let pool = &target.pool;
    let to = if h1_only { &pool.to_h1 } else { &pool.to };
    let stream = dial::dial(to, target.connect_timeout).await?;
    let h2 = stream.is_h2() || (pool.prior_knowledge && !h1_only);
    if !h1_only {
        pool.learned(h2);
    }
    let line =
        if h2 { speak_h2(own, stream).await.map(New::H2) } else { speak_h1(own, stream).await.map(New::H1) };
    line.map_err(|error| DialError::Failed(io::Error::other(error)))
}

async fn speak_h1(own: &Own, stream: Stream) -> hyper::Result<H1> {
    let course = Arc::<Course>::default();
    let (sender, connection) = http1::Builder::new()
        .max_header_size(own.settings.head_bytes)
        .max_buf_size(buffer::limit(own.settings.head_bytes))
        .handshake(TokioIo::new(Outlet { stream, course: course.clone() }))
        .await?;
    let idle = own.sweep.watch();
    tokio::spawn(until_idle(connection.with_upgrades(), idle.clone()));
    Ok(H1 { sender, watch: own.sweep.watch(), course, idle, used: false, room: Headers::new() })
}

/// Runs a connection until it ends or has been idle for too long.
async fn until_idle(connection: impl Future<Output = hyper::Result<()>>, idle: Arc<Watch>) {
    let mut connection = std::pin::pin!(connection);
    let mut registered = false;
    std::future::poll_fn(|cx| {
        if !std::mem::replace(&mut registered, true) {
            idle.register(cx.waker());
        }
        match connection.as_mut().poll(cx) {
            // Whoever waits for a response learns of it there.
            Poll::Ready(Ok(()) | Err(_)) => Poll::Ready(()),
            Poll::Pending if idle.is_expired() => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}

/// A stream that tells when the backend takes nothing: hyper lets go of a request's body when it has the last
/// piece in its own buffer, not when that has left.
struct Outlet {
    stream: Stream,
    course: Arc<Course>,
}

impl AsyncRead for Outlet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Outlet {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.course.held_up(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = gather::poll_write(Pin::new(&mut self.stream), cx, bufs);
        self.course.held_up(written.is_pending());
        written
    }
}

async fn speak_h2(own: &Own, stream: Stream) -> hyper::Result<Trunk> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(own.settings.head_bytes).unwrap_or(u32::MAX))
        // A backend that is gone without a word is found out, and its connection not used for ever.
        .keep_alive_interval(own.settings.idle_timeout)
        .keep_alive_timeout(own.settings.connect_timeout)
        .handshake(TokioIo::new(stream))
        .await?;
    let trunk = Trunk { sender, streams: Arc::default(), sweep: own.sweep.clone() };
    let streams = trunk.streams.clone();
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            streams.allow(connection.current_max_send_streams());
            ended
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "an HTTP/2 connection to a backend ended");
        }
    });
    Ok(trunk)
}
