//! Counters for Prometheus.
//!
//! Each worker counts for itself, behind a lock that nobody else takes, and a scrape adds the workers up; so
//! counting neither allocates nor shares anything. [`Metrics::exposition`] is what the health port answers
//! at `/metrics`, in the text format 0.0.4.
//!
//! The number of series is bounded, whatever is deployed and whoever calls: only requests are counted by API,
//! without histograms, and only for the first so many APIs that are called ([`Metrics::new`]); those called
//! later count together as `api="other"`. An API keeps its series as long as the process lives, so that
//! no counter ever falls.
//!
//! | Metric | Labels |
//! |---|---|
//! | `apim_gateway_requests_total` | `api`, `version`, `class` (`2xx`…, `none` if the client went away before) |
//! | `apim_gateway_unrouted_requests_total` | `class` |
//! | `apim_gateway_requests_in_flight` | |
//! | `apim_gateway_requests_incomplete_total` | : answers that did not leave whole |
//! | `apim_gateway_response_body_bytes_total` | |
//! | `apim_gateway_request_duration_seconds` | histogram: from the head to the last byte |
//! | `apim_gateway_backend_duration_seconds` | histogram: from asking a backend to its head |
//! | `apim_gateway_mediation_duration_seconds` | histogram: from the head until the backend is asked |
//! | `apim_gateway_backend_responses_total` | `class` (`none`: no response) |
//! | `apim_gateway_refusals_total` | `code`, `rule`; at most 128 of them, then `other` |
//! | `apim_gateway_throttle_decisions_total` | `level`, `decision` (`allowed`, `refused`): a call that passes has passed each of its limits |
//! | `apim_gateway_connections_open` | `listener` (`http`, `https`) |
//! | `apim_gateway_connections_accepted_total` | `listener` |
//! | `apim_gateway_connections_refused_total` | `reason`: `client` (it has too many), `balancer` (no PROXY header), `tls` (none was agreed on), `system` |
//! | `apim_gateway_requests_shed_total` | `reason`: `overload` ([`Shedding`](crate::server::Shedding)), `in_flight` (too many at once) |
//! | `apim_gateway_apis`, `apim_gateway_snapshot_revision`, `apim_gateway_snapshot_age_seconds` | |
//! | `apim_build_info`, `process_*` | as Prometheus' own clients have them |
//!
//! Those of connections and of shed requests are counted by the server, and are there once it is
//! [watched](Metrics::watch). Whoever runs a gateway adds what only they know by [`Metrics::with`].

mod counts;
mod doors;
mod exposition;
mod limits;
mod process;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use apim_core::model::{Api, ApiId};
use apim_core::throttle::{Decision, Key};
use apim_core::{Context, Outcome, PerWorker, Worker};

use crate::Gateway;
use crate::server::Traffic;
use counts::Counts;
use exposition::Exposition;

/// The counters of a gateway. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    workers: PerWorker<Counts>,
    apis: Mutex<Apis>,
    most_apis: usize,
    servers: Mutex<Vec<Traffic>>,
    others: Mutex<Vec<Other>>,
}

/// The APIs that have series of their own.
#[derive(Default)]
struct Apis {
    numbers: HashMap<ApiId, u32>,
    /// Name and version, by number.
    labels: Vec<(Box<str>, Box<str>)>,
}

/// What somebody else counts.
struct Other {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// Where one API is counted, once it has been called.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicU32);

/// Stands for all APIs without series of their own.
const OTHERS: u32 = u32::MAX;

impl Metrics {
    /// For so many workers, and at most so many APIs with series of their own: each of them may have six.
    pub fn new(workers: usize, most_apis: usize) -> Self {
        Self(Arc::new(Inner {
            workers: PerWorker::new(workers, Counts::default),
            apis: Mutex::default(),
            most_apis,
            servers: Mutex::default(),
            others: Mutex::default(),
        }))
    }

    /// With a number that somebody else counts, asked for at each scrape. The name is one of Prometheus'
    /// (`[a-zA-Z_:][a-zA-Z0-9_:]*`), ends in `_total` if it is a counter, and stands for itself only once.
    #[must_use]
    pub fn with(
        self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        value: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let other = Other { name, help, kind, value: Box::new(value) };
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner).push(other);
        self
    }

    /// Adds the connections of a server, and the requests that it did not let in.
    pub fn watch(&self, server: Traffic) {
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner).push(server);
    }

    /// Everything counted so far, in the text format 0.0.4.
    pub fn exposition(&self, gateway: &Gateway) -> String {
        let mut sum = Counts::default();
        for counts in self.0.workers.iter() {
            sum.add(&counts);
        }
        let mut out = Exposition::default();
        {
            let apis = self.0.apis.lock().unwrap_or_else(PoisonError::into_inner);
            sum.write(&apis.labels, &mut out);
        }
        doors::write(&self.0.servers.lock().unwrap_or_else(PoisonError::into_inner), &mut out);
        gateway_state(gateway, &mut out);
        for other in self.0.others.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            out.single(other.name, other.help, other.kind, (other.value)());
        }
        out.family("apim_build_info", "Always 1; the version is a label", "gauge");
        out.sample("apim_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        process::write(&mut out);
        out.finish()
    }

    /// A request of an API has come.
    pub(crate) fn begin(&self, context: &Context) {
        self.0.workers.of(context.worker).begin();
    }

    /// A request of an API has ended.
    pub(crate) fn end(&self, outcome: &Outcome<'_>, api: &Api, place: &Place) {
        let place = self.place(api, place);
        self.0.workers.of(outcome.context.worker).end(outcome, Some(place));
    }

    /// A request that the router knew no API for.
    pub(crate) fn unrouted(&self, outcome: &Outcome<'_>) {
        self.0.workers.of(outcome.context.worker).end(outcome, None);
    }

    /// A call was held against limits.
    pub(crate) fn throttled(&self, worker: Worker, keys: &[Key<'_>], decision: &Decision) {
        self.0.workers.of(worker).limits.decided(keys, decision);
    }

    /// Where an API is counted: 0 for all the others, its own number otherwise.
    fn place(&self, api: &Api, place: &Place) -> usize {
        let mut known = place.0.load(Relaxed);
        if known == 0 {
            known = self.assign(api);
            place.0.store(known, Relaxed);
        }
        if known == OTHERS { 0 } else { known as usize }
    }

    /// Looks a number up, or gives one. Only the first call of a deployed revision comes here.
    fn assign(&self, api: &Api) -> u32 {
        let mut apis = self.0.apis.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = apis.numbers.get(&api.id) {
            return *number;
        }
        let Some(number) =
            u32::try_from(apis.labels.len() + 1).ok().filter(|number| (*number as usize) <= self.0.most_apis)
        else {
            return OTHERS;
        };
        apis.labels.push((api.name.as_str().into(), api.version.as_str().into()));
        apis.numbers.insert(api.id.clone(), number);
        number
    }
}

fn gateway_state(gateway: &Gateway, out: &mut Exposition) {
    let apis = gateway.current().load().len() as u64;
    out.single("apim_gateway_apis", "APIs deployed", Kind::Gauge, apis);
    out.single(
        "apim_gateway_snapshot_revision",
        "The control plane's revision that is in force",
        Kind::Gauge,
        gateway.revision().0,
    );
    if let Some(age) = gateway.age() {
        out.family("apim_gateway_snapshot_age_seconds", "Since the last change came into force", "gauge");
        out.sample("apim_gateway_snapshot_age_seconds", &[], age.as_secs_f64());
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({:?})", self.0.workers)
    }
}
