//! What workers have seen of connections, and of requests that they did not let in.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use apim_core::Worker;

/// The counters of a server's doors, for [`Metrics::watch`](crate::metrics::Metrics::watch). Cheap to clone; all
/// clones are one.
///
/// Each worker writes its own alone, so that counting is a load and a store; they are added up when somebody asks.
#[derive(Clone)]
pub struct Traffic(Arc<[Lane]>);

/// A listener of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http,
    Https,
}

/// Why a connection was closed before it was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The system had none to give, or took it back at once.
    System,
    /// A balancer did not say, or not in time, whose it is.
    Balancer,
    /// Its client has as many as it may have.
    Client,
    /// No TLS was agreed on in time.
    Tls,
}

/// Why a request was answered 503 at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    /// As many were in flight as there may be.
    InFlight,
    /// Work stood in line for too long.
    Overload,
}

impl Door {
    pub(crate) const ALL: [(Self, &str); 2] = [(Self::Http, "http"), (Self::Https, "https")];
}

impl Closed {
    pub(crate) const ALL: [(Self, &str); 4] = [
        (Self::System, "system"),
        (Self::Balancer, "balancer"),
        (Self::Client, "client"),
        (Self::Tls, "tls"),
    ];
}

impl Shed {
    pub(crate) const ALL: [(Self, &str); 2] = [(Self::InFlight, "in_flight"), (Self::Overload, "overload")];
}

/// One worker's counters, two cache lines apart from the next one's, since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Lane {
    accepted: [Count; Door::ALL.len()],
    ended: [Count; Door::ALL.len()],
    closed: [Count; Closed::ALL.len()],
    shed: [Count; Shed::ALL.len()],
}

/// A number that one thread writes.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn rise(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// The counters of one worker.
#[derive(Clone)]
pub(super) struct Own {
    all: Traffic,
    worker: usize,
}

impl Traffic {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Lane::default()).collect())
    }

    pub(super) fn of(&self, worker: Worker) -> Own {
        Own { all: self.clone(), worker: worker.0 }
    }

    /// Connections taken at a door.
    pub(crate) fn accepted(&self, door: Door) -> u64 {
        self.sum(|lane| &lane.accepted[door as usize])
    }

    /// Connections of a door that have not ended.
    pub(crate) fn open(&self, door: Door) -> u64 {
        // Ends are read first: of a connection that ends meanwhile its beginning is known.
        let ended = self.sum(|lane| &lane.ended[door as usize]);
        self.accepted(door).saturating_sub(ended)
    }

    /// Connections that were closed before they were served.
    pub(crate) fn closed(&self, why: Closed) -> u64 {
        self.sum(|lane| &lane.closed[why as usize])
    }

    /// Requests that were not let in.
    pub(crate) fn shed(&self, why: Shed) -> u64 {
        self.sum(|lane| &lane.shed[why as usize])
    }

    fn sum(&self, count: impl Fn(&Lane) -> &Count) -> u64 {
        self.0.iter().map(|lane| count(lane).0.load(Relaxed)).sum()
    }
}

impl Deref for Own {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        &self.all.0[self.worker]
    }
}

impl Lane {
    /// A connection was taken; it is open until this is dropped.
    pub(super) fn enter(&self, door: Door) -> Visit<'_> {
        self.accepted[door as usize].rise();
        Visit { lane: self, door }
    }

    pub(super) fn close(&self, why: Closed) {
        self.closed[why as usize].rise();
    }

    pub(super) fn shed(&self, why: Shed) {
        self.shed[why as usize].rise();
    }
}

/// A connection that is open.
pub(super) struct Visit<'a> {
    lane: &'a Lane,
    door: Door,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.lane.ended[self.door as usize].rise();
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (door, name) in Door::ALL {
            map.entry(&name, &self.open(door));
        }
        map.finish()
    }
}
