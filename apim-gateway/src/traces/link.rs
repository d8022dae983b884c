//! Continues traces, or begins them.

use std::sync::Arc;

use apim_core::{Exchange, Fault, Filter, Flow, Link, Outcome, RequestId};
use http::{HeaderName, HeaderValue};

use super::context::{self, TraceParent};
use super::{Tracer, is_trace_state, span};
use crate::deploy::Site;
use crate::text;

const TRACEPARENT: HeaderName = HeaderName::from_static(context::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(context::TRACESTATE);

/// Stands among the outermost links of all APIs.
struct Traces(Arc<Tracer>);

/// The trace of a call that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traced {
    pub(super) trace: u128,
    /// The span that has called us.
    pub(super) parent: Option<u64>,
    /// Our span of the call, and that of asking the backend.
    pub(super) server: u64,
    pub(super) client: u64,
}

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
        let (traced, sampled) = self.decide(parent, id);
        let ours = TraceParent { trace: traced.trace, span: traced.client, sampled };
        let text = text::cut(&[&ours.digits()]);
        let headers = exchange.headers_mut();
        if !state {
            headers.remove(TRACESTATE);
        }
        if let Ok(value) = HeaderValue::from_maybe_shared(text) {
            headers.insert(TRACEPARENT, value);
        }
        if sampled {
            exchange.context_mut().slots.insert(traced);
        }
        Ok(Flow::Continue)
    }

    fn complete(&self, outcome: &Outcome<'_>) {
        let Some(traced) = outcome.context.slots.get::<Traced>() else { return };
        let Ok(site) = Site::of(outcome.context) else { return };
        let worker = outcome.context.worker;
        self.0.journal.line(worker, |out| span::server(traced, site, outcome, out));
        if outcome.context.backend_started.is_some() {
            self.0.journal.line(worker, |out| span::client(traced, outcome, out));
        }
    }
}

impl Traces {
    /// Which trace a request belongs to, and whether it is recorded. A new trace has the request's id, so that who has
    /// one has the other; spans have numbers that follow from it.
    fn decide(&self, parent: Option<TraceParent>, id: RequestId) -> (Traced, bool) {
        // The lower half is scrambled, and no other request of the worker has it.
        let own = id.0 as u64;
        let span = |number: u64| if number == 0 { 1 } else { number };
        let (server, client) = (span(own), span(own.rotate_left(32) ^ 0x5bd1_e995));
        match parent {
            Some(TraceParent { trace, span, sampled }) => {
                (Traced { trace, parent: Some(span), server, client }, sampled)
            }
            None => {
                let traced = Traced { trace: id.0.max(1), parent: None, server, client };
                (traced, u128::from(own) < self.0.threshold)
            }
        }
    }
}
