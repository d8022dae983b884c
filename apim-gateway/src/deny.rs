//! Refuses calls that an administrator has denied (spec: throttling, section 8).

use apim_core::model::DenyId;
use apim_core::{BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide, fault};

use crate::deploy::{Site, View};

/// Refuses by API and by the caller's address, before it is known who calls.
#[derive(Debug)]
pub struct Deny;

/// Refuses by application and by user, once they are known.
#[derive(Debug)]
pub struct DenyCaller;

impl Filter for Deny {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let context = exchange.context();
        let Some(view) = View::of(context) else { return Ok(Flow::Continue) };
        let (denies, site) = (view.denies(), Site::of(context)?);
        let by_address = || denies.address(&site.api.tenant, context.client_ip);
        allow_unless(denies.context(&site.context).or_else(by_address))
    }
}

impl Filter for DenyCaller {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let context = exchange.context();
        let (Some(view), Some(principal)) = (View::of(context), &context.principal) else {
            return Ok(Flow::Continue);
        };
        let (denies, site) = (view.denies(), Site::of(context)?);
        let application = principal.application.as_ref();
        let by_user = || denies.user(&site.api.tenant, &principal.user);
        allow_unless(application.and_then(|application| denies.application(application)).or_else(by_user))
    }
}

fn allow_unless(denied: Option<&DenyId>) -> Result<Flow, Fault> {
    match denied {
        None => Ok(Flow::Continue),
        Some(id) => Err(Fault::new(fault::DENIED)
            .because("You have been blocked from accessing the resource")
            .rule("deny-policies")
            .found(id)),
    }
}

impl Provide<Link> for Deny {
    const NAME: &'static str = "deny";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self).shared())
    }
}

impl Provide<Link> for DenyCaller {
    const NAME: &'static str = "deny-caller";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self).shared())
    }
}
