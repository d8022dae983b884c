//! The inner end of every pipeline.

use std::fmt;
use std::sync::Arc;

use apim_core::fault::Rescue;
use apim_core::{Answer, Backend, BoxFuture, Exchange, Fault, fault};
use http::Response;

use crate::upstream::Upstream;

/// Gets the answer, if all was decided that has to be.
///
/// A list of links is configuration, and configuration may forget the link that authenticates. So the last
/// step of every pipeline asks for what nobody may call a backend without: an operation and a principal.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) backend: Kind,
    pub(crate) rescue: Arc<dyn Rescue>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    /// The APIs' endpoints.
    Upstream(Upstream),
    /// Whatever the gateway was given instead.
    Other(Arc<dyn Erased>),
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

impl Backend for Origin {
    async fn call(&self, exchange: Exchange) -> Answer {
        let context = exchange.context();
        if context.operation().is_none() || context.principal.is_none() {
            let mut answer = exchange.answer(Response::default());
            let forgotten = "no link has found an operation and a principal; is `authentication` missing?";
            answer.fail(Fault::new(fault::UNCLASSIFIED).detail(forgotten), &*self.rescue);
            return answer;
        }
        match &self.backend {
            Kind::Upstream(upstream) => Backend::call(upstream, exchange).await,
            Kind::Other(backend) => backend.call(exchange).await,
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin")
    }
}
