//! How many connections there may be at once, over all workers.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

/// Counts connections over all workers: of a limit that they split between them, one could have used up its part
/// while others have room, since the system does not spread connections evenly. It is only touched when a connection
/// begins and ends.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    most: AtomicUsize,
    freed: Notify,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), most: AtomicUsize::new(most), freed: Notify::new() })
    }

    /// Allows another number. Those who have a place keep it.
    pub(super) fn limit(&self, most: usize) {
        self.most.store(most, SeqCst);
        self.freed.notify_waiters();
    }

    /// Takes one, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let most = self.most.load(SeqCst);
        let one_more = |taken: usize| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, one_more).ok().map(|_| Place(self.clone()))
    }

    /// Takes one as soon as one is free.
    pub(super) async fn wait(self: &Arc<Self>) -> Place {
        loop {
            let mut freed = pin!(self.freed.notified());
            // Listens before it looks, so that nothing is missed in between.
            freed.as_mut().enable();
            if let Some(place) = self.take() {
                return place;
            }
            freed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = self.0.taken.fetch_sub(1, SeqCst);
        if taken >= self.0.most.load(SeqCst) {
            self.0.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_waits_gets_the_place_that_becomes_free() {
        let places = Places::new(2);
        let (first, second) = (places.take().unwrap(), places.take().unwrap());
        assert!(places.take().is_none());
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        let third = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        assert!(places.take().is_none());
        drop((second, third));
        assert!(places.take().is_some());
    }

    #[tokio::test]
    async fn a_limit_that_is_raised_lets_in_and_one_that_is_lowered_throws_nobody_out() {
        let places = Places::new(1);
        let first = places.take().unwrap();
        places.limit(2);
        let second = places.wait().await;
        places.limit(1);
        drop(first);
        assert!(places.take().is_none());
        drop(second);
        assert!(places.take().is_some());
    }
}
