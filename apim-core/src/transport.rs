//! Transports: both directions of one scheme.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;

use crate::handler::Route;
use crate::model::Endpoint;
use crate::{BoxError, BoxFuture};

/// A way to receive requests and to send them on, as `http` or `amqp`.
///
/// Both methods are cold: `serve` runs for the life of a listener, `connect` is called when an API is
/// deployed. `connect` answers a tower service, so pools, balance and retries are layers over it.
///
/// ```
/// use apim_core::handler::Route;
/// use apim_core::model::Endpoint;
/// use apim_core::transport::{Transport, TransportError};
/// use apim_core::Body;
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
///     async fn connect(&self, _: &Endpoint) -> Result<Route, TransportError> {
///         Ok(Route::new(|request| async { Response::new(request.into_body()) }))
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The scheme of the endpoints it serves, in lower case.
    fn scheme(&self) -> &str;

    /// Receives requests and gives them to `routes` until `shutdown` is ready; then finishes those it has
    /// and returns. The default is a transport that only sends.
    async fn serve(&self, _routes: Route, _shutdown: Shutdown) -> Result<(), TransportError> {
        Err(TransportError::OutboundOnly)
    }

    /// Prepares to send to an endpoint.
    ///
    /// # Errors
    ///
    /// [`TransportError::Endpoint`] if it can never work, which refuses the deployment. A backend that is
    /// merely away is not an error here.
    async fn connect(&self, endpoint: &Endpoint) -> Result<Route, TransportError>;
}

/// Why a transport cannot serve or connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// It cannot receive.
    #[error("this transport only sends")]
    OutboundOnly,
    /// The endpoint breaks a rule of the scheme.
    #[error("{0}")]
    Endpoint(String),
    /// Something else failed.
    #[error("the transport failed")]
    Failed(#[source] BoxError),
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
