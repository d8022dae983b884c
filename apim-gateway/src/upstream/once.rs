//! One request on a connection of its own: for tokens and health checks, which are few.

use std::time::Duration;

use apim_core::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::transport::dial::{self, Destination};

/// Bytes of a body that are read.
const MOST: usize = 64 << 10;

/// Connects, sends, and reads the answer, all within so much time. `http2` means by prior knowledge; over TLS the
/// other side chooses.
pub(crate) async fn ask(
    to: &Destination,
    http2: bool,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> Result<Response<Bytes>, BoxError> {
    let exchange = async {
        let stream = dial::dial(to, within).await?;
        let speaks_h2 = stream.is_h2() || (http2 && to.tls.is_none());
        let io = TokioIo::new(stream);
        let response = if speaks_h2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await;
            (response?, Ends(connection.abort_handle()))
        } else {
            let (mut sender, connection) = http1::handshake(io).await?;
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await;
            (response?, Ends(connection.abort_handle()))
        };
        let ((head, body), _ends) = (response.0.into_parts(), response.1);
        let body = Limited::new(body, MOST).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    match tokio::time::timeout(within, exchange).await {
        Ok(answered) => answered,
        Err(_) => Err(format!("no answer within {within:?}").into()),
    }
}

/// Ends a connection's task with the exchange it was for.
struct Ends(tokio::task::AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}
