//! Change for a reader in this process: the outbox, with a nudge.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apim_core::event::{BusError, Event, EventStream, Revision};
use apim_core::explanation::QuestionStream;
use apim_core::{Explanation, Snapshot, SnapshotSource};
use async_trait::async_trait;
use futures_util::stream;
use tokio::sync::watch;

use super::gateways::Following;
use crate::db::outbox;
use crate::error::Error;
use crate::store::Store;

/// How often the table is read without a nudge: other control-plane nodes may have written to it.
const POLL: Duration = Duration::from_millis(500);

/// What one gateway reads from.
pub(crate) struct Source {
    store: Store,
    name: Arc<str>,
}

impl Source {
    /// For a gateway in this process.
    pub(crate) fn new(store: Store) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::named(store, format!("in-process-{number}").into())
    }

    /// For a gateway that has a name.
    pub(crate) fn named(store: Store, name: Arc<str>) -> Self {
        Self { store, name }
    }
}

#[async_trait]
impl SnapshotSource for Source {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        outbox::snapshot(&self.store).await.map_err(broken)
    }

    async fn changes(&self, after: Revision) -> Result<EventStream, BusError> {
        let nudges = self.store.watch();
        let head = outbox::head(&self.store).await.map_err(broken)?;
        // A cursor from the future belongs to another database, or to one that was restored since.
        if after < head.pruned || after > head.revision {
            return Err(BusError::TooOld(after));
        }
        let following = self.store.gateways().follow(&self.name);
        let tail = Tail {
            store: self.store.clone(),
            cursor: after,
            batch: VecDeque::new(),
            nudges,
            _following: following,
        };
        Ok(Box::pin(stream::unfold(Some(tail), |tail| async {
            let mut tail = tail?;
            match tail.next().await {
                Ok(event) => Some((Ok(event), Some(tail))),
                Err(error) => Some((Err(error), None)),
            }
        })))
    }

    async fn applied(&self, revision: Revision) {
        self.store.gateways().report(&self.name, revision);
    }

    async fn questions(&self) -> Result<QuestionStream, BusError> {
        Ok(Box::pin(self.store.questions().listen()))
    }

    async fn answer(&self, question: u64, found: Option<Explanation>) {
        self.store.questions().answer(question, &self.name, found);
    }
}

/// Where a reader stands.
struct Tail {
    store: Store,
    cursor: Revision,
    batch: VecDeque<Event>,
    nudges: watch::Receiver<Revision>,
    _following: Following,
}

impl Tail {
    async fn next(&mut self) -> Result<Event, BusError> {
        loop {
            if let Some(event) = self.batch.pop_front() {
                if event.revision != self.cursor.next() {
                    // They were pruned while the reader dawdled.
                    return Err(BusError::TooOld(self.cursor));
                }
                self.cursor = event.revision;
                return Ok(event);
            }
            // Marked before reading, so that a commit in between wakes us at once.
            self.nudges.borrow_and_update();
            self.batch = outbox::after(&self.store, self.cursor).await.map_err(broken)?.into();
            if self.batch.is_empty() {
                let _ = tokio::time::timeout(POLL, self.nudges.changed()).await;
            }
        }
    }
}

fn broken(error: Error) -> BusError {
    BusError::Broken(error.into())
}
