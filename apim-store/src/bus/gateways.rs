//! Which gateways follow this control plane, and how far each has come.
//!
//! Known is who has an open stream of changes on this node; a gateway that is away cannot be waited for, and
//! catches up when it returns. Nothing of this is kept on disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apim_core::event::Revision;
use tokio::sync::watch;

/// The gateways of this node.
pub(crate) struct Gateways {
    known: Mutex<BTreeMap<Arc<str>, Known>>,
    changed: watch::Sender<u64>,
}

impl Default for Gateways {
    fn default() -> Self {
        Self { known: Mutex::default(), changed: watch::channel(0).0 }
    }
}

#[derive(Default)]
struct Known {
    /// Open streams; a gateway that reconnects has two for a moment.
    streams: usize,
    applied: Revision,
}

/// How far the gateways have come with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Gateways that follow.
    pub(crate) live: usize,
    /// Those of them that have it in force.
    pub(crate) applied: usize,
}

impl Progress {
    fn done(self) -> bool {
        self.applied == self.live
    }
}

impl Gateways {
    /// Counts a gateway as live for as long as the guard is held.
    pub(crate) fn follow(self: &Arc<Self>, name: &Arc<str>) -> Following {
        self.with(|known| known.entry(name.clone()).or_default().streams += 1);
        Following { gateways: self.clone(), name: name.clone() }
    }

    /// A gateway says that every change up to a revision is in force there.
    pub(crate) fn report(&self, name: &str, revision: Revision) {
        self.with(|known| {
            if let Some(gateway) = known.get_mut(name) {
                gateway.applied = gateway.applied.max(revision);
            }
        });
    }

    /// How far they have come.
    pub(crate) fn progress(&self, revision: Revision) -> Progress {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = known.values().filter(|gateway| gateway.applied >= revision).count();
        Progress { live: known.len(), applied }
    }

    /// Waits until all have it in force, or the time is over.
    pub(crate) async fn wait(&self, revision: Revision, at_most: Duration) -> Progress {
        let mut changed = self.changed.subscribe();
        let all = async { while !self.progress(revision).done() && changed.changed().await.is_ok() {} };
        // Running out of time is an answer, too: the progress says who is missing.
        let _ = tokio::time::timeout(at_most, all).await;
        self.progress(revision)
    }

    fn with(&self, edit: impl FnOnce(&mut BTreeMap<Arc<str>, Known>)) {
        edit(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }
}

/// Keeps a gateway counted.
pub(crate) struct Following {
    gateways: Arc<Gateways>,
    name: Arc<str>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.gateways.with(|known| {
            if let Some(gateway) = known.get_mut(&self.name) {
                gateway.streams -= 1;
                if gateway.streams == 0 {
                    known.remove(&self.name);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn progress(live: usize, applied: usize) -> Progress {
        Progress { live, applied }
    }

    #[test]
    fn a_gateway_counts_while_it_follows_and_its_reports_count_with_it() {
        let gateways = Arc::new(Gateways::default());
        gateways.report("stranger", Revision(9));
        assert_eq!(gateways.progress(Revision(1)), progress(0, 0));
        let one = gateways.follow(&"one".into());
        let again = gateways.follow(&"one".into());
        gateways.report("one", Revision(3));
        assert_eq!(gateways.progress(Revision(3)), progress(1, 1));
        assert_eq!(gateways.progress(Revision(4)), progress(1, 0));
        drop(one);
        assert_eq!(gateways.progress(Revision(3)), progress(1, 1));
        drop(again);
        assert_eq!(gateways.progress(Revision(3)), progress(0, 0));
    }

    #[tokio::test]
    async fn waiting_ends_when_the_last_gateway_has_reported() {
        let gateways = Arc::new(Gateways::default());
        let _following = gateways.follow(&"one".into());
        let waiting = tokio::spawn({
            let gateways = gateways.clone();
            async move { gateways.wait(Revision(5), Duration::from_secs(60)).await }
        });
        gateways.report("one", Revision(5));
        assert_eq!(waiting.await.unwrap(), progress(1, 1));
    }
}
