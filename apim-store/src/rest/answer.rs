//! What a handler gives back.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::page::{Found, Page};

/// A handler's answer.
#[derive(Debug)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Content,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    /// A list, whose links need the request's path and query.
    Page(Value, Page),
    Bytes(Bytes),
}

impl Answer {
    fn new(status: StatusCode, body: Content) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// 200 with a document.
    pub fn ok(document: impl Into<Value>) -> Self {
        Self::new(StatusCode::OK, Content::Json(document.into()))
    }

    /// 200 without a body.
    pub fn done() -> Self {
        Self::new(StatusCode::OK, Content::Empty)
    }

    /// 201 with a document.
    pub fn created(document: impl Into<Value>) -> Self {
        Self::new(StatusCode::CREATED, Content::Json(document.into()))
    }

    /// 200 with bytes of some media type.
    pub fn bytes(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let answer = Self::new(StatusCode::OK, Content::Bytes(bytes.into()));
        answer.header(header::CONTENT_TYPE, media_type)
    }

    /// 200 with one page of a list, in the contract's envelope.
    pub fn page<T>(found: Found<T>, entry: impl FnMut(&T) -> Value) -> Self {
        Self::page_of("list", found, entry)
    }

    /// The same, where the contract has another name for the list.
    pub fn page_of<T>(name: &str, found: Found<T>, entry: impl FnMut(&T) -> Value) -> Self {
        let (envelope, page) = found.envelope(name, entry);
        Self::new(StatusCode::OK, Content::Page(envelope, page))
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With the version as a strong `ETag`.
    #[must_use]
    pub fn etag(self, version: i64) -> Self {
        self.header(header::ETAG, &format!("\"{version}\""))
    }

    /// With the path, below the contract's base, of what was made.
    #[must_use]
    pub fn location(self, path: &str) -> Self {
        self.header(header::LOCATION, path)
    }

    /// With a header. A value that cannot stand in one is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn find(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// On the wire.
    pub(crate) fn render(self) -> Response {
        let json = matches!(self.body, Content::Json(_) | Content::Page(..));
        let body = match self.body {
            Content::Empty => Body::empty(),
            Content::Json(value) | Content::Page(value, _) => Body::from(value.to_string()),
            Content::Bytes(bytes) => Body::from(bytes),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if json {
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        response.headers_mut().extend(self.headers);
        response
    }
}
