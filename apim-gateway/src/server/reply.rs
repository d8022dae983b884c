//! What is sent to a client.

use apim_core::BoxError;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, response};

/// An answer: a body that has a head, too.
///
/// What this server writes itself it writes from where it stands, so that an answer need not be moved from hand to
/// hand; any [`Response`] is one.
pub trait Reply: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {
    /// Its status.
    fn status(&self) -> StatusCode;
    /// Gives it another.
    fn set_status(&mut self, status: StatusCode);
    /// Its headers.
    fn headers(&self) -> &HeaderMap;
    /// Its headers.
    fn headers_mut(&mut self) -> &mut HeaderMap;
    /// Takes the head off, for protocols that others write; an empty one stays.
    fn take_head(&mut self) -> response::Parts;
}

impl<B> Reply for Response<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    fn status(&self) -> StatusCode {
        Response::status(self)
    }

    fn set_status(&mut self, status: StatusCode) {
        *self.status_mut() = status;
    }

    fn headers(&self) -> &HeaderMap {
        Response::headers(self)
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        Response::headers_mut(self)
    }

    fn take_head(&mut self) -> response::Parts {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = Response::status(self);
        head.headers = std::mem::take(Response::headers_mut(self));
        head.extensions = std::mem::take(self.extensions_mut());
        head
    }
}
