//! Who watches what becomes of requests: the access log, the counters, and whoever traces them.
//!
//! The first two stand in front of every pipeline.

use std::fmt;
use std::sync::Arc;

use apim_core::exchange::Completion;
use apim_core::{Exchange, Fault, Filter, Flow, Link, Outcome};

use crate::access_log;
use crate::deploy::Site;
use crate::log::Log;
use crate::metrics::Metrics;

/// Who watches. Where nobody does, no pipeline knows of this, and it costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) access_log: Option<Arc<Log>>,
    pub(crate) metrics: Option<Metrics>,
    /// Has a link of its own behind ours.
    #[cfg(feature = "otel")]
    pub(crate) tracer: Option<Arc<crate::traces::Tracer>>,
}

impl Observers {
    fn are_none(&self) -> bool {
        self.access_log.is_none() && self.metrics.is_none()
    }

    #[cfg(feature = "otel")]
    fn trace(&self) -> bool {
        self.tracer.is_some()
    }

    #[cfg(not(feature = "otel"))]
    fn trace(&self) -> bool {
        false
    }

    /// The link for the pipelines of all APIs, if anybody watches.
    pub(crate) fn link(&self) -> Option<Link> {
        (!self.are_none()).then(|| Link::filter(Observer(self.clone())).named("observer").shared())
    }

    /// Who is to be told of requests that the router found no API for, if anybody.
    pub(crate) fn unrouted(&self) -> Option<Arc<dyn Completion>> {
        let anybody = !self.are_none() || self.trace();
        anybody.then(|| Arc::new(Unrouted(self.clone())) as Arc<dyn Completion>)
    }

    fn log(&self, outcome: &Outcome<'_>) {
        if let Some(log) = &self.access_log {
            access_log::record(log, outcome);
        }
    }
}

struct Observer(Observers);

impl Filter for Observer {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        if let Some(metrics) = &self.0.metrics {
            metrics.begin(exchange.context());
        }
        Ok(Flow::Continue)
    }

    fn complete(&self, outcome: &Outcome<'_>) {
        self.0.log(outcome);
        if let (Some(metrics), Ok(site)) = (&self.0.metrics, Site::of(outcome.context)) {
            metrics.end(outcome, &site.api, &site.place);
        }
    }
}

struct Unrouted(Observers);

impl Completion for Unrouted {
    fn complete(&self, outcome: &Outcome<'_>) {
        self.0.log(outcome);
        if let Some(metrics) = &self.0.metrics {
            metrics.unrouted(outcome);
        }
        #[cfg(feature = "otel")]
        if let Some(tracer) = &self.0.tracer {
            tracer.complete(outcome);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("access_log", &self.access_log.is_some())
            .field("metrics", &self.metrics.is_some())
            .finish()
    }
}
