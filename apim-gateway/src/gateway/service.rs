//! The gateway as a tower service, to be mounted wherever one can be.

use std::convert::Infallible;
use std::task::{Context, Poll};

use apim_core::{Body, BoxError, BoxFuture, Fault, Peer, Worker};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, request};
use tower::Service;

use super::{Gateway, Sent};
use crate::server::Serve;
use crate::transport::hop;

impl Serve for Gateway {
    type Reply = Sent;

    async fn serve(&self, request: &mut Request<Body>, peer: Peer, worker: Worker) -> Sent {
        self.answer(request, peer, worker).await
    }

    fn refused(
        &self,
        head: &request::Parts,
        fault: Fault,
        peer: Peer,
        worker: Worker,
    ) -> Option<HeaderValue> {
        Some(self.note(head, fault, peer, worker))
    }

    #[cfg(feature = "otel")]
    fn shed(&self, request: &mut Request<Body>, peer: Peer, worker: Worker) {
        Self::shed(self, request, peer, worker);
    }
}

/// The peer is taken from the request's extensions, where whoever accepted the connection should put it;
/// without one it is unknown, and so is the client's address.
impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Our own server has done so already; of another it is not known.
        hop::clean_request(request.headers_mut());
        let unknown = Peer { address: ([0, 0, 0, 0], 0).into(), tls: false };
        let peer = request.extensions().get::<Peer>().copied().unwrap_or(unknown);
        let worker = request.extensions().get::<Worker>().copied().unwrap_or_default();
        let gateway = self.clone();
        Box::pin(async move { Ok(gateway.handle(request.map(Body::new), peer, worker).await) })
    }
}
