//! Messages, written.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};

use super::head::may_trail;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// There is none, whatever the message has.
    Nothing,
    /// So many bytes are still to be written.
    Length(u64),
    /// In chunks. With or without trailers.
    Chunked { trailers: bool },
    /// Its end is the connection's.
    UntilEnd,
}

/// What a body must not do to its message.
#[derive(Debug, thiserror::Error)]
#[error("the body has not the length that its message says")]
pub(crate) struct WrongLength;

impl Coding {
    /// The pieces that `data` is written as: what goes before it, and what behind.
    pub(crate) fn frame(&mut self, out: &mut Vec<u8>, data: &Bytes) -> Result<&'static [u8], WrongLength> {
        match self {
            Self::Nothing | Self::UntilEnd => Ok(b""),
            Self::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(WrongLength)?;
                Ok(b"")
            }
            // An empty chunk would be the last one.
            Self::Chunked { .. } if data.is_empty() => Ok(b""),
            Self::Chunked { .. } => {
                hexadecimal(out, data.len());
                Ok(b"\r\n")
            }
        }
    }

    /// Writes what ends a body.
    pub(crate) fn end(self, out: &mut Vec<u8>, trailers: Option<&HeaderMap>) -> Result<(), WrongLength> {
        match self {
            Self::Nothing | Self::Length(0) | Self::UntilEnd => Ok(()),
            Self::Length(_) => Err(WrongLength),
            Self::Chunked { trailers: wanted } => {
                out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.filter(|_| wanted).into_iter().flatten() {
                    if may_trail(name) {
                        line(out, name, value);
                    }
                }
                out.extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }

    /// Whether everything that was announced has been written.
    pub(crate) fn is_ended(self) -> bool {
        matches!(self, Self::Nothing | Self::Length(0))
    }
}

/// Where a request goes, and what its backend is told beside its headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address<'a> {
    /// What stands before its path.
    pub(crate) base: &'a str,
    /// Instead of the `Host` that the client has sent.
    pub(crate) host: &'a HeaderValue,
    /// Whom it comes from, unless its headers tell. `X-Forwarded-Host` is the client's `Host`.
    pub(crate) client: Option<Forwarded<'a>>,
}

/// What `X-Forwarded-For` and `X-Forwarded-Proto` say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forwarded<'a> {
    pub(crate) address: &'a HeaderValue,
    pub(crate) proto: &'static str,
}

/// Writes a request's head; answers how its body goes. `length` is the body's, if it is known.
pub(crate) fn request(
    out: &mut Vec<u8>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    to: Address<'_>,
    length: Option<u64>,
) -> Coding {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    out.extend_from_slice(to.base.as_bytes());
    let is_whole = path.starts_with('/') || (to.base.is_empty() && path == "*");
    if !is_whole {
        out.push(b'/');
    }
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(to.host.as_bytes());
    out.extend_from_slice(b"\r\n");
    if let Some(Forwarded { address, proto }) = to.client {
        out.extend_from_slice(b"x-forwarded-for: ");
        out.extend_from_slice(address.as_bytes());
        out.extend_from_slice(b"\r\nx-forwarded-proto: ");
        out.extend_from_slice(proto.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in headers {
        if *name == HOST {
            if to.client.is_some() {
                out.extend_from_slice(b"x-forwarded-");
                line(out, name, value);
            }
        } else if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            line(out, name, value);
        }
    }
    let coding = match length {
        // Methods for which a body means something say that there is none (RFC 9110 section 8.6).
        Some(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => Coding::Nothing,
        Some(length) => {
            content_length(out, length);
            Coding::Length(length)
        }
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Coding::Chunked { trailers: true }
        }
    };
    out.extend_from_slice(b"\r\n");
    coding
}

/// What a response answers, as far as that decides how it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    /// Whether the request was a HEAD.
    pub(crate) head: bool,
    /// Whether it came by HTTP/1.0.
    pub(crate) old: bool,
    /// Whether its client takes trailers.
    pub(crate) trailers: bool,
}

/// Writes a response's head; answers how its body goes. `length` is the body's, if it is known; `date` is what
/// `Date` shall say; `stays` is whether the connection does, which the head may say otherwise.
pub(crate) fn response(
    out: &mut Vec<u8>,
    (status, headers): (StatusCode, &HeaderMap),
    length: Option<u64>,
    to: Question,
    date: &[u8],
    stays: &mut bool,
) -> Coding {
    status_line(out, status);
    let (mut given, mut dated) = (None, false);
    for (name, value) in headers {
        if *name == CONTENT_LENGTH {
            given = value.to_str().ok().and_then(|text| text.parse().ok());
            continue;
        } else if *name == TRANSFER_ENCODING {
            continue;
        } else if *name == CONNECTION {
            *stays &= !value.as_bytes().eq_ignore_ascii_case(b"close");
            if status != StatusCode::SWITCHING_PROTOCOLS {
                continue;
            }
        } else if *name == DATE {
            dated = true;
        }
        line(out, name, value);
    }
    if !dated {
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
    }
    let coding = match status {
        _ if status.is_informational() || status == StatusCode::NO_CONTENT => Coding::Nothing,
        StatusCode::NOT_MODIFIED => announced(out, given),
        _ if to.head => announced(out, given.or(length.filter(|length| *length > 0))),
        _ => match length.or(given) {
            Some(length) => {
                content_length(out, length);
                Coding::Length(length)
            }
            None if to.old => Coding::UntilEnd,
            None => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Coding::Chunked { trailers: to.trailers }
            }
        },
    };
    *stays &= coding != Coding::UntilEnd;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        if !*stays {
            out.extend_from_slice(b"connection: close\r\n");
        } else if to.old {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    coding
}

/// The length of a body that is not sent.
fn announced(out: &mut Vec<u8>, length: Option<u64>) -> Coding {
    if let Some(length) = length {
        content_length(out, length);
    }
    Coding::Nothing
}

fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    let (mut digits, mut at, mut left) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The line before a chunk.
fn hexadecimal(out: &mut Vec<u8>, number: usize) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (digit * 4)) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{Request, Response};

    use super::*;

    const ASKED: Question = Question { head: false, old: false, trailers: false };

    fn answer(
        response: http::response::Builder,
        length: Option<u64>,
        to: Question,
    ) -> (String, Coding, bool) {
        let response = response.body(()).unwrap();
        let head = (response.status(), response.headers());
        let (mut out, mut stays) = (Vec::new(), true);
        let coding = super::response(&mut out, head, length, to, b"today", &mut stays);
        (String::from_utf8(out).unwrap().replace("date: today\r\n", ""), coding, stays)
    }

    #[test]
    fn a_response_is_framed_as_its_body_and_its_client_need_it() {
        let ok = || Response::builder();
        let told = answer(ok(), Some(5), ASKED);
        assert_eq!(told, ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".into(), Coding::Length(5), true));
        let (text, coding, _) = answer(ok(), None, ASKED);
        assert_eq!(text, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(coding, Coding::Chunked { trailers: false });
        let (text, coding, stays) = answer(ok(), None, Question { old: true, ..ASKED });
        assert_eq!(
            (text.as_str(), coding, stays),
            ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", Coding::UntilEnd, false)
        );
        let (text, coding, _) =
            answer(ok().header("content-length", 7), Some(0), Question { head: true, ..ASKED });
        assert_eq!(
            (text.as_str(), coding),
            ("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", Coding::Nothing)
        );
        let (text, coding, _) = answer(ok().status(204), None, ASKED);
        assert_eq!((text.as_str(), coding), ("HTTP/1.1 204 No Content\r\n\r\n", Coding::Nothing));
        let (text, _, stays) = answer(ok().header("connection", "close"), Some(0), ASKED);
        assert_eq!(
            (text.as_str(), stays),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", false)
        );
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let write = |method: &str, length| {
            let request = Request::builder().method(method).uri("/a?b").header("host", "public");
            let (head, ()) = request.header("content-length", 9).body(()).unwrap().into_parts();
            let (mut out, host) = (Vec::new(), HeaderValue::from_static("h"));
            let to = Address { base: "/v2", host: &host, client: None };
            super::request(&mut out, &head.method, &head.uri, &head.headers, to, length);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(write("GET", Some(0)), "GET /v2/a?b HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(write("POST", Some(0)), "POST /v2/a?b HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(
            write("GET", None),
            "GET /v2/a?b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn a_backend_is_told_whom_a_request_comes_from() {
        let request = Request::builder().uri("/a").header("host", "public").header("accept", "*/*");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let (host, address) = (HeaderValue::from_static("h"), HeaderValue::from_static("192.0.2.1"));
        let client = Some(Forwarded { address: &address, proto: "https" });
        let mut out = Vec::new();
        super::request(
            &mut out,
            &head.method,
            &head.uri,
            &head.headers,
            Address { base: "", host: &host, client },
            Some(0),
        );
        let expected = "GET /a HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n\
            x-forwarded-host: public\r\naccept: */*\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_body_is_as_long_as_announced() {
        let mut out = Vec::new();
        let mut length = Coding::Length(3);
        assert_eq!(length.frame(&mut out, &Bytes::from_static(b"ab")).unwrap(), b"");
        assert!(length.end(&mut out, None).is_err());
        assert!(length.frame(&mut out, &Bytes::from_static(b"ab")).is_err());
        let mut chunked = Coding::Chunked { trailers: true };
        let tail = chunked.frame(&mut out, &Bytes::from_static(&[b'x'; 300])).unwrap();
        assert_eq!((out.as_slice(), tail), (&b"12c\r\n"[..], &b"\r\n"[..]));
        out.clear();
        let trailers = [("x-sum", "1"), ("host", "evil")]
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        chunked.end(&mut out, Some(&trailers.into_iter().collect())).unwrap();
        assert_eq!(out, b"0\r\nx-sum: 1\r\n\r\n");
    }
}
