//! Refuses what no operation serves.

use apim_core::{BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide, fault};
use http::header::ALLOW;

use crate::deploy::Site;

/// Answers 404 where no template matches the path, and 405 with `Allow` where one does but has not the
/// method (spec: gateway-flow, section 6). Before credentials are looked at, as in the original.
#[derive(Debug)]
pub struct Resource;

impl Filter for Resource {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        if exchange.context().operation.is_some() {
            return Ok(Flow::Continue);
        }
        let allow = Site::of(exchange.context())?.resources.allow(exchange.uri().path());
        if allow.is_empty() {
            return Err(Fault::new(fault::NO_SUCH_OPERATION)
                .because("No matching resource found for given API Request")
                .rule("api.operations"));
        }
        Err(Fault::new(fault::METHOD_NOT_ALLOWED)
            .because("Method not allowed for given API resource")
            .rule("api.operations")
            .header(ALLOW, allow))
    }
}

impl Provide<Link> for Resource {
    const NAME: &'static str = "resource";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self).shared())
    }
}
