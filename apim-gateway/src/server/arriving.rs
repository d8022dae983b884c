//! A request's body on its way from an HTTP/1.1 connection to whoever reads it.
//!
//! The connection belongs to one task, the body to whatever the handlers do with it. Between them is room for one
//! piece: the connection reads the next one only when it is asked for, so that a client sends no faster than its
//! backend takes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use apim_core::fault::{self, Fault};
use apim_core::{Body, BoxError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::socket::Slot;
use crate::transport::http1::decoder::{Decoded, Decoder};
use crate::transport::http1::{ReadError, Wire};
use crate::transport::watch::Watch;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Bytes of a body that nobody wants which are read all the same, so that the connection can stay.
const SPARED: usize = 64 << 10;

/// What both ends see.
#[derive(Default)]
struct Flow {
    piece: Option<Result<Frame<Bytes>, Fault>>,
    ended: bool,
    /// Whether the reader waits.
    wanted: bool,
    /// Whether there is no reader any more.
    unread: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

type Shared = Arc<Mutex<Flow>>;

fn lock(flow: &Shared) -> MutexGuard<'_, Flow> {
    flow.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers whom to wake.
fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

/// Wakes somebody else.
fn wake(place: &Option<Waker>, cx: &Context<'_>) {
    if let Some(waker) = place
        && !waker.will_wake(cx.waker())
    {
        waker.wake_by_ref();
    }
}

/// The connection's end.
pub(super) struct Intake {
    flow: Shared,
    decoder: Decoder,
    watch: Arc<Watch>,
    /// Whether the client waits to be told to go on.
    expects: bool,
    /// Bytes that may still come.
    room: u64,
    /// Bytes that may still be read if nobody wants them.
    spared: usize,
    broken: bool,
}

/// What came of looking after a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Its reader has something new to look at.
    Moved,
    /// There is nothing to do.
    Still,
    /// The client has gone.
    Gone,
}

impl Intake {
    /// For a body that has not arrived yet, with the end for its reader.
    pub(super) fn new(decoder: Decoder, expects: bool, room: u64, slot: &Slot) -> (Self, Body) {
        let flow = Shared::default();
        let body = Arriving { flow: flow.clone(), left: decoder.left(), ended: false };
        let watch = slot.sweep.watch();
        (Self { flow, decoder, watch, expects, room, spared: SPARED, broken: false }, Body::new(body))
    }

    /// Whether all of it has been read off the connection.
    pub(super) fn is_ended(&self) -> bool {
        self.decoder.is_ended() && !self.broken
    }

    /// Whether nobody will read what is left of it.
    pub(super) fn is_unread(&self) -> bool {
        self.broken || lock(&self.flow).unread
    }

    /// The answer begins: it is too late for `100 Continue`, which would be taken for a part of it.
    pub(super) fn answered(&mut self) {
        self.expects = false;
    }

    /// Reads what the reader waits for.
    pub(super) fn poll<T>(&mut self, cx: &mut Context<'_>, wire: &mut Wire<T>, slot: &Slot) -> Turn
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        {
            let mut flow = lock(&self.flow);
            remember(&mut flow.connection, cx);
            if flow.unread || flow.ended || !flow.wanted || flow.piece.is_some() || self.broken {
                return Turn::Still;
            }
        }
        if std::mem::take(&mut self.expects) && wire.write(cx, CONTINUE, Bytes::new(), b"").is_err() {
            return Turn::Gone;
        }
        let piece = match wire.poll_body(cx, &mut self.decoder) {
            Poll::Ready(Ok(Decoded::Data(data))) => match self.room.checked_sub(data.len() as u64) {
                Some(room) => {
                    self.room = room;
                    Some(Ok(Frame::data(data)))
                }
                None => Some(Err(Fault::new(fault::BODY_TOO_LARGE))),
            },
            Poll::Ready(Ok(Decoded::Trailers(trailers))) => Some(Ok(Frame::trailers(trailers))),
            Poll::Ready(Ok(Decoded::End)) => None,
            Poll::Ready(Err(ReadError::Io(_))) => return Turn::Gone,
            Poll::Ready(Err(_)) => {
                slot.set_ambiguous();
                let unclear = "The body is framed in a way that can be read in two ways";
                Some(Err(Fault::new(fault::BAD_REQUEST).because(unclear)))
            }
            Poll::Pending if self.watch.is_expired() => {
                Some(Err(Fault::new(fault::REQUEST_TIMEOUT).because("The body did not arrive in time")))
            }
            Poll::Pending => {
                self.watch.arm(slot.body_by());
                self.watch.register(cx.waker());
                return Turn::Still;
            }
        };
        self.watch.disarm();
        self.broken = matches!(piece, Some(Err(_)));
        // The end is told with the last piece if it is known by then, which spares its reader a turn.
        wire.pass_end(&mut self.decoder);
        let mut flow = lock(&self.flow);
        flow.ended = self.broken || self.decoder.is_ended();
        flow.piece = piece;
        flow.wanted = false;
        wake(&flow.reader, cx);
        Turn::Moved
    }

    /// Reads and forgets what has arrived of a body that nobody wants; whether that is all of it.
    pub(super) fn skip<T>(&mut self, cx: &mut Context<'_>, wire: &mut Wire<T>) -> bool
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // Who waits for a `100 Continue` has sent nothing.
        while !self.broken && !self.expects {
            match wire.poll_body(cx, &mut self.decoder) {
                Poll::Ready(Ok(Decoded::Data(data))) => match self.spared.checked_sub(data.len()) {
                    Some(spared) => self.spared = spared,
                    None => self.broken = true,
                },
                Poll::Ready(Ok(Decoded::Trailers(_))) => {}
                Poll::Ready(Ok(Decoded::End)) => return true,
                Poll::Ready(Err(_)) => self.broken = true,
                Poll::Pending => break,
            }
        }
        self.is_ended()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let mut flow = lock(&self.flow);
        if !flow.ended {
            flow.ended = true;
            flow.piece = Some(Err(Fault::new(fault::BAD_REQUEST).because("The client has gone")));
        }
        if let Some(reader) = flow.reader.take() {
            reader.wake();
        }
    }
}

/// The reader's end.
struct Arriving {
    flow: Shared,
    left: Option<u64>,
    ended: bool,
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut flow = lock(&this.flow);
        let piece = flow.piece.take();
        if piece.is_none() && !flow.ended {
            flow.wanted = true;
            remember(&mut flow.reader, cx);
            wake(&flow.connection, cx);
            return Poll::Pending;
        }
        this.ended = flow.ended;
        if let (Some(Ok(frame)), Some(left)) = (&piece, &mut this.left) {
            *left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut flow = lock(&self.flow);
        flow.unread = true;
        if let Some(connection) = flow.connection.take() {
            connection.wake();
        }
    }
}
