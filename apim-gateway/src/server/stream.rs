//! HTTP/2 streams, and clients that open no window for them.
//!
//! A client may ask for something large and never take it: flow control then stops its stream, and hyper
//! waits without a bound, the connection to the backend in its hand. TCP shows nothing of it, since the
//! client reads what little is sent. So each stream has a deadline of its own, and ends by it alone: another
//! stream of the connection may be a page whose video is paused.

use std::sync::Arc;

use hyper::rt::Executor;

use crate::transport::watch::{Sweep, Watch};

tokio::task_local! {
    /// The deadline of the stream whose task this is.
    static DEADLINE: Arc<Watch>;
}

/// The deadline for the client to take what was handed out last; none over HTTP/1.1, where the socket shows
/// that nothing is taken.
pub(super) fn deadline() -> Option<Arc<Watch>> {
    DEADLINE.try_with(Arc::clone).ok()
}

/// Runs hyper's streams, each until its deadline. Dropping one resets it.
#[derive(Debug, Clone)]
pub(super) struct Streams(Arc<Sweep>);

impl Streams {
    pub(super) fn new(sweep: Arc<Sweep>) -> Self {
        Self(sweep)
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let watch = self.0.watch();
        let stream = DEADLINE.scope(watch.clone(), stream);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = stream => {}
                () = std::future::poll_fn(|cx| watch.poll_expired(cx)) => {
                    tracing::debug!("a client took nothing of an answer for too long");
                }
            }
        });
    }
}
