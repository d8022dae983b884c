//! The body of an answer on its way out.

use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use apim_core::fault::{Blame, Fault};
use apim_core::{Answer, Body, BoxError, Context, unwind};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, response};
use http_body::{Body as _, Frame, SizeHint};

use crate::server::Reply;

/// An answer on its way out: its body, and what is known of the request.
///
/// It counts what leaves. Dropping it is how everybody learns that the request has ended, whether its last byte
/// has left or the client has gone.
pub struct Sent {
    body: Body,
    answer: Answer,
}

impl Sent {
    pub(crate) fn of(mut answer: Answer) -> Self {
        let body = answer.take_body();
        let status = answer.status();
        let context = answer.context_mut();
        context.status = Some(status);
        if let Some(fault) = &context.fault {
            tell(fault, context);
        }
        // Nobody asks for these bodies, so nobody will see them end.
        let silent = context.method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        context.finished = silent || body.is_end_stream();
        Self { body, answer }
    }

    /// With its head apart, as everybody but our own server wants it.
    pub(crate) fn into_response(mut self) -> Response<Self> {
        Response::from_parts(self.answer.take_head(), self)
    }

    /// What is known of the request.
    pub fn context(&self) -> &Context {
        self.answer.context()
    }
}

/// Tells the operator what the caller is not told. What callers do wrong is not worth waking anybody, and
/// must not fill disks.
fn tell(fault: &Fault, context: &Context) {
    let (id, handler) = (context.request_id, context.answered_by.unwrap_or("gateway"));
    let cause = fault.source().map(tracing::field::display);
    if fault.blame() == Blame::Client {
        tracing::debug!(%id, handler, %fault, cause, "refused");
    } else {
        tracing::warn!(%id, handler, %fault, cause, "failed");
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = match unwind::call(|| Pin::new(&mut this.body).poll_frame(cx)) {
            Ok(frame) => std::task::ready!(frame),
            // The head has left, so there is no other answer any more than to break off. Other requests on the
            // connection go on.
            Err(panicked) => {
                this.body = Body::empty();
                tracing::warn!(id = %this.context().request_id, %panicked, "an answer's body broke off");
                return Poll::Ready(Some(Err(panicked.into())));
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                let context = this.answer.context_mut();
                context.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                context.finished = this.body.is_end_stream();
            }
            Some(Err(_)) => {}
            None => this.answer.context_mut().finished = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Reply for Sent {
    fn status(&self) -> StatusCode {
        self.answer.status()
    }

    fn set_status(&mut self, status: StatusCode) {
        self.answer.head_mut().status = status;
    }

    fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.answer.headers_mut()
    }

    fn take_head(&mut self) -> response::Parts {
        self.answer.take_head()
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("body", &self.body).field("context", self.context()).finish()
    }
}
