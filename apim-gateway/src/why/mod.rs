//! Why a request was answered as it was, by its id.
//!
//! Whatever the gateway answers itself carries a request id (`x-request-id`). Behind the id stands a record:
//! the stage that answered, the fault with its rule and what the rule compared, API, operation, revision and
//! time. Records stand in rings of a fixed size, one pair for each worker; a record is written where the
//! answer leaves, formats nothing, and is turned into an [`Explanation`] only when somebody asks, at
//! [`Health`](crate::server::health::Health)'s `/why/{request-id}` or through the control plane. A request
//! that the backend answered leaves no record and pays for none.
//!
//! Links get all of this through the [`Fault`](apim_core::Fault) they return. What is recorded holds no
//! credential: nobody keeps the query or a header, and a text in which a token was left by mistake is
//! concealed on its way out.

mod answer;
mod concealed;
mod record;
mod short;

use std::fmt;

use apim_core::fault::Blame;
use apim_core::{Context, Explanation, PerWorker, RequestId};
use http::StatusCode;

use crate::deploy::View;

pub(crate) use answer::answer;
pub(crate) use concealed::concealed;
use record::Record;

/// The records of all workers.
pub(crate) struct Records {
    workers: PerWorker<Rings>,
    /// Of each kind and worker.
    most: usize,
}

/// Callers who are refused a thousand times a second must not wash away the one failure in between.
#[derive(Default)]
struct Rings {
    refusals: Ring,
    failures: Ring,
}

/// The last so many records, the oldest of which the next one replaces.
#[derive(Default)]
struct Ring {
    records: Vec<Record>,
    next: usize,
}

impl Ring {
    fn push(&mut self, record: Record, most: usize) {
        if self.records.len() < most {
            if self.records.capacity() == 0 {
                self.records.reserve_exact(most);
            }
            self.records.push(record);
        } else if let Some(oldest) = self.records.get_mut(self.next) {
            *oldest = record;
            self.next = (self.next + 1) % most;
        }
    }
}

impl Records {
    /// For so many workers, each of which remembers so many refusals and as many failures.
    pub(crate) fn new(workers: usize, most: usize) -> Self {
        Self { workers: PerWorker::new(workers, Rings::default), most }
    }

    /// Remembers an answer that the gateway made itself, unless it is one that nobody asks about.
    pub(crate) fn note(&self, context: &Context, status: StatusCode) {
        let failed = match context.fault.as_deref() {
            Some(fault) => fault.blame() != Blame::Client,
            None => status.is_server_error(),
        };
        if self.most == 0 || (context.fault.is_none() && !status.is_client_error() && !failed) {
            return;
        }
        let record = Record::of(context, status);
        let mut rings = self.workers.of(context.worker);
        let ring = if failed { &mut rings.failures } else { &mut rings.refusals };
        ring.push(record, self.most);
    }

    /// What is known of a request; the view tells the API's name.
    pub(crate) fn find(&self, id: RequestId, view: &View) -> Option<Explanation> {
        self.workers.iter().find_map(|rings| {
            let mut records = rings.failures.records.iter().chain(&rings.refusals.records);
            records.find(|record| record.id == id).map(|record| record.explain(view))
        })
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} of each kind)", self.most)
    }
}
