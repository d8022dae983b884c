//! Follows a source of changes.

use std::sync::Arc;
use std::time::Duration;

use apim_core::event::{BusError, EventStream, Revision};
use apim_core::{Shutdown, SnapshotSource};
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Deployer;

/// The first wait after a failure; each further one is twice as long, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(10);

/// Why following went no further.
enum Stopped {
    /// Ask again for the changes from the cursor on.
    Broken,
    /// The changes from the cursor on are gone.
    TooOld,
}

/// Loads a snapshot, then applies each change after it, until shutdown. A broken stream is taken up again
/// where it broke; only when that is no longer possible a new snapshot is loaded. Whatever happens, what is
/// in force stays in force.
pub(crate) async fn follow(deployer: &Deployer, source: Arc<dyn SnapshotSource>, shutdown: Shutdown) {
    let (in_force, reports) = watch::channel(Revision::default());
    let follower = Follower { deployer, source: &*source, cursor: None, in_force, wait: SHORTEST };
    tokio::select! {
        () = shutdown => {}
        () = follower.run() => {}
        () = report(&*source, reports) => {}
    }
}

/// Tells the source what is in force, beside the following: a source that is slow to listen, or never comes
/// to an end of it, holds up no change. Of what has come into force meanwhile only the last is told.
async fn report(source: &dyn SnapshotSource, mut in_force: watch::Receiver<Revision>) {
    while in_force.changed().await.is_ok() {
        let revision = *in_force.borrow_and_update();
        source.applied(revision).await;
    }
}

struct Follower<'a> {
    deployer: &'a Deployer,
    source: &'a dyn SnapshotSource,
    /// The last change that is in force; none before the first snapshot.
    cursor: Option<Revision>,
    in_force: watch::Sender<Revision>,
    /// Until the source is asked again.
    wait: Duration,
}

impl Follower<'_> {
    async fn run(mut self) {
        loop {
            let before = self.cursor;
            match self.advance().await {
                Stopped::Broken => {}
                Stopped::TooOld => self.cursor = None,
            }
            if self.cursor > before {
                self.wait = SHORTEST;
            }
            tokio::time::sleep(self.wait).await;
            self.wait = (self.wait * 2).min(LONGEST);
        }
    }

    async fn advance(&mut self) -> Stopped {
        let after = match self.cursor {
            Some(after) => after,
            None => match self.source.snapshot().await {
                Ok(snapshot) => {
                    let revision = self.deployer.load(snapshot).await.revision;
                    self.stands_at(revision);
                    revision
                }
                Err(error) => return stopped("snapshot", error),
            },
        };
        let stream = match self.source.changes(after).await {
            Ok(stream) => stream,
            Err(error) => return stopped("changes", error),
        };
        let opened = Instant::now();
        let stopped = self.drain(stream).await;
        // A stream that stood for a while was a good one, even if there was nothing to say. One that breaks
        // sooner than it was waited for is no reason to come back faster.
        if opened.elapsed() > self.wait {
            self.wait = SHORTEST;
        }
        stopped
    }

    /// Applies what comes.
    async fn drain(&mut self, mut stream: EventStream) -> Stopped {
        loop {
            let event = match stream.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) => return stopped("changes", error),
                None => return Stopped::Broken,
            };
            let expected = self.cursor.unwrap_or_default().next();
            if event.revision > expected {
                tracing::warn!(expected = expected.0, found = event.revision.0, "a change is missing");
                return Stopped::Broken;
            }
            if event.revision == expected {
                let revision = self.deployer.apply(event).await.revision;
                self.stands_at(revision);
            }
        }
    }

    fn stands_at(&mut self, revision: Revision) {
        self.cursor = Some(revision);
        self.in_force.send_replace(revision);
    }
}

fn stopped(what: &'static str, error: BusError) -> Stopped {
    tracing::warn!(
        what,
        error = &error as &dyn std::error::Error,
        "the control plane cannot be followed now"
    );
    match error {
        BusError::TooOld(_) => Stopped::TooOld,
        _ => Stopped::Broken,
    }
}
