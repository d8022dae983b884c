//! The links that run sequences.

use std::sync::Arc;

use apim_core::mediator::Stage;
use apim_core::{Answer, Body, Exchange, Fault, Flow, Handler, Link, Mediator};
use http::{Response, Uri};

use super::{Links, Sequence, Sequences};

pub(super) fn links(sequences: Sequences) -> Links {
    let sequences = Arc::new(sequences);
    Links {
        outer: (!sequences.fault.is_empty())
            .then(|| Link::handler(Faults(sequences.clone())).named("mediation-fault")),
        inner: sequences.mediates().then(|| Link::handler(Messages(sequences.clone())).named("mediation")),
    }
}

/// The path below the API's context as the client sent it, which `${uri.…}` refers to; later mediators may
/// have rewritten the exchange's own.
#[derive(Debug, Clone)]
pub(super) struct Original(pub(super) Uri);

/// Runs the request and response lists.
struct Messages(Arc<Sequences>);

impl Messages {
    fn operation(&self, index: Option<u32>) -> Option<&(Sequence, Sequence)> {
        self.0.operations.get(index? as usize)
    }
}

impl Handler for Messages {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let original = Original(exchange.uri().clone());
        exchange.context_mut().slots.insert(original);
        let own = self.operation(exchange.context().operation).map(|(request, _)| &**request);
        for mediator in self.0.request.iter().chain(own.unwrap_or_default()) {
            if let Flow::Respond(response) = mediator.mediate(Stage::Request(exchange)).await? {
                return Ok(Flow::Respond(response));
            }
        }
        Ok(Flow::Continue)
    }

    async fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        // What has failed is the fault list's business.
        if answer.context().fault.is_some() {
            return Ok(());
        }
        let own = self.operation(answer.context().operation).map(|(_, response)| &**response);
        run(self.0.response.iter().chain(own.unwrap_or_default()), answer, |answer| Stage::Response(answer))
            .await
    }
}

/// Runs the fault list.
struct Faults(Arc<Sequences>);

impl Handler for Faults {
    async fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        if answer.context().fault.is_none() {
            return Ok(());
        }
        if let Err(fault) = run(self.0.fault.iter(), answer, |answer| Stage::Fault(answer)).await {
            // The client still gets what it would have got without the list.
            tracing::warn!(request = %answer.context().request_id, %fault, "a fault mediator failed");
        }
        Ok(())
    }
}

async fn run(
    mediators: impl Iterator<Item = &Arc<dyn Mediator>>,
    answer: &mut Answer,
    stage: for<'a> fn(&'a mut Answer) -> Stage<'a>,
) -> Result<(), Fault> {
    for mediator in mediators {
        if let Flow::Respond(response) = mediator.mediate(stage(answer)).await? {
            replace(answer, response);
            return Ok(());
        }
    }
    Ok(())
}

fn replace(answer: &mut Answer, response: Response<Body>) {
    let (head, body) = response.into_parts();
    *answer.head_mut() = head;
    answer.message_mut().set_body(body);
}
