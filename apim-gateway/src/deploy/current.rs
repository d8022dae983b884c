//! The view that requests begin with now.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

use apim_core::{Claims, PerWorker, Worker};
use arc_swap::{ArcSwap, Guard};

use super::view::{Pinned, View};
use crate::auth::{KeySet, Trust};

/// Holds the present view; a change swaps it, and whoever looks next sees the new one.
#[derive(Clone)]
pub struct Current(Arc<Inner>);

struct Inner {
    view: ArcSwap<View>,
    /// How many views there have been. To look at a number costs a tenth of looking at the view itself.
    turn: AtomicU64,
    held: PerWorker<Held>,
}

/// What a worker's requests hold, and since which turn.
struct Held {
    turn: u64,
    view: Arc<Pinned>,
}

impl Current {
    /// An empty view, for so many workers.
    pub fn new(workers: usize) -> Self {
        let view = Arc::new(View::default());
        let held = PerWorker::new(workers, || Held { turn: 0, view: Arc::new(Pinned(view.clone())) });
        Self(Arc::new(Inner { view: ArcSwap::new(view), turn: AtomicU64::new(0), held }))
    }

    /// The present view, for a look.
    pub fn load(&self) -> Guard<Arc<View>> {
        self.0.view.load()
    }

    /// The present view as this worker's requests hold it: behind a count that is the worker's own.
    pub(crate) fn pin(&self, worker: Worker) -> Arc<Pinned> {
        // Read before the view, so that a view is never taken for that of a later turn.
        let turn = self.0.turn.load(Acquire);
        let mut held = self.0.held.of(worker);
        if held.turn != turn {
            *held = Held { turn, view: Arc::new(Pinned(self.0.view.load_full())) };
        }
        held.view.clone()
    }

    /// Swaps the view; answers the former one, whose last owner should be whoever deploys.
    pub(super) fn swap(&self, view: Arc<View>) -> Arc<View> {
        let former = self.0.view.swap(view);
        self.0.turn.fetch_add(1, Release);
        former
    }
}

impl Trust for Current {
    fn key_set(&self, issuer: &str) -> Option<Arc<KeySet>> {
        self.load().key_managers().named(issuer).cloned()
    }

    fn revoked(&self, claims: &Claims) -> bool {
        self.load().revocations().cover(claims)
    }

    fn generation(&self) -> u64 {
        self.load().key_managers().generation()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Current({:?})", self.load().revision())
    }
}
