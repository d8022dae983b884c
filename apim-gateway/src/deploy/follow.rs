//! Follows a source of changes.

use std::sync::Arc;
use std::time::Duration;

use apim_core::event::{BusError, EventStream, Revision};
use apim_core::{Shutdown, SnapshotSource};
use futures_util::{FutureExt as _, StreamExt as _};

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
    tokio::select! {
        () = shutdown => {}
        () = run(deployer, &*source) => {}
    }
}

async fn run(deployer: &Deployer, source: &dyn SnapshotSource) {
    let mut wait = SHORTEST;
    let mut cursor = None;
    loop {
        let before = cursor;
        match advance(deployer, source, &mut cursor).await {
            Stopped::Broken => {}
            Stopped::TooOld => cursor = None,
        }
        if cursor > before {
            wait = SHORTEST;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
    }
}

async fn advance(deployer: &Deployer, source: &dyn SnapshotSource, cursor: &mut Option<Revision>) -> Stopped {
    let after = match *cursor {
        Some(after) => after,
        None => match source.snapshot().await {
            Ok(snapshot) => {
                let revision = deployer.load(snapshot).await.revision;
                *cursor = Some(revision);
                source.applied(revision).await;
                revision
            }
            Err(error) => return stopped("snapshot", error),
        },
    };
    match source.changes(after).await {
        Ok(stream) => drain(deployer, source, stream, cursor).await,
        Err(error) => stopped("changes", error),
    }
}

/// Applies what comes. What has come together is reported together.
async fn drain(
    deployer: &Deployer,
    source: &dyn SnapshotSource,
    mut stream: EventStream,
    cursor: &mut Option<Revision>,
) -> Stopped {
    let mut next = stream.next().await;
    loop {
        let event = match next {
            Some(Ok(event)) => event,
            Some(Err(error)) => return stopped("changes", error),
            None => return Stopped::Broken,
        };
        let expected = cursor.unwrap_or_default().next();
        if event.revision > expected {
            tracing::warn!(expected = expected.0, found = event.revision.0, "a change is missing");
            return Stopped::Broken;
        }
        if event.revision == expected {
            *cursor = Some(deployer.apply(event).await.revision);
        }
        next = match stream.next().now_or_never() {
            Some(next) => next,
            None => {
                source.applied(cursor.unwrap_or_default()).await;
                stream.next().await
            }
        };
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
