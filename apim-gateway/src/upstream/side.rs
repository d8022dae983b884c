//! One endpoint of an API: who answers its calls.

use std::sync::Arc;

use apim_core::model::{Api, Endpoint};
use apim_core::{Body, BuildError, Context, Fault, fault};
use http::{Request, Response};

use super::Upstream;
use super::call::Call;
use super::dynamic::{Chosen, Dynamics};
use super::group::{Group, Wait};
use super::known::{Former, Known};
use super::lambda::Functions;
use super::{mock, pool::Own};

/// What an endpoint leads to.
pub(super) struct Side {
    way: Way,
    dynamic: Option<Box<Dynamics>>,
}

enum Way {
    Backends(Arc<Group>),
    Functions(Box<Functions>),
    Mock,
    /// Only what requests name.
    Nowhere,
}

impl Side {
    pub(super) fn new(
        name: &str,
        endpoint: &Endpoint,
        api: &Api,
        upstream: &Upstream,
        known: &Known,
    ) -> Result<Self, BuildError> {
        let dynamic = match endpoint.dynamic.as_deref() {
            Some(dynamic) => Some(Box::new(Dynamics::new(name, dynamic, endpoint, upstream, known)?)),
            None => None,
        };
        let named = !endpoint.url.is_empty() || !endpoint.members.is_empty();
        let ways = [named, endpoint.lambda.is_some(), endpoint.mock].into_iter().filter(|way| *way).count();
        let way = match (&endpoint.lambda, endpoint.mock) {
            _ if ways > 1 => {
                let why = "only one of `url`, `members`, `lambda` and `mock` can answer";
                return Err(BuildError::at("", why));
            }
            (Some(lambda), _) => {
                let former = known.former(name, &upstream.0);
                let functions = Functions::new(lambda, endpoint, api, &upstream.0, former)?;
                known.remember(name, &functions.group);
                Way::Functions(Box::new(functions))
            }
            (None, true) => {
                check_examples(api)?;
                Way::Mock
            }
            (None, false) if !named && dynamic.is_some() => Way::Nowhere,
            (None, false) => {
                let begin = |akin| upstream.begin(&Endpoint { dynamic: None, ..endpoint.clone() }, akin);
                let group = match known.former(name, &upstream.0) {
                    Some(Former::Same(group)) => group,
                    Some(Former::Akin(akin)) => begin(Some(&*akin))?,
                    None => begin(None)?,
                };
                known.remember(name, &group);
                Way::Backends(group)
            }
        };
        Ok(Self { way, dynamic })
    }

    /// Says what is wrong with an endpoint whose API is not known.
    pub(super) fn check(endpoint: &Endpoint, upstream: &Upstream) -> Result<(), BuildError> {
        if let Some(dynamic) = &endpoint.dynamic {
            Dynamics::new("", dynamic, endpoint, upstream, &Known::default())?;
        }
        match endpoint.url.is_empty() && endpoint.members.is_empty() && endpoint.dynamic.is_some() {
            true => Ok(()),
            false => upstream.resolve(&Endpoint { dynamic: None, ..endpoint.clone() }).map(drop),
        }
    }

    /// The backends, if it is always they that answer.
    pub(super) fn backends(&self) -> Option<&Arc<Group>> {
        match (&self.way, &self.dynamic) {
            (Way::Backends(group), None) => Some(group),
            _ => None,
        }
    }

    /// Gets the answer.
    pub(super) async fn get(
        &self,
        own: &Arc<Own>,
        request: &mut Request<Body>,
        context: &mut Context,
    ) -> Result<Response<Body>, Fault> {
        if let Some(dynamic) = &self.dynamic
            && let Some(group) = named(dynamic, request, context)?
        {
            return Call::to(own, &group).run(request, context).await;
        }
        match &self.way {
            Way::Backends(group) => Call::to(own, group).run(request, context).await,
            Way::Functions(functions) => invoke(functions, own, request, context).await,
            Way::Mock => mock::answer(context.operation(), request.headers()),
            Way::Nowhere => {
                Err(Fault::new(fault::BAD_REQUEST).because("The request names no backend to be called"))
            }
        }
    }
}

/// The backend that a mediator has chosen, or else the one that the request's header names.
fn named(
    dynamic: &Dynamics,
    request: &mut Request<Body>,
    context: &Context,
) -> Result<Option<Arc<Group>>, Fault> {
    let header = dynamic.named(request.headers_mut())?;
    match context.slots.get::<Chosen>() {
        Some(Chosen::Url(url)) => dynamic.group(url).map(Some),
        _ => header.map(|url| dynamic.group(&url)).transpose(),
    }
}

async fn invoke(
    functions: &Functions,
    own: &Arc<Own>,
    request: &mut Request<Body>,
    context: &mut Context,
) -> Result<Response<Body>, Fault> {
    let (mut invocation, timeout) = functions.invocation(std::mem::take(request), context).await?;
    let group = &functions.group;
    let wait = Wait { time: timeout.unwrap_or(group.wait.time), ..group.wait };
    let response =
        Call { wait: &wait, made_here: true, ..Call::to(own, group) }.run(&mut invocation, context).await?;
    Ok(Functions::output(response))
}

fn check_examples(api: &Api) -> Result<(), BuildError> {
    for (number, operation) in api.operations.iter().enumerate() {
        mock::check(operation).map_err(|(index, why)| {
            BuildError::at("mock", format!("operations[{number}].examples[{index}]: {why}"))
        })?;
    }
    Ok(())
}
