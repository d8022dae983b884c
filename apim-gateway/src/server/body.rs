//! Bodies of a connection: the client's, which may stall, and the answer's, which says when it has left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use apim_core::fault::{self, Fault};
use apim_core::{Body, BoxError};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::reply::Reply;
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
    /// Until what was handed out of the answer has been taken: who sends may take it later.
    taken: Option<Arc<Watch>>,
}

impl Received {
    /// Takes a request's body; a body that is empty is not boxed.
    pub(super) fn body(incoming: Incoming, slot: &Arc<Slot>, room: u64) -> Body {
        if http_body::Body::is_end_stream(&incoming) {
            return Body::empty();
        }
        let (watch, slot) = (slot.sweep.watch(), slot.clone());
        Body::new(Self { incoming, watch, slot, room, taken: stream::deadline() })
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
            if let Some(taken) = &self.taken {
                taken.postpone(self.slot.taken_by());
            }
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

/// An answer on its way to its client: the service's, or the server's own few words.
pub(super) struct Leaving<R> {
    kind: Kind<R>,
    /// Until what was handed out has been taken, over HTTP/2: hyper asks for more when it has.
    taken: Option<Arc<Watch>>,
    flight: Flight,
}

enum Kind<R> {
    Served(R),
    Words(Box<Response<Full<Bytes>>>),
}

impl<R: Reply> Leaving<R> {
    pub(super) fn served(reply: R, flight: Flight) -> Self {
        Self { kind: Kind::Served(reply), taken: stream::deadline(), flight }
    }

    pub(super) fn words(status: StatusCode, words: &'static str, flight: Flight) -> Self {
        let mut response = Response::new(Full::from(words));
        *response.status_mut() = status;
        Self { kind: Kind::Words(Box::new(response)), taken: stream::deadline(), flight }
    }

    pub(super) fn status(&self) -> StatusCode {
        match &self.kind {
            Kind::Served(reply) => reply.status(),
            Kind::Words(words) => words.status(),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        match &self.kind {
            Kind::Served(reply) => reply.headers(),
            Kind::Words(words) => words.headers(),
        }
    }

    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        match &mut self.kind {
            Kind::Served(reply) => reply.headers_mut(),
            Kind::Words(words) => words.headers_mut(),
        }
    }

    /// With its head apart, as hyper wants it.
    pub(super) fn into_response(mut self) -> Response<Self> {
        let head = match &mut self.kind {
            Kind::Served(reply) => reply.take_head(),
            Kind::Words(words) => words.take_head(),
        };
        Response::from_parts(head, self)
    }
}

impl<R: Reply> http_body::Body for Leaving<R> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match &mut self.kind {
            Kind::Served(reply) => Pin::new(reply).poll_frame(cx).map_err(Into::into),
            Kind::Words(words) => Pin::new(words.body_mut()).poll_frame(cx).map_err(Into::into),
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
            Kind::Served(reply) => reply.is_end_stream(),
            Kind::Words(words) => words.body().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Served(reply) => reply.size_hint(),
            Kind::Words(words) => words.body().size_hint(),
        }
    }
}
