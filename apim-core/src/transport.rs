//! Transports: how requests reach endpoints whose scheme the gateway does not speak itself.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;

use crate::handler::Route;
use crate::model::Endpoint;
use crate::{BoxFuture, BuildError};

/// Sends requests to the endpoints of one scheme, as `unix` or `amqp`.
///
/// A gateway speaks `http`, `https`, `ws` and `wss` itself. An API with an endpoint of another scheme is deployed if
/// the gateway's configuration names a transport of that scheme; of such an endpoint only the URL and the time-out
/// count. To receive by another protocol, call the gateway, which is a tower service.
///
/// [`connect`](Self::connect) is called once for each endpoint when an API is deployed, and may wait. It answers a
/// tower service, so pools, balance and retries are layers over it. That service is called for each request:
///
/// * The URI's path and query are those below the API's context; what the endpoint's own path means is the
///   transport's business. Headers that mean one hop only are gone, and `X-Forwarded-*` say what the gateway knows.
/// * The body streams in, and the response's body streams out. A copy of the [`Context`](crate::Context) is in the
///   request's extensions.
/// * Its future is dropped when the client goes away, or the endpoint's time is over.
/// * Whoever has a [`Rescue`](crate::fault::Rescue), which [`Parts`](crate::Parts) of a gateway hold as
///   `Arc<dyn Rescue>`, makes of a service that fails with a [`Fault`](crate::Fault) one that does not, by
///   [`Route::from_service`].
///
/// ```
/// use apim_core::handler::Route;
/// use apim_core::model::Endpoint;
/// use apim_core::{Body, BuildError, Transport};
/// use http::Response;
///
/// /// `echo:` sends a request's body back.
/// struct Echo;
///
/// #[apim_core::async_trait]
/// impl Transport for Echo {
///     fn scheme(&self) -> &str {
///         "echo"
///     }
///     async fn connect(&self, _: &Endpoint) -> Result<Route, BuildError> {
///         Ok(Route::new(|request| async { Response::new(request.into_body()) }))
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The scheme of the endpoints it serves, in lower case.
    fn scheme(&self) -> &str;

    /// Prepares to send to an endpoint.
    ///
    /// # Errors
    ///
    /// If it can never work, which refuses the deployment; the path is the place in the endpoint, as `url`. A
    /// backend that is merely away is not an error here.
    async fn connect(&self, endpoint: &Endpoint) -> Result<Route, BuildError>;
}

/// Becomes ready when it is time to stop.
pub struct Shutdown(BoxFuture<'static, ()>);

impl Shutdown {
    /// From whatever becomes ready then.
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Shutdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shutdown")
    }
}
