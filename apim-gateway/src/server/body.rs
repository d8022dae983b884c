//! Bodies of a connection: the client's, which may stall, and the answer's, which says when it has left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use apim_core::fault::{self, Fault};
use apim_core::{Body, BoxError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::socket::Slot;
use super::stream;
use crate::transport::watch::Watch;

/// A request's body. If nothing comes for a while it fails with a [`Fault`], which the upstream answers.
pub(super) struct Received {
    incoming: Incoming,
    watch: Arc<Watch>,
    slot: Arc<Slot>,
    /// Bytes that may still come.
    room: u64,
}

impl Received {
    /// Takes a request's body; a body that is empty is not boxed.
    pub(super) fn body(incoming: Incoming, slot: &Arc<Slot>, room: u64) -> Body {
        if http_body::Body::is_end_stream(&incoming) {
            return Body::empty();
        }
        Body::new(Self { incoming, watch: slot.sweep.watch(), slot: slot.clone(), room })
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending() {
            if self.watch.is_expired() {
                let slow = Fault::new(fault::REQUEST_TIMEOUT).because("The body did not arrive in time");
                return Poll::Ready(Some(Err(slow.into())));
            }
            self.watch.arm(self.slot.body_by());
            self.watch.register(cx.waker());
        } else {
            self.watch.disarm();
        }
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            match self.room.checked_sub(data.len() as u64) {
                Some(room) => self.room = room,
                None => return Poll::Ready(Some(Err(Fault::new(fault::BODY_TOO_LARGE).into()))),
            }
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A request in flight on a connection, until this is dropped.
pub(super) struct Flight(Arc<Slot>);

impl Flight {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        slot.begin();
        Self(slot)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A stream that has become a WebSocket, until this is dropped: its connection stays, and no request waits.
pub(super) struct Tunnel(Arc<Slot>);

impl Tunnel {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        slot.stay();
        Self(slot)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// The body of an answer: the service's, or the server's own few words.
pub(super) struct Leaving<B> {
    kind: Kind<B>,
    /// Until what was handed out has been taken, over HTTP/2: hyper asks for more when it has.
    taken: Option<Arc<Watch>>,
    flight: Flight,
}

enum Kind<B> {
    Served(B),
    Words(Option<Bytes>),
}

impl<B> Leaving<B> {
    pub(super) fn served(body: B, flight: Flight) -> Self {
        Self { kind: Kind::Served(body), taken: stream::deadline(), flight }
    }

    pub(super) fn words(words: &'static str, flight: Flight) -> Self {
        let words = Bytes::from_static(words.as_bytes());
        Self { kind: Kind::Words(Some(words)), taken: stream::deadline(), flight }
    }
}

impl<B> http_body::Body for Leaving<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match &mut self.kind {
            Kind::Served(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Words(words) => Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
        };
        if let Some(taken) = &self.taken {
            match &frame {
                Poll::Ready(Some(_)) => taken.arm(self.flight.0.taken_by()),
                _ => taken.disarm(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Served(body) => body.is_end_stream(),
            Kind::Words(words) => words.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Served(body) => body.size_hint(),
            Kind::Words(words) => SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64)),
        }
    }
}
