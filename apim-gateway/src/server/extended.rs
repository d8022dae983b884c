//! WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes the handshake of HTTP/1.1 that chain and
//! backends know, and its answer becomes one of HTTP/2 again.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, StatusCode};
use hyper::ext::Protocol;

use super::Reply;

/// What every server adds to a key to show that it speaks WebSocket (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that is under way.
pub(super) struct Handshake {
    /// What the backend must answer to the key.
    accept: String,
}

/// Whether a CONNECT asks for a WebSocket, and for nothing else.
pub(super) fn is_websocket<B>(request: &Request<B>) -> bool {
    request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

impl Handshake {
    /// Turns the request into one of HTTP/1.1. Its [`Protocol`] stays with it, as the sign that its stream can
    /// be handed over.
    pub(super) fn begin<B>(request: &mut Request<B>) -> Self {
        let mut nonce = [0; 16];
        // The key shows a backend's answer to be no cached one; without randomness it would still differ from
        // what anybody else sends.
        let _ = rand::fill(&mut nonce);
        let key = STANDARD.encode(nonce);
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
        let accept = accept(&key);
        if let Ok(key) = HeaderValue::try_from(key) {
            headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        Self { accept }
    }

    /// Turns the answer into one of HTTP/2. False if the backend agreed to something else than was asked.
    pub(super) fn end(&self, response: &mut impl Reply) -> bool {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // A success would open the stream to a backend that has not agreed to anything.
            return !response.status().is_success();
        }
        response.set_status(StatusCode::OK);
        let headers = response.headers_mut();
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
        headers.remove(SEC_WEBSOCKET_ACCEPT).is_some_and(|told| told.as_bytes() == self.accept.as_bytes())
    }
}

fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_as_the_standard_says() {
        // RFC 6455 section 1.3.
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
