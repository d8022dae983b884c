//! Why an endpoint refused, in the words of the OAuth RFCs for the caller, with the cause for the operator.

use std::borrow::Cow;
use std::time::Duration;

use apim_core::store::StoreError;
use apim_core::{Body, BoxError};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::reply;

/// A refusal on its way to becoming an answer.
#[derive(Debug)]
pub(crate) struct OAuthError {
    pub(crate) kind: Kind,
    pub(crate) description: Cow<'static, str>,
    source: Option<BoxError>,
}

/// What went wrong: the `error` member and the status that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    InvalidScope,
    AccessDenied,
    LoginRequired,
    InvalidToken,
    InsufficientScope,
    InvalidRedirectUri,
    InvalidClientMetadata,
    TooLarge,
    TooSlow,
    TooManyAttempts(Duration),
    TemporarilyUnavailable,
    ServerError,
}

impl Kind {
    /// The `error` member (RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 7591 section 3.2.2).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::TooLarge | Self::TooSlow => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::TooManyAttempts(_) | Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::AccessDenied | Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyAttempts(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl OAuthError {
    /// Refuses, and tells the caller why.
    pub(crate) fn new(kind: Kind, description: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, description: description.into(), source: None }
    }

    /// A malformed request.
    pub(crate) fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidRequest, description)
    }

    /// A client that could not prove who it is. One text for all reasons: it must not help guessing.
    pub(crate) fn client() -> Self {
        Self::new(Kind::InvalidClient, "client authentication failed")
    }

    /// A grant that is not good.
    pub(crate) fn grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidGrant, description)
    }

    /// Our own failure; the caller learns nothing of it.
    pub(crate) fn internal(source: impl Into<BoxError>) -> Self {
        Self {
            kind: Kind::ServerError,
            description: "the server failed; try again later".into(),
            source: Some(source.into()),
        }
    }

    /// The answer (RFC 6749 section 5.2); `realm` goes into the challenge.
    pub(crate) fn into_response(self, realm: &str) -> Response<Body> {
        self.log();
        let body = json!({ "error": self.kind.name(), "error_description": self.description });
        let mut response = reply::json(self.kind.status(), &body);
        let headers = response.headers_mut();
        match self.kind {
            Kind::InvalidClient => {
                headers.insert(header::WWW_AUTHENTICATE, text(format!("Basic realm=\"{realm}\"")));
            }
            Kind::InvalidToken | Kind::InsufficientScope => {
                let challenge = format!("Bearer realm=\"{realm}\", error=\"{}\"", self.kind.name());
                headers.insert(header::WWW_AUTHENTICATE, text(challenge));
            }
            Kind::TooManyAttempts(wait) => {
                // Rounded up: who comes a moment too early is refused again.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            _ => {}
        }
        response
    }

    /// Tells the operator what the caller does not learn.
    pub(crate) fn log(&self) {
        match &self.source {
            Some(source) => {
                tracing::error!(error = source.as_ref() as &dyn std::error::Error, "a request failed");
            }
            None => tracing::debug!(error = self.kind.name(), why = ?self.description, "refused"),
        }
    }
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("Basic"))
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<crate::opaque::NoEntropy> for OAuthError {
    fn from(error: crate::opaque::NoEntropy) -> Self {
        Self::internal(error)
    }
}
