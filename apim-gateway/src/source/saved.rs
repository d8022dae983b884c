//! A source that is remembered on disk.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use apim_core::explanation::QuestionStream;
use apim_core::{BusError, Clock, Event, EventStream, Explanation, Revision, Snapshot, SnapshotSource};
use async_trait::async_trait;
use futures_util::StreamExt as _;

use super::log::Log;

/// Another source, whose last state is kept in a folder.
///
/// While the other source is away it answers with what it kept, also after a restart. The gateway then asks
/// for the changes after that, again and again, and catches up with the first answer. A disk that fails is
/// reported and does not stop anything: what is served never depends on it.
pub struct Saved<S> {
    inner: S,
    kept: Arc<Mutex<Kept>>,
    clock: Arc<dyn Clock>,
}

struct Kept {
    log: Log,
    /// The state as of the last event seen; none before the first snapshot.
    state: Option<Snapshot>,
}

impl<S: SnapshotSource> Saved<S> {
    /// Keeps what `inner` says in `folder`, which is made if need be.
    pub fn new(inner: S, folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let kept = Kept { log: Log::new(folder.into()), state: None };
        Self { inner, kept: Arc::new(Mutex::new(kept)), clock }
    }

    /// What was kept, from memory or disk.
    async fn last(&self) -> Option<Snapshot> {
        let now = self.clock.now();
        let last = blocking(&self.kept, |kept| {
            if kept.state.is_none() {
                kept.state = kept.log.load().unwrap_or_else(|error| {
                    tracing::error!(%error, folder = %kept.log.folder().display(), "the saved state cannot be read");
                    None
                });
            }
            kept.state.clone()
        });
        let mut last = last.await?;
        last.forget_expired(now);
        Some(last)
    }
}

#[async_trait]
impl<S: SnapshotSource> SnapshotSource for Saved<S> {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        match self.inner.snapshot().await {
            Ok(snapshot) => {
                let new = snapshot.clone();
                blocking(&self.kept, move |kept| kept.replace(new)).await;
                Ok(snapshot)
            }
            Err(error) => match self.last().await {
                Some(last) => {
                    tracing::warn!(
                        revision = last.revision().0, error = %chain(&error),
                        "the source is away; what was saved is served"
                    );
                    Ok(last)
                }
                None => Err(error),
            },
        }
    }

    async fn changes(&self, after: Revision) -> Result<EventStream, BusError> {
        let changes = self.inner.changes(after).await?;
        let kept = self.kept.clone();
        Ok(Box::pin(changes.then(move |event| {
            let kept = kept.clone();
            async move {
                let event = event?;
                let new = event.clone();
                blocking(&kept, move |kept| kept.add(new)).await;
                Ok(event)
            }
        })))
    }

    async fn applied(&self, revision: Revision) {
        self.inner.applied(revision).await;
    }

    async fn questions(&self) -> Result<QuestionStream, BusError> {
        self.inner.questions().await
    }

    async fn answer(&self, question: u64, found: Option<Explanation>) {
        self.inner.answer(question, found).await;
    }
}

impl Kept {
    fn replace(&mut self, snapshot: Snapshot) {
        if let Err(error) = self.log.replace(&snapshot) {
            self.log.lacks_something();
            tracing::error!(%error, folder = %self.log.folder().display(), "the state cannot be saved");
        }
        self.state = Some(snapshot);
    }

    fn add(&mut self, event: Event) {
        let Some(state) = &mut self.state else { return };
        if event.revision <= state.revision() {
            return;
        }
        let written = self.log.append(&event);
        state.apply(event);
        let written = written.and_then(|full| if full { self.log.replace(state) } else { Ok(()) });
        if let Err(error) = written {
            tracing::error!(%error, folder = %self.log.folder().display(), "a change cannot be saved");
        }
    }
}

/// Disks are slow, and workers must not wait for them.
async fn blocking<T: Default + Send + 'static>(
    kept: &Arc<Mutex<Kept>>,
    work: impl FnOnce(&mut Kept) -> T + Send + 'static,
) -> T {
    let kept = kept.clone();
    let work = move || work(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl<S> fmt::Debug for Saved<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").finish_non_exhaustive()
    }
}
