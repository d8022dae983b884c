//! The socket of a connection, which notices when its client is slow, and when it sends.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::Limits;
use super::gauge::Gauge;
use crate::transport::watch::{Sweep, Watch};

/// How long a client has to take the word that its connection ends.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// What is known of a connection: requests in flight, and its one deadline.
///
/// All of it belongs to one task at a time; the atomics are only there so that it may move.
pub(super) struct Slot {
    pub(super) watch: Arc<Watch>,
    pub(super) sweep: Arc<Sweep>,
    pub(super) gauge: Arc<Gauge>,
    limits: Limits,
    in_flight: AtomicU32,
    /// Of these, those that were refused, and are counted nowhere else.
    refused: AtomicU32,
    /// Requests so far, where their number is limited.
    begun: AtomicU32,
    reading_head: AtomicBool,
    ambiguous: AtomicBool,
    handed_over: AtomicBool,
    stuck: AtomicBool,
    multiplexed: bool,
    /// Not to be read just now, since its client was refused.
    held: AtomicBool,
    reader: AtomicWaker,
}

impl Slot {
    pub(super) fn new(sweep: Arc<Sweep>, gauge: Arc<Gauge>, limits: Limits, multiplexed: bool) -> Self {
        let watch = sweep.watch();
        watch.arm(sweep.after(limits.head_timeout));
        Self {
            watch,
            sweep,
            gauge,
            limits,
            in_flight: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            reading_head: AtomicBool::new(!multiplexed),
            ambiguous: AtomicBool::new(false),
            handed_over: AtomicBool::new(multiplexed),
            stuck: AtomicBool::new(false),
            multiplexed,
            held: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }
    }

    /// A request's head has been read.
    pub(super) fn begin(&self) {
        self.gauge.begin();
        if self.limits.requests_per_connection.is_some() {
            self.begun.store(self.begun.load(Relaxed).saturating_add(1), Relaxed);
        }
        self.reading_head.store(false, Relaxed);
        self.stay();
    }

    /// Whether the request that has begun may go on. One that is refused is in nobody's way while it is told so.
    pub(super) fn admits(&self) -> bool {
        let admitted = self.gauge.admits();
        if !admitted {
            self.refused.store(self.refused.load(Relaxed) + 1, Relaxed);
            self.gauge.end();
        }
        admitted
    }

    /// An answer has left, or will not.
    pub(super) fn end(&self) {
        match self.refused.load(Relaxed) {
            0 => self.gauge.end(),
            refused => self.refused.store(refused - 1, Relaxed),
        }
        self.let_go();
    }

    /// Something has begun for which the connection must stay.
    pub(super) fn stay(&self) {
        self.in_flight.store(self.in_flight.load(Relaxed) + 1, Relaxed);
        self.wait();
    }

    /// It has ended.
    pub(super) fn let_go(&self) {
        let left = self.in_flight.load(Relaxed).saturating_sub(1);
        self.in_flight.store(left, Relaxed);
        if left == 0 {
            self.wait();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0
    }

    /// Whether it has had as many requests as it may have.
    pub(super) fn is_spent(&self) -> bool {
        self.limits.requests_per_connection.is_some_and(|most| self.begun.load(Relaxed) >= most)
    }

    /// Whether a head has been seen that two servers could read in two ways.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous.load(Relaxed)
    }

    /// One has been seen.
    pub(super) fn set_ambiguous(&self) {
        self.ambiguous.store(true, Relaxed);
    }

    /// The connection ends; its client has so long to take note of that.
    pub(super) fn linger(&self) {
        self.watch.arm(self.sweep.after(GOODBYE));
    }

    /// Its client is not listened to for a while. False if it was not listened to already, and for a connection
    /// with streams, which are not to wait for each other.
    pub(super) fn hold(&self) -> bool {
        !self.multiplexed && !self.held.swap(true, Relaxed)
    }

    /// It is again.
    pub(super) fn release(&self) {
        if self.held.swap(false, Relaxed) {
            self.reader.wake();
        }
    }

    /// When the client must have taken what it is sent now.
    pub(super) fn taken_by(&self) -> u64 {
        self.sweep.after(self.limits.write_timeout)
    }

    /// When the next piece of a body must have come.
    pub(super) fn body_by(&self) -> u64 {
        self.sweep.after(self.limits.body_timeout)
    }

    /// The connection speaks another protocol from now on.
    pub(super) fn hand_over(&self) {
        self.handed_over.store(true, Relaxed);
    }

    /// Whether its bytes are HTTP/1.1 heads and bodies.
    fn is_http1(&self) -> bool {
        !self.handed_over.load(Relaxed)
    }

    /// Bytes have arrived. The first of a head starts its deadline; the rest do not move it.
    pub(super) fn received(&self) {
        if !self.multiplexed && self.is_idle() && !self.reading_head.load(Relaxed) {
            self.reading_head.store(true, Relaxed);
            self.wait();
        }
    }

    /// Sets the deadline for what the client is to do next. One that takes nothing keeps the deadline it
    /// has, whatever it sends but the [body](Self::sent) that it is answered for: new requests would otherwise hold a
    /// stuck connection open for ever.
    fn wait(&self) {
        if self.stuck.load(Relaxed) {
            return;
        }
        match (self.is_idle(), self.reading_head.load(Relaxed)) {
            (false, _) => self.watch.disarm(),
            (true, true) => self.watch.arm(self.sweep.after(self.limits.head_timeout)),
            (true, false) => self.watch.arm(self.sweep.after(self.limits.keep_alive)),
        }
    }

    /// A client that takes nothing has sent a piece of the body that it is answered for: it may go on with that, and
    /// take the answer when all is sent. Only the body counts, which has deadlines of its own.
    pub(super) fn sent(&self) {
        if self.stuck.load(Relaxed) {
            self.watch.arm(self.taken_by());
        }
    }

    /// Something was to be written. The deadline is set when the client begins to take nothing, and goes
    /// back to what it was for when the client takes something.
    fn written(&self, pending: bool) {
        if self.stuck.load(Relaxed) == pending {
            return;
        }
        self.stuck.store(pending, Relaxed);
        if pending {
            self.watch.arm(self.taken_by());
        } else {
            self.wait();
        }
    }
}

/// A socket with its slot.
pub(super) struct Socket<T> {
    io: T,
    slot: Arc<Slot>,
    /// Dropped with the socket, wherever that is by then.
    _open: oneshot::Sender<Infallible>,
}

impl<T> Socket<T> {
    /// The socket, and what becomes ready when it is closed: after an upgrade somebody else has it.
    pub(super) fn new(io: T, slot: Arc<Slot>) -> (Self, oneshot::Receiver<Infallible>) {
        let (open, closed) = oneshot::channel();
        (Self { io, slot, _open: open }, closed)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.slot.held.load(Relaxed) {
            self.slot.reader.register(cx.waker());
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before && self.slot.is_http1() {
            self.slot.received();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.slot.written(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.slot.written(written.is_pending());
        written
    }
}
