//! Ends upgraded connections from outside: when what they rest on is gone, or the server is.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// What a WebSocket is told when it ends (RFC 6455 section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Farewell {
    /// Whoever was talked to goes away.
    pub(crate) const fn leaving(reason: &'static str) -> Self {
        Self { code: 1001, reason }
    }

    /// The client may not go on.
    pub(crate) const fn refusing(reason: &'static str) -> Self {
        Self { code: 1008, reason }
    }
}

/// By this an upgraded connection is asked to end. It travels among the extensions of the request that asks for
/// the upgrade; whoever has a reason keeps a [`Weak`] one.
#[derive(Clone, Default)]
pub(crate) struct End(Arc<Asked>);

#[derive(Default)]
pub(crate) struct Asked {
    farewell: OnceLock<Farewell>,
    waker: AtomicWaker,
}

impl End {
    /// To hold on to without holding the connection.
    pub(crate) fn weak(&self) -> Weak<Asked> {
        Arc::downgrade(&self.0)
    }

    /// Asks the connection to end. Only the first farewell counts.
    pub(crate) fn ask(&self, farewell: Farewell) {
        self.0.ask(farewell);
    }

    /// What the connection is asked to end with, once it is.
    pub(crate) async fn asked(&self) -> Farewell {
        std::future::poll_fn(|cx| {
            self.0.waker.register(cx.waker());
            self.0.farewell.get().map_or(Poll::Pending, |farewell| Poll::Ready(*farewell))
        })
        .await
    }
}

impl Asked {
    /// See [`End::ask`].
    pub(crate) fn ask(&self, farewell: Farewell) {
        if self.farewell.set(farewell).is_ok() {
            self.waker.wake();
        }
    }
}

/// The upgraded connections of a worker, to be ended together.
#[derive(Default)]
pub(crate) struct Ends(Mutex<All>);

#[derive(Default)]
struct All {
    ends: Vec<Weak<Asked>>,
    /// With what those are to end that come too late.
    asked: Option<Farewell>,
}

impl Ends {
    /// One more, which is about to begin.
    pub(crate) fn begin(&self) -> End {
        let end = End::default();
        let All { ends, asked } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(farewell) = asked {
            end.ask(*farewell);
            return end;
        }
        if ends.len() == ends.capacity() {
            ends.retain(|end| end.strong_count() > 0);
        }
        ends.push(end.weak());
        end
    }

    /// Asks all of them, and all that are to come.
    pub(crate) fn ask(&self, farewell: Farewell) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.asked = Some(farewell);
        std::mem::take(&mut all.ends).iter().filter_map(Weak::upgrade).for_each(|end| end.ask(farewell));
    }
}
