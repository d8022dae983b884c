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
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::group::Busy;
use super::line::{H1, Line};
use super::pool::Own;
use super::target::Target;
use crate::transport::watch::{Sweep, Watch};

/// What the two bodies of one request must know of each other.
#[derive(Debug, Default)]
pub(super) struct Course {
    uploading: AtomicBool,
    answered: AtomicBool,
    held_up: AtomicBool,
}

impl Course {
    /// The response's head has come; the deadline is its body's from now on.
    pub(super) fn answered(&self) {
        self.answered.store(true, Relaxed);
    }

    /// Whether the request's body is still going up, or its last bytes wait for the backend to take them. A
    /// backend may have answered without waiting for either.
    pub(super) fn is_uploading(&self) -> bool {
        self.uploading.load(Relaxed) || self.held_up.load(Relaxed)
    }

    /// Whether what was to be written could not be.
    pub(super) fn held_up(&self, held_up: bool) {
        self.held_up.store(held_up, Relaxed);
    }
}

/// A request's body. As long as it makes progress, the wait for the response has not begun.
pub(super) struct Upload {
    body: Body,
    progress: Option<Progress>,
    going: Going,
}

struct Progress {
    watch: Arc<Watch>,
    sweep: Arc<Sweep>,
    wait: Duration,
}

/// Says that a body goes up until hyper drops it, which it does when it has taken the last piece.
struct Going(Arc<Course>);

impl Going {
    fn begin(course: &Arc<Course>) -> Self {
        course.uploading.store(true, Relaxed);
        course.answered.store(false, Relaxed);
        Self(course.clone())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.0.uploading.store(false, Relaxed);
    }
}

impl Upload {
    /// With a deadline to move. A body in memory leaves at once and moves nothing.
    pub(super) fn new(body: Body, line: &Line, sweep: &Arc<Sweep>, wait: Duration) -> Self {
        let progress =
            body.is_stream().then(|| Progress { watch: line.watch().clone(), sweep: sweep.clone(), wait });
        Self { body, progress, going: Going::begin(line.course()) }
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
            && !self.going.0.answered.load(Relaxed)
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

/// A response's body.
pub(super) struct Download {
    incoming: Incoming,
    /// Until it has been given back.
    line: Option<Line>,
    watch: Arc<Watch>,
    own: Arc<Own>,
    target: Arc<Target>,
    /// Where requests in hand are counted.
    busy: Option<Busy>,
}

impl Download {
    /// Takes a response's body. One that is empty gives its connection back at once and is not boxed.
    pub(super) fn body(
        incoming: Incoming,
        line: Line,
        own: &Arc<Own>,
        target: &Arc<Target>,
        busy: Option<Busy>,
    ) -> Body {
        if http_body::Body::is_end_stream(&incoming) {
            give_back(line, own, target);
            return Body::empty();
        }
        let watch = line.watch().clone();
        Body::new(Self { incoming, line: Some(line), watch, own: own.clone(), target: target.clone(), busy })
    }

    fn ended(&mut self) {
        self.watch.disarm();
        self.busy = None;
        if let Some(line) = self.line.take() {
            give_back(line, &self.own, &self.target);
        }
    }

    fn stalled(&mut self) -> Fault {
        self.line = None;
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
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        match &frame {
            Poll::Pending if self.watch.is_expired() => {
                return Poll::Ready(Some(Err(self.stalled().into())));
            }
            Poll::Pending => {
                self.watch.arm(self.own.sweep.after(self.target.body_timeout));
                self.watch.register(cx.waker());
            }
            Poll::Ready(Some(Ok(_))) if self.incoming.is_end_stream() => self.ended(),
            Poll::Ready(Some(Ok(_))) => self.watch.disarm(),
            Poll::Ready(None) => self.ended(),
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, backend = %self.target.destination, "a response broke off");
                self.line = None;
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

fn give_back(line: Line, own: &Own, target: &Target) {
    // A share in an HTTP/2 connection is given back by dropping it.
    if let Line::H1(line) = line {
        let line: H1 = line.used();
        target.pool.give_back(line, own.sweep.after(own.settings.idle_timeout));
    }
}
