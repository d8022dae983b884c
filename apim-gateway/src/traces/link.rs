//! Where requests meet the tracer: those that lead to an API in its chain, the others where they are refused.

use std::sync::Arc;

use apim_core::{Context, Exchange, Fault, Filter, Flow, Link, Outcome, RequestId};
use http::{HeaderMap, HeaderName};

use super::context::{self, TraceParent};
use super::traced::{self, Traced};
use super::{Tracer, is_trace_state, span};
use crate::deploy::Site;

const TRACESTATE: HeaderName = HeaderName::from_static(context::TRACESTATE);

/// Stands among the outermost links of all APIs.
struct Traces(Arc<Tracer>);

pub(crate) fn link(tracer: &Arc<Tracer>) -> Link {
    Link::filter(Traces(tracer.clone())).named("traces").shared()
}

impl Filter for Traces {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let headers = exchange.headers();
        let parent = TraceParent::of(headers);
        // A state without a parent belongs to no trace (section 3.3.1.5 of the recommendation).
        let state =
            parent.is_some() && is_trace_state(headers.get_all(TRACESTATE).iter().map(|it| it.as_bytes()));
        let id = exchange.context().request_id;
        let decided = self.0.decide(parent, id);
        let headers = exchange.headers_mut();
        if !state {
            headers.remove(TRACESTATE);
        }
        let Decided { trace, sampled, .. } = decided;
        traced::tell(headers, TraceParent { trace, span: traced::first(id), sampled });
        if let Some(traced) = decided.traced(id) {
            exchange.context_mut().slots.insert(traced);
        }
        Ok(Flow::Continue)
    }

    fn complete(&self, outcome: &Outcome<'_>) {
        self.0.complete(outcome);
    }
}

/// What is known of a request's trace when it comes.
struct Decided {
    trace: u128,
    parent: Option<u64>,
    /// Whether it is recorded.
    sampled: bool,
}

impl Decided {
    fn traced(&self, id: RequestId) -> Option<Traced> {
        self.sampled.then(|| Traced::new(self.trace, self.parent, id))
    }
}

impl Tracer {
    /// Which trace a request belongs to, and whether it is recorded. A new trace has the request's id, so that who has
    /// one has the other.
    fn decide(&self, parent: Option<TraceParent>, id: RequestId) -> Decided {
        match parent {
            Some(TraceParent { trace, span, sampled }) => Decided { trace, parent: Some(span), sampled },
            None => {
                let sampled = u128::from(id.0 as u64) < self.threshold;
                Decided { trace: id.0.max(1), parent: None, sampled }
            }
        }
    }

    /// Begins with a request that leads to no API, and so passes no chain.
    pub(crate) fn begin(&self, headers: &HeaderMap, context: &mut Context) {
        let id = context.request_id;
        if let Some(traced) = self.decide(TraceParent::of(headers), id).traced(id) {
            context.slots.insert(traced);
        }
    }

    /// Tells of a request that has ended before it began.
    pub(crate) fn tell(&self, headers: &HeaderMap, context: &mut Context) {
        self.begin(headers, context);
        self.complete(&Outcome::of(context));
    }

    /// Tells of a call that has ended.
    pub(crate) fn complete(&self, outcome: &Outcome<'_>) {
        let context = outcome.context;
        let Some(traced) = context.slots.get::<Traced>() else { return };
        let site = Site::of(context).ok();
        self.journal.line(context.worker, |out| span::server(traced, site, outcome, out));
        for tried in traced.tries().iter() {
            self.journal.line(context.worker, |out| span::client(traced, tried, outcome, out));
        }
    }
}
