//! How a fault looks to a caller that speaks gRPC: an answer of trailers only, with HTTP status 200 (gRPC over
//! HTTP/2, "Responses").

use apim_core::Body;
use apim_core::fault::Fault;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a caller speaks gRPC: `application/grpc`, perhaps with the form of its messages behind it.
pub(super) fn is_spoken(head: &request::Parts) -> bool {
    if head.version != http::Version::HTTP_2 {
        return false;
    }
    let media_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = media_type.and_then(|media_type| media_type.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]))
}

pub(super) fn answer(fault: &Fault) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status(fault.status())));
    let message = format!("{} {}", fault.code().number, fault.description());
    if let Ok(message) = HeaderValue::try_from(encoded(&message)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// Status codes of gRPC, after its own table for HTTP's ("HTTP to gRPC Status Code Mapping"). That maps what is
/// over a limit to 14, unavailable, which clients may try again at once; 8 says what it is.
fn status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 500 => "13",
        401 => "16",
        403 => "7",
        404 | 405 => "12",
        413 | 429 => "8",
        408 | 504 => "4",
        502 | 503 => "14",
        _ => "2",
    }
}

/// Percent-encodes what a header may not hold, and the percent sign.
fn encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_say_anything() {
        assert_eq!(encoded("100 % of \u{fc}\r\n"), "100 %25 of %C3%BC%0D%0A");
    }
}
