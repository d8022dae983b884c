//! The body of an answer on its way out.

use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use apim_core::fault::{Blame, Fault};
use apim_core::{Answer, Body, BoxError, Context, unwind};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

/// An answer's body together with the request's context.
///
/// It counts what leaves. Dropping it drops the context, which is how everybody learns that the request has
/// ended, whether its last byte has left or the client has gone.
pub struct Sent {
    body: Body,
    context: Box<Context>,
}

impl Sent {
    pub(crate) fn respond(answer: Answer) -> Response<Self> {
        let (message, mut context) = answer.into_parts();
        let (head, body) = message.into_parts(&context.formats);
        context.status = Some(head.status);
        if let Some(fault) = &context.fault {
            tell(fault, &context);
        }
        // Nobody asks for these bodies, so nobody will see them end.
        let silent = context.method == Method::HEAD
            || head.status.is_informational()
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        context.finished = silent || body.is_end_stream();
        Response::from_parts(head, Self { body, context })
    }

    /// What is known of the request.
    pub fn context(&self) -> &Context {
        &self.context
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
                tracing::warn!(id = %this.context.request_id, %panicked, "an answer's body broke off");
                return Poll::Ready(Some(Err(panicked.into())));
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                this.context.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.context.finished = this.body.is_end_stream();
            }
            Some(Err(_)) => {}
            None => this.context.finished = true,
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

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("body", &self.body).field("context", &self.context).finish()
    }
}
