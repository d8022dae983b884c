//! The inner end of every pipeline.

use std::fmt;
use std::sync::Arc;

use apim_core::fault::Rescue;
use apim_core::model::Api;
use apim_core::{Answer, Backend, BoxFuture, BuildError, Exchange, Fault, fault};

use super::foreign::{Foreign, Transports};
use crate::fetch::Fetch;
use crate::upstream::{self, ApiUpstream, Known, Upstream};

/// Gets the answer, if all was decided that has to be.
///
/// A list of links is configuration, and configuration may forget the link that authenticates. So the last
/// step of every pipeline asks for what nobody may call a backend without: an operation and a principal.
pub(crate) struct Origin {
    backend: Kind,
    foreign: Option<Box<Foreign>>,
    rescue: Arc<dyn Rescue>,
}

enum Kind {
    /// The API's endpoints.
    Endpoints(ApiUpstream),
    /// Whatever the gateway was given instead.
    Other(Arc<dyn Erased>),
}

/// Where the answers of all APIs come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// The APIs' endpoints.
    Endpoints(Upstream),
    /// Whatever the gateway was given instead.
    Other(Arc<dyn Erased>),
}

impl Source {
    /// The inner end of one API's pipeline.
    pub(crate) async fn origin(
        &self,
        api: &Api,
        known: &Known,
        transports: &Transports,
        rescue: Arc<dyn Rescue>,
    ) -> Result<Origin, BuildError> {
        let mut foreign = None;
        let backend = match self {
            Self::Endpoints(upstream) => match transports.connect(api, &rescue).await? {
                None => Kind::Endpoints(upstream.serve_again(api, known)?),
                Some(found) => {
                    let own = found.others(api);
                    foreign = Some(Box::new(found));
                    Kind::Endpoints(upstream.serve_again(&own, known)?)
                }
            },
            Self::Other(backend) => {
                // An API that would be refused elsewhere is refused here, too.
                for (place, endpoint) in api.endpoints.all().filter(|(_, it)| transports.of(it).is_none()) {
                    upstream::check(endpoint).map_err(|error| error.within(&place).within("endpoints"))?;
                }
                Kind::Other(backend.clone())
            }
        };
        Ok(Origin { backend, foreign, rescue })
    }
}

/// The object-safe twin of [`Backend`].
pub(crate) trait Erased: Send + Sync {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Answer>;
}

impl<B: Backend> Erased for B {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Answer> {
        Box::pin(Backend::call(self, exchange))
    }
}

impl Origin {
    /// Asks for what a call is about to look at.
    pub(crate) fn fetch(&self, fetch: &mut Fetch) {
        if let Kind::Endpoints(upstream) = &self.backend {
            upstream.fetch(fetch);
        }
    }
}

impl Backend for Origin {
    #[inline(always)]
    async fn call(&self, mut exchange: Exchange) -> Answer {
        let context = exchange.context_mut();
        if context.operation().is_none() || context.principal.is_none() {
            context.answered_by = Some("origin");
            let forgotten = "no link has found an operation and a principal; is `authentication` missing?";
            let fault = Fault::new(fault::UNCLASSIFIED).detail(forgotten);
            return exchange.fail(fault, &*self.rescue);
        }
        match self.foreign.as_ref().map(|foreign| foreign.choose(exchange.context())) {
            // Boxed, since few calls go this way and all would pay for its size.
            Some(Ok(Some(connected))) => return Box::pin(connected.call(exchange, &*self.rescue)).await,
            Some(Err(fault)) => return exchange.fail(fault, &*self.rescue),
            Some(Ok(None)) | None => {}
        }
        match &self.backend {
            Kind::Endpoints(upstream) => Backend::call(upstream, exchange).await,
            Kind::Other(backend) => backend.call(exchange).await,
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin")
    }
}
