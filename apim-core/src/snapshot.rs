//! All a gateway needs to run.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::{BusError, Change, Event, EventStream, Revision};
use crate::explanation::{self, Explanation, QuestionStream};
use crate::model::Revocation;

/// The state of the control plane at one revision, as the changes that lead to it.
///
/// A gateway applies them exactly as it applies later events, so that there is one way in. It can be
/// written to disk and read back: that is how a gateway starts while its control plane is away.
///
/// ```
/// use apim_core::{Change, Event, Revision, Snapshot, Timestamp};
/// use apim_core::model::{ApiId, Application};
/// # let shop: Application = serde_json::from_value(serde_json::json!(
/// #   {"id": "1", "name": "shop", "owner": "ann", "policy": "Unlimited"})).unwrap();
///
/// let mut snapshot = Snapshot::default();
/// let saved = Change::ApplicationSaved(shop.clone().into());
/// snapshot.apply(Event { revision: Revision(1), at: Timestamp::default(), change: saved });
/// assert_eq!(snapshot.changes().count(), 1);
///
/// let removed = Change::ApplicationRemoved(shop.id);
/// snapshot.apply(Event { revision: Revision(2), at: Timestamp::default(), change: removed });
/// assert_eq!(snapshot.changes().count(), 0);
/// assert_eq!(snapshot.revision(), Revision(2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire")]
pub struct Snapshot {
    revision: Revision,
    /// In the order of what they are about, each thing once. A list and no map: it is made once, read once, and
    /// given back in one piece, which leaves no holes in the memory of a gateway that holds what it told of.
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Wire {
    revision: Revision,
    changes: Vec<Change>,
}

impl From<Wire> for Snapshot {
    fn from(wire: Wire) -> Self {
        Self::new(wire.revision, wire.changes)
    }
}

impl Snapshot {
    /// The state after all these changes, of which later ones win over earlier ones about the same thing.
    pub fn new(revision: Revision, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_by(|one, other| one.place().cmp(&other.place()));
        changes.dedup_by(|later, earlier| {
            let same = later.place() == earlier.place();
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        changes.retain(|change| !change.removes());
        Self { revision, changes }
    }

    /// The revision it stands at.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Its changes: policies and key managers first, then APIs, applications and what refers to them.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// The same, for whoever has no use for it afterwards.
    pub fn into_changes(self) -> impl Iterator<Item = Change> {
        self.changes.into_iter()
    }

    /// Moves it on by one event. An event that it already contains is ignored.
    pub fn apply(&mut self, event: Event) {
        if event.revision > self.revision {
            self.revision = event.revision;
            self.put(event.change);
        }
    }

    /// Drops revocations of tokens that have expired by now.
    pub fn forget_expired(&mut self, now: Timestamp) {
        self.changes.retain(|change| {
            !matches!(change, Change::Revoked(Revocation::Token { expires_at, .. }) if *expires_at < now)
        });
    }

    fn put(&mut self, change: Change) {
        let known = self.changes.binary_search_by(|other| other.place().cmp(&change.place()));
        match (known, change.removes()) {
            (Ok(index), true) => drop(self.changes.remove(index)),
            (Ok(index), false) => self.changes[index] = change,
            (Err(_), true) => {}
            (Err(index), false) => self.changes.insert(index, change),
        }
    }
}

/// Where a gateway learns what to serve.
///
/// A gateway subscribes first, loads a snapshot at revision N, then applies events N+1, N+2, … It calls
/// [`snapshot`](Self::snapshot) again only when its cursor has become too old.
///
/// ```
/// use apim_core::{event, BusError, EventStream, Revision, Snapshot, SnapshotSource};
///
/// /// Serves one state for ever: the immutable gateway.
/// struct Fixed(Snapshot);
///
/// #[apim_core::async_trait]
/// impl SnapshotSource for Fixed {
///     async fn snapshot(&self) -> Result<Snapshot, BusError> {
///         Ok(self.0.clone())
///     }
///     async fn changes(&self, _after: Revision) -> Result<EventStream, BusError> {
///         Ok(event::never())
///     }
/// }
/// ```
#[async_trait]
pub trait SnapshotSource: Send + Sync + 'static {
    /// The whole present state. Cold; may take seconds. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// [`BusError::Broken`] when it cannot be had now; the gateway keeps what it has and asks again.
    async fn snapshot(&self) -> Result<Snapshot, BusError>;

    /// All events after a revision, in order and without gaps.
    ///
    /// # Errors
    ///
    /// [`BusError::TooOld`] when they are no longer kept: a new snapshot is needed.
    async fn changes(&self, after: Revision) -> Result<EventStream, BusError>;

    /// Reports that every change up to a revision is in force here. The default does nothing.
    async fn applied(&self, _revision: Revision) {}

    /// Questions about requests that were answered here. The default has none, and never ends.
    ///
    /// # Errors
    ///
    /// [`BusError::Broken`] when they cannot be had now; the gateway asks again.
    async fn questions(&self) -> Result<QuestionStream, BusError> {
        Ok(explanation::no_questions())
    }

    /// Answers a question; none, if this gateway knows nothing of the request. The default does nothing.
    async fn answer(&self, _question: u64, _found: Option<Explanation>) {}
}
