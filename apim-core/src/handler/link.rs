//! A member of a chain: a handler, a filter, or a tower layer.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt as _};

use super::{Async, Erased, Filter, Handler, Plain, Prompt, Stepwise};
use crate::body::Body;
use crate::exchange::{Answer, Context, Exchange};
use crate::fault::Rescue;
use crate::{BoxError, BoxFuture, unwind};

/// A tower service from request to response that never fails and can be cloned: what layers wrap, and what
/// transports serve and connect to.
#[derive(Clone)]
pub struct Route(Arc<Call>);

type Call = dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync;

impl Route {
    /// From a function.
    pub fn new<F, Fut>(call: F) -> Self
    where
        F: Fn(Request<Body>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(call(request))))
    }

    /// From a tower service. Its errors become answers through `rescue`.
    pub fn from_service<S, B>(service: S, rescue: Arc<dyn Rescue>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::new(move |request: Request<Body>| {
            // The context's copy, to have something to say about if the layer fails and loses it.
            let context = request.extensions().get::<Box<Context>>().cloned();
            let service = service.clone();
            let rescue = rescue.clone();
            async move {
                match service.oneshot(request).await {
                    Ok(response) => response.map(Body::new),
                    Err(error) => {
                        let fault = rescue.foreign(error.into());
                        match context {
                            Some(mut context) => {
                                let mut response = rescue.rescue(&fault, &context);
                                context.fault = Some(Arc::new(fault));
                                response.extensions_mut().insert(context);
                                response
                            }
                            None => {
                                let mut response = Response::new(Body::empty());
                                *response.status_mut() = fault.status();
                                response
                            }
                        }
                    }
                }
            }
        })
    }

    /// Calls it with an exchange. The context travels as a copy in the extensions of request and response, and the
    /// original waits here. `name` answers for a panic, and for a response that comes without the copy.
    pub async fn pass(&self, mut exchange: Exchange, name: &'static str, rescue: &dyn Rescue) -> Answer {
        let mut request = exchange.take_request();
        request.extensions_mut().insert(Box::new(exchange.context().clone()));
        let mut response = match unwind::wait(self.call(request)).await {
            Ok(response) => response,
            Err(panicked) => {
                exchange.context_mut().answered_by = Some(name);
                return exchange.fail(panicked.fault(name), rescue);
            }
        };
        // A layer that answered by itself returns no copy; the original knows enough then.
        match response.extensions_mut().remove::<Box<Context>>() {
            Some(mut copy) => exchange.context_mut().catch_up(&mut copy),
            None => exchange.context_mut().answered_by = Some(name),
        }
        exchange.answer(response)
    }

    /// Calls it.
    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        (self.0)(request).await
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Route")
    }
}

impl Service<Request<Body>> for Route {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = (self.0)(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

/// A member of a chain, to be named from configuration or put there in code.
#[derive(Clone)]
pub struct Link {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    shared: bool,
}

#[derive(Clone)]
pub(super) enum Kind {
    Phase(Arc<dyn Erased>),
    Layer(Arc<dyn Fn(Route, Arc<dyn Rescue>) -> Route + Send + Sync>),
}

impl Link {
    /// A handler.
    pub fn handler(handler: impl Handler) -> Self {
        Self::of("handler", Kind::Phase(Arc::new(Async(handler))))
    }

    /// A handler that never waits.
    pub fn filter(filter: impl Filter) -> Self {
        Self::of("filter", Kind::Phase(Arc::new(Plain(filter))))
    }

    /// A handler that seldom waits.
    pub fn prompt(handler: impl Prompt) -> Self {
        Self::of("prompt", Kind::Phase(Arc::new(Stepwise(handler))))
    }

    /// Any tower layer over [`Route`], whatever body and error it makes of it.
    ///
    /// It costs about a dozen allocations, where a filter costs none; so it is for what only tower has.
    ///
    /// ```
    /// use apim_core::Link;
    /// use std::time::Duration;
    /// use http::StatusCode;
    /// use tower_http::timeout::TimeoutLayer;
    ///
    /// let link = Link::layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5)));
    /// ```
    pub fn layer<L, B>(layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let wrap = move |inner, rescue| Route::from_service(layer.layer(inner), rescue);
        Self::of("layer", Kind::Layer(Arc::new(wrap)))
    }

    fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, shared: false }
    }

    /// Says that it is the same whatever API it is built for, as it learns what it must know of an API from the
    /// context. A gateway then has the one that it built first serve all APIs: what every call walks through stays
    /// in the processor's caches, however many APIs there are.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Whether it is the same whatever API it is built for.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Gives it the name that records of refusals show.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.name)
    }
}
