//! Heads of messages, read.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Uri, Version, response};
use httparse::{Error, Header, Status};

use super::decoder::Decoder;
use super::{ReadError, names};

/// How many header lines are read without an allocation.
const USUAL: usize = 100;

/// Room for headers that are added to a request on its way: its ids.
const ADDED: usize = 2;

/// How many lines the smallest table has room for that is worth making. A larger one, of more than a kilobyte, costs
/// the allocator several times as much.
const LEAST: usize = 6;

/// What a request's head says of what comes after it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What follows; none if that could be read in two ways.
    pub(crate) body: Option<Decoder>,
    /// Whether the connection may stay afterwards.
    pub(crate) persistent: bool,
    /// Whether the body comes after a `100 Continue` only.
    pub(crate) expects: bool,
    /// Whether there is an `Upgrade`.
    pub(crate) upgrades: bool,
    /// Whether the client takes trailers.
    pub(crate) trailers: bool,
}

/// A response's head.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) head: response::Parts,
    /// Bytes that it took. What is left over, where a bare line feed has ended the head early, comes behind it.
    pub(crate) length: usize,
    pub(crate) body: Decoder,
    /// Whether the connection may stay afterwards.
    pub(crate) persistent: bool,
}

/// Reads a request's head, which ends with an empty line, into its place.
pub(crate) fn request<B>(head: &Bytes, most: usize, into: &mut Request<B>) -> Result<Asked, ReadError> {
    with_lines(most, |lines| {
        let mut parsed = httparse::Request::new(&mut []);
        let length = whole(parsed.parse_with_uninit_headers(head, lines))?;
        if length < head.len() || !parsed.headers.iter().all(|line| begins_behind_crlf(head, line)) {
            return Err(ReadError::Malformed("a line ends with a bare line feed"));
        }
        let version = version(parsed.version);
        let target = head.slice_ref(parsed.path.unwrap_or_default().as_bytes());
        *into.version_mut() = version;
        *into.method_mut() = method(parsed.method.unwrap_or_default())?;
        *into.uri_mut() =
            Uri::from_maybe_shared(target).map_err(|_| ReadError::Malformed("the target is no URI"))?;
        let framing = headers(head, parsed.headers, ADDED, into.headers_mut())?;
        Ok(Asked {
            body: framing.of_request(version),
            persistent: framing.is_persistent(version),
            expects: framing.expects && version == Version::HTTP_11,
            upgrades: framing.upgrades,
            trailers: framing.trailers,
        })
    })
}

/// Reads the head of the response to a request by this method.
pub(crate) fn response(head: &Bytes, method: &Method) -> Result<Answered, ReadError> {
    with_lines(USUAL, |lines| {
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let length = whole(config.parse_response_with_uninit_headers(&mut parsed, head, lines))?;
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.version = version(parsed.version);
        parts.status = StatusCode::from_u16(parsed.code.unwrap_or_default())
            .map_err(|_| ReadError::Malformed("the status is none"))?;
        let framing = headers(head, parsed.headers, 0, &mut parts.headers)?;
        let (body, sure) = framing.of_response(method, parts.status)?;
        let persistent = sure && framing.is_persistent(parts.version) && body != Decoder::UntilEnd;
        // How it came is not how it leaves.
        if framing.codings > 0 {
            parts.headers.remove(TRANSFER_ENCODING);
        }
        if !sure || framing.lengths > 1 {
            parts.headers.remove(CONTENT_LENGTH);
        }
        Ok(Answered { head: parts, length, body, persistent })
    })
}

/// Lends room for so many header lines.
fn with_lines<'h, R>(most: usize, parse: impl FnOnce(&mut [MaybeUninit<Header<'h>>]) -> R) -> R {
    if most <= USUAL {
        parse(&mut [const { MaybeUninit::uninit() }; USUAL][..most])
    } else {
        let mut lines = Vec::new();
        lines.resize_with(most, MaybeUninit::uninit);
        parse(&mut lines)
    }
}

/// How long a head is that ends where it is expected to end, or before.
fn whole(parsed: httparse::Result<usize>) -> Result<usize, ReadError> {
    match parsed {
        Ok(Status::Complete(length)) => Ok(length),
        Ok(Status::Partial) => Err(ReadError::Malformed("the head is not whole")),
        Err(Error::TooManyHeaders) => Err(ReadError::TooLarge),
        Err(Error::HeaderName) => Err(ReadError::Malformed("a header's name is none")),
        Err(Error::HeaderValue) => Err(ReadError::Malformed("a header's value is none")),
        Err(Error::Version) => Err(ReadError::Malformed("the version is not HTTP/1.1 or HTTP/1.0")),
        Err(_) => Err(ReadError::Malformed("the first line is no HTTP/1.1")),
    }
}

/// Whether the line before this one ends as it must. The parser takes a bare line feed for an end too; whoever does
/// sees other requests than who does not.
fn begins_behind_crlf(head: &[u8], line: &Header<'_>) -> bool {
    let at = line.name.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
    at.checked_sub(2).and_then(|before| head.get(before..at)) == Some(b"\r\n")
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 }
}

fn method(name: &str) -> Result<Method, ReadError> {
    name.parse().map_err(|_| ReadError::Malformed("the method is none"))
}

/// What the header lines say about the message's end and the connection's.
#[derive(Debug, Default)]
struct Framing {
    lengths: usize,
    codings: usize,
    /// The length, if all that tell one tell the same.
    length: u64,
    unclear: bool,
    close: bool,
    keep_alive: bool,
    expects: bool,
    upgrades: bool,
    trailers: bool,
}

/// Reads header lines into a table with room for some more. Copies no value: each is a piece of the head.
fn headers(
    head: &Bytes,
    lines: &[Header<'_>],
    added: usize,
    headers: &mut HeaderMap,
) -> Result<Framing, ReadError> {
    let mut framing = Framing::default();
    *headers = HeaderMap::with_capacity((lines.len() + added).max(LEAST));
    names::with(|names| {
        for line in lines {
            let name = names
                .read(line.name.as_bytes())
                .map_err(|_| ReadError::Malformed("a header's name is none"))?;
            if framing.look(&name, line) == Meaning::Spent {
                continue;
            }
            let value = HeaderValue::from_maybe_shared(head.slice_ref(line.value))
                .map_err(|_| ReadError::Malformed("a header's value is none"))?;
            headers.append(name, value);
        }
        Ok(framing)
    })
}

/// Whether a header line still means something to others.
#[derive(PartialEq, Eq)]
enum Meaning {
    Lasting,
    /// It was about this connection alone, and has been heeded.
    Spent,
}

impl Framing {
    fn look(&mut self, name: &HeaderName, line: &Header<'_>) -> Meaning {
        if *name == CONTENT_LENGTH {
            self.length(line.value);
        } else if *name == TRANSFER_ENCODING {
            self.codings += 1;
            // Any other coding would have to be undone here, and nobody sends one.
            self.unclear |= !line.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        } else if *name == CONNECTION {
            return self.connection(line.value);
        } else if *name == UPGRADE {
            self.upgrades = true;
        } else if *name == TE {
            let mut tokens = line.value.split(|byte| *byte == b',');
            self.trailers |= tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"));
        } else if *name == EXPECT {
            self.expects |= line.value.eq_ignore_ascii_case(b"100-continue");
        } else {
            // Backends that read CGI variables cannot tell an underscore from a hyphen; we can.
            self.unclear |= is_like(line.name, "content-length") || is_like(line.name, "transfer-encoding");
        }
        Meaning::Lasting
    }

    fn connection(&mut self, value: &[u8]) -> Meaning {
        let mut meaning = Meaning::Spent;
        for token in value.split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if !token.is_empty() {
                // An upgrade, or the name of a header that goes with the connection.
                meaning = Meaning::Lasting;
            }
        }
        meaning
    }

    fn length(&mut self, value: &[u8]) {
        self.lengths += 1;
        let text = std::str::from_utf8(value).ok();
        let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse().ok());
        self.unclear |= length.is_none() || (self.lengths > 1 && length != Some(self.length));
        self.length = length.unwrap_or_default();
    }

    fn of_request(&self, version: Version) -> Option<Decoder> {
        match (self.lengths, self.codings) {
            _ if self.unclear => None,
            (0, 0) => Some(Decoder::length(0)),
            (1, 0) => Some(Decoder::length(self.length)),
            // HTTP/1.0 knows no codings, and who reads it as HTTP/1.0 sees another request (section 6.1).
            (0, 1) if version == Version::HTTP_11 => Some(Decoder::chunked()),
            _ => None,
        }
    }

    /// What follows a response's head, and whether nothing spoke against it (section 6.3).
    fn of_response(&self, method: &Method, status: StatusCode) -> Result<(Decoder, bool), ReadError> {
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || *method == Method::HEAD;
        match (self.lengths, self.codings) {
            _ if self.unclear || self.codings > 1 => {
                Err(ReadError::Malformed("what length the body has can be read in two ways"))
            }
            _ if bodiless => Ok((Decoder::length(0), true)),
            (0, 0) => Ok((Decoder::UntilEnd, true)),
            (_, 0) => Ok((Decoder::length(self.length), true)),
            (lengths, _) => Ok((Decoder::chunked(), lengths == 0)),
        }
    }

    fn is_persistent(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// Whether a name is this one to those who take underscores for hyphens. The names that are this one to everybody
/// have been told apart already.
fn is_like(name: &str, this: &str) -> bool {
    let like = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == this.len() && name.bytes().map(like).eq(this.bytes())
}

/// Whether a trailer must not be one: what says how a message ends and where it goes comes before its body
/// (RFC 9110 section 6.5.1). Who merges trailers into headers would read another message.
pub(super) fn may_trail(name: &HeaderName) -> bool {
    let name = name.as_str();
    !["content-length", "transfer-encoding", "host", "authorization"].iter().any(|this| is_like(name, this))
}

/// Reads trailers, which end with an empty line.
pub(super) fn trailers(bytes: &[u8]) -> Result<HeaderMap, ReadError> {
    let mut lines = [httparse::EMPTY_HEADER; USUAL];
    let lines = match httparse::parse_headers(bytes, &mut lines) {
        Ok(Status::Complete((_, lines))) => lines,
        Err(Error::TooManyHeaders) => return Err(ReadError::TooLarge),
        _ => return Err(ReadError::Malformed("a trailer is no header")),
    };
    let mut trailers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let value = HeaderValue::from_bytes(line.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(ReadError::Malformed("a trailer is no header"));
        };
        if !may_trail(&name) {
            return Err(ReadError::Malformed("a trailer frames or addresses the message"));
        }
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Reads a head with at most so many lines.
    fn ask(head: &Bytes, most: usize) -> Result<(Request<()>, Asked), ReadError> {
        let mut request = Request::new(());
        super::request(head, most, &mut request).map(|asked| (request, asked))
    }

    fn body(lines: &str) -> Option<Decoder> {
        let head = Bytes::from(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"));
        ask(&head, 100).unwrap().1.body
    }

    #[test]
    fn ordinary_requests_are_read() {
        let head =
            Bytes::from_static(b"GET /a?b HTTP/1.0\r\nHost: a\r\nX-Y:  z \r\nConnection: Keep-Alive\r\n\r\n");
        let (request, asked) = ask(&head, 100).unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::GET, "/a?b".to_owned()));
        assert_eq!((request.version(), asked.persistent), (Version::HTTP_10, true));
        assert_eq!(request.headers()["x-y"], "z");
        assert_eq!(asked.body, Some(Decoder::length(0)));
        assert_eq!(body("Content-Length: 3"), Some(Decoder::length(3)));
        assert_eq!(body("Transfer-Encoding: Chunked"), Some(Decoder::chunked()));
    }

    #[test]
    fn two_ways_to_end_a_body_are_none() {
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3, 3",
            "Content-Length: +3",
            "Content-Length: 0x3",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content_Length: 3",
            "TRANSFER_encoding: chunked",
        ] {
            assert_eq!(body(lines), None, "{lines}");
        }
        let old = Bytes::from_static(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(ask(&old, 100).unwrap().1.body, None);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for head in [
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /\r\n\r\n",
            "G(T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n X: y\r\n\r\n",
            "GET / HTTP/1.1\r\nX : y\r\n\r\n",
            "GET / HTTP/1.1\r\nX: y\r\n z\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nX\r\n\r\n",
        ] {
            assert!(matches!(ask(&head.into(), 100), Err(ReadError::Malformed(_))), "{head:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));
        assert!(matches!(ask(&many.into(), 100), Err(ReadError::TooLarge)));
    }

    #[test]
    fn a_response_says_how_it_ends() {
        let read =
            |method: &Method, text: &'static str| response(&Bytes::from_static(text.as_bytes()), method);
        let get = |text| read(&Method::GET, text).map(|answered| (answered.body, answered.persistent));
        assert_eq!(get("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").unwrap(), (Decoder::length(3), true));
        assert_eq!(get("HTTP/1.1 200 OK\r\n\r\n").unwrap(), (Decoder::UntilEnd, false));
        assert_eq!(get("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), (Decoder::length(0), true));
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(get(both).unwrap(), (Decoder::chunked(), false));
        assert!(get("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n").is_err());
        assert!(get("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n").is_err());
        let head = read(&Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").unwrap();
        assert_eq!(
            (head.body, &head.head.headers[CONTENT_LENGTH]),
            (Decoder::length(0), &"3".parse().unwrap())
        );
    }
}
