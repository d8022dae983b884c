//! One request to an endpoint, read in full and bounded.

use std::net::IpAddr;
use std::time::Duration;

use apim_core::password::Credentials;
use apim_core::{BoxError, Peer};
use bytes::Bytes;
use http::{HeaderMap, header, request};
use http_body_util::{BodyExt as _, Limited};

use crate::error::{Kind, OAuthError};
use crate::form::Form;

/// No legitimate request to an authorization server is larger.
const LARGEST_BODY: usize = 64 * 1024;

/// A body that small arrives in less, or its sender means no good.
const LONGEST_READ: Duration = Duration::from_secs(10);

/// A request with its body.
pub(crate) struct Call {
    pub(crate) head: request::Parts,
    body: Bytes,
}

impl Call {
    /// Reads the body.
    pub(crate) async fn read<B>(head: request::Parts, body: B) -> Result<Self, OAuthError>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let whole = Limited::new(body, LARGEST_BODY).collect();
        let collected = tokio::time::timeout(LONGEST_READ, whole)
            .await
            .map_err(|_| OAuthError::new(Kind::TooSlow, "the body did not arrive in time"))?;
        match collected {
            Ok(collected) => Ok(Self { head, body: collected.to_bytes() }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(OAuthError::new(Kind::TooLarge, "the body is larger than 64 KiB"))
            }
            Err(_) => Err(OAuthError::request("the body broke off")),
        }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The body as it came.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body's parameters.
    pub(crate) fn form(&self) -> Result<Form, OAuthError> {
        if !self.has_type("application/x-www-form-urlencoded") {
            return Err(OAuthError::request("the body must be application/x-www-form-urlencoded"));
        }
        Form::parse(&self.body)
    }

    /// The query's parameters.
    pub(crate) fn query(&self) -> Result<Form, OAuthError> {
        Form::parse(self.head.uri.query().unwrap_or_default().as_bytes())
    }

    /// Whether `Content-Type` says so, whatever its parameters.
    pub(crate) fn has_type(&self, essence: &str) -> bool {
        let value = self.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let given = value.and_then(|value| value.split(';').next()).unwrap_or_default();
        given.trim().eq_ignore_ascii_case(essence)
    }

    /// Who sent it, if the server that owns the socket said so.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.head.extensions.get::<Peer>().map(|peer| peer.address.ip().to_canonical())
    }

    /// The credentials behind a scheme in `Authorization`; none if there is no such header.
    ///
    /// A second header, or another scheme, is refused: to pick one would be to guess.
    pub(crate) fn authorization(&self, scheme: &str) -> Result<Option<&str>, OAuthError> {
        let mut values = self.headers().get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(OAuthError::request("there is more than one Authorization header"));
        }
        let (given, rest) = value.to_str().ok().and_then(|v| v.split_once(' ')).unwrap_or_default();
        if given.eq_ignore_ascii_case(scheme) { Ok(Some(rest.trim())) } else { Err(OAuthError::client()) }
    }

    /// The pair of `Authorization: Basic` (RFC 7617), as it stands there.
    pub(crate) fn basic(&self) -> Result<Option<Credentials>, OAuthError> {
        let Some(encoded) = self.authorization("Basic")? else {
            return Ok(None);
        };
        Credentials::parse(encoded).map(Some).ok_or_else(OAuthError::client)
    }
}
