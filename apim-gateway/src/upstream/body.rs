//! Bodies on their way: the request's, which keeps its deadline moving, and the response's, which gives the
//! connection back when both have ended.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use apim_core::fault::{self, Fault};
use apim_core::{Body, BoxError};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::group::Busy;
use super::http1::H1;
use super::line::H2;
use super::pool::Own;
use super::relay::Relayed;
use super::target::Target;
use crate::transport::http1::decoder::Decoded;
use crate::transport::watch::{Sweep, Watch};

/// What the two bodies of one request over HTTP/2 must know of each other.
#[derive(Debug, Default)]
pub(super) struct Course(AtomicBool);

impl Course {
    /// The response's head has come; the deadline is its body's from now on.
    pub(super) fn answered(&self) {
        self.0.store(true, Relaxed);
    }

    fn is_answered(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A request's body over HTTP/2. As long as it makes progress, the wait for the response has not begun.
pub(super) struct Upload {
    body: Body,
    progress: Option<Progress>,
}

struct Progress {
    watch: Arc<Watch>,
    course: Arc<Course>,
    sweep: Arc<Sweep>,
    wait: Duration,
}

impl Upload {
    /// With a deadline to move. A body in memory leaves at once and moves nothing.
    pub(super) fn new(body: Body, line: &H2, sweep: &Arc<Sweep>, wait: Duration) -> Self {
        let progress = body.is_stream().then(|| Progress {
            watch: line.watch.clone(),
            course: line.course.clone(),
            sweep: sweep.clone(),
            wait,
        });
        Self { body, progress }
    }

    pub(super) fn into_body(self) -> Body {
        self.body
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(progress) = &self.progress
            && frame.is_ready()
            && !progress.course.is_answered()
        {
            progress.watch.arm(progress.sweep.after(progress.wait));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response whose head has been read, on its connection.
pub(super) enum Rest {
    H1(Box<H1>),
    H2(Incoming, Box<H2>),
}

impl Rest {
    fn watch(&self) -> &Arc<Watch> {
        match self {
            Self::H1(line) => &line.watch,
            Self::H2(_, line) => &line.watch,
        }
    }

    /// Whether the rest of the request is sent by whoever reads the response.
    fn is_uploading(&self) -> bool {
        matches!(self, Self::H1(line) if line.is_uploading())
    }

    fn is_ended(&self) -> bool {
        match self {
            Self::H1(line) => line.is_read(),
            Self::H2(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::H1(line) => line.poll_piece(cx).map(|piece| match piece {
                Ok(Decoded::Data(data)) => Some(Ok(Frame::data(data))),
                Ok(Decoded::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Ok(Decoded::End) => None,
                Err(error) => Some(Err(error)),
            }),
            Self::H2(incoming, _) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
        }
    }

    /// Gives the connection back, or as much of it as was the response's. `busy` ends when the last byte has come.
    fn give_back(self, own: &Own, target: &Target) {
        match self {
            Self::H1(line) => give_back(line, own, target),
            // A share in a connection is given back by dropping it.
            Self::H2(..) => {}
        }
    }
}

/// A response's body.
pub(super) struct Download {
    /// Until it has been given back.
    rest: Option<Rest>,
    own: Arc<Own>,
    target: Arc<Target>,
    /// Where requests in hand are counted.
    busy: Option<Busy>,
}

impl Download {
    /// Takes a response's body. One that is there already gives its connection back at once and is not boxed.
    pub(super) fn body(rest: Rest, own: &Arc<Own>, target: &Arc<Target>, busy: Option<Busy>) -> Body {
        let mut rest = rest;
        let whole = match &mut rest {
            Rest::H1(line) => line.whole(),
            Rest::H2(incoming, _) => incoming.is_end_stream().then(Bytes::new),
        };
        match whole {
            Some(whole) => {
                rest.give_back(own, target);
                whole.into()
            }
            None => {
                let uploads = rest.is_uploading();
                let download = Self { rest: Some(rest), own: own.clone(), target: target.clone(), busy };
                if uploads { Body::new(Relayed::new(download)) } else { Body::new(download) }
            }
        }
    }

    /// Sends what there is of the rest of the request, while the response is not read.
    pub(super) fn upload(&mut self, cx: &mut Context<'_>) -> Result<(), BoxError> {
        match &mut self.rest {
            Some(Rest::H1(line)) => line.upload(cx),
            _ => Ok(()),
        }
    }

    fn ended(&mut self) {
        self.busy = None;
        if let Some(rest) = self.rest.take() {
            rest.watch().disarm();
            rest.give_back(&self.own, &self.target);
        }
    }

    fn stalled(&mut self) -> Fault {
        self.rest = None;
        let patience = self.target.body_timeout;
        let detail = format!("{} sent nothing more for {patience:?}", self.target.destination);
        Fault::new(fault::BACKEND_TIMEOUT).detail(detail)
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let frame = rest.poll_piece(cx);
        let watch = rest.watch();
        match &frame {
            Poll::Pending if watch.is_expired() => {
                return Poll::Ready(Some(Err(this.stalled().into())));
            }
            Poll::Pending => {
                watch.arm(this.own.sweep.after(this.target.body_timeout));
                watch.register(cx.waker());
            }
            Poll::Ready(Some(Ok(_))) if rest.is_ended() => this.ended(),
            Poll::Ready(Some(Ok(_))) => watch.disarm(),
            Poll::Ready(None) => this.ended(),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, backend = %this.target.destination, "a response broke off");
                this.rest = None;
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            None => SizeHint::with_exact(0),
            Some(Rest::H1(line)) => line.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            Some(Rest::H2(incoming, _)) => incoming.size_hint(),
        }
    }
}

/// Lays a connection by for the next request. One that still carries the request's body up is of no use to anybody
/// else; it has as long to end as a connection may rest.
fn give_back(mut line: Box<H1>, own: &Own, target: &Target) {
    let rest = own.settings.idle_timeout;
    if line.is_free() {
        target.pool.give_back(line, own.sweep.after(rest), rest);
    } else if line.is_uploading() {
        tokio::spawn(tokio::time::timeout(rest, async move {
            let _ = std::future::poll_fn(|cx| line.poll_upload(cx, None)).await;
        }));
    }
}
