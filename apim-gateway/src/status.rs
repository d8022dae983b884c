//! Refuses calls of APIs that do not answer just now.

use apim_core::model::LifecycleState;
use apim_core::{BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide, fault};

use crate::deploy::Site;
use crate::gateway::Proxies;

/// Acts on the API's transports and on its state (spec: gateway-flow, section 5).
#[derive(Debug)]
pub struct Status {
    proxies: Proxies,
}

impl Filter for Status {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let site = Site::of(exchange.context())?;
        match self.proxies.is_secure(exchange.context().peer, exchange.headers()) {
            true if !site.transports.https => return Err(unsupported("Unsupported Transport [https]")),
            false if !site.transports.http => return Err(unsupported("Unsupported Transport [http]")),
            _ => {}
        }
        match site.state {
            LifecycleState::Blocked => Err(Fault::new(fault::API_BLOCKED)
                .because("This API has been blocked temporarily")
                .rule("api.state")
                .found("BLOCKED")),
            // Only internal keys open it, which nobody issues for this gateway.
            LifecycleState::Created => Err(Fault::new(fault::FORBIDDEN)
                .because("The API is not published")
                .rule("api.state")
                .found("CREATED")),
            _ => Ok(Flow::Continue),
        }
    }
}

fn unsupported(description: &'static str) -> Fault {
    Fault::new(fault::TRANSPORT_FORBIDDEN).because(description).rule("api.transports")
}

impl Provide<Link> for Status {
    const NAME: &'static str = "api-status";
    type Config = ();

    async fn build((): (), parts: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self { proxies: parts.get()? }).shared())
    }
}
