//! Looks on while a payload passes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use apim_core::{Body, BoxError, Worker};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::line::with_payload;
use crate::log::Log;

/// Bytes of a payload that are written.
const MOST: usize = 8 << 10;

/// Writes a line once the payload has passed, or as much of it as is written. One that is in memory stays there.
pub(super) fn watch(log: Arc<Log>, line: Vec<u8>, worker: Worker, body: Body) -> Body {
    let mut watched = Watched { body: Body::empty(), line, seen: Vec::new(), bytes: 0, log, worker };
    // A copy of what is in memory is a count, and is there at once.
    let whole = body.replay(usize::MAX).and_then(|copy| copy.collect().now_or_never());
    if let Some(Ok(whole)) = whole {
        watched.see(&whole.to_bytes());
        return body;
    }
    watched.body = body;
    Body::new(watched)
}

/// A body, and what has been seen of it.
struct Watched {
    body: Body,
    /// Empty once it is written.
    line: Vec<u8>,
    seen: Vec<u8>,
    bytes: u64,
    log: Arc<Log>,
    worker: Worker,
}

impl Watched {
    fn see(&mut self, data: &Bytes) {
        if self.line.is_empty() {
            return;
        }
        self.bytes += data.len() as u64;
        let room = MOST - self.seen.len();
        self.seen.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            self.write(true);
        }
    }

    fn write(&mut self, cut: bool) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            let line = with_payload(line, &self.seen, self.bytes, cut);
            self.log.line(self.worker, |page| page.extend_from_slice(&line));
            self.seen = Vec::new();
        }
    }
}

/// However it has ended: read whole, broken off, or never asked for.
impl Drop for Watched {
    fn drop(&mut self) {
        self.write(false);
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.see(data);
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.write(false);
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
