//! How a gateway authenticates itself to backends.

mod digest;
pub(super) mod sigv4;
mod token;

use std::sync::Arc;

use apim_core::model::{EndpointSecurity, KeyPlace};
use apim_core::{Body, BuildError, Clock, Context, Fault, fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, Request};
use url::form_urlencoded;

use digest::Digest;
use token::TokenSource;

use super::tls::OwnTls;

/// What an endpoint's requests are given on their way.
pub(super) enum Security {
    /// Always the same header.
    Header(HeaderName, HeaderValue),
    /// A parameter of the query: its name, and how it is written.
    Query(Box<str>, Box<str>),
    /// The answer to a challenge.
    Digest(Digest),
    /// A token that must be fetched.
    Token(TokenSource),
}

/// What a request was given, to be compared with what the backend says to it.
pub(super) enum Given {
    /// Something that will not change.
    Fixed,
    /// An answer to a challenge; none was known yet.
    Digest(Option<Arc<digest::Session>>),
    /// A token.
    Token(HeaderValue),
}

impl Security {
    /// From what an endpoint says. `tls` is what the token server may be called with.
    pub(super) fn new(
        security: &EndpointSecurity,
        tls: Option<&OwnTls>,
        usual: Option<&OwnTls>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        Ok(match security {
            EndpointSecurity::Basic { username, password } => {
                let name = user(username)?;
                let header = secret_header(format!(
                    "Basic {}",
                    STANDARD.encode(format!("{name}:{}", password.expose()))
                ));
                Self::Header(AUTHORIZATION, header.map_err(|error| BuildError::at("password", error))?)
            }
            EndpointSecurity::Digest { username, password } => {
                Self::Digest(Digest::new(user(username)?, password.clone()))
            }
            EndpointSecurity::ApiKey { name, value, place: KeyPlace::Header } => {
                let name = HeaderName::try_from(name).map_err(|error| BuildError::at("name", error))?;
                let value = secret_header(value.expose()).map_err(|error| BuildError::at("value", error))?;
                Self::Header(name, value)
            }
            EndpointSecurity::ApiKey { name, value, place: KeyPlace::Query } => {
                if name.is_empty() {
                    return Err(BuildError::at("name", "it must not be empty"));
                }
                let pair = form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, value.expose())
                    .finish();
                Self::Query(name.as_str().into(), pair.into())
            }
            EndpointSecurity::Oauth2(grant) => {
                Self::Token(TokenSource::new(grant, tls.or(usual), clock.clone())?)
            }
            _ => return Err(BuildError::at("type", "this gateway does not know it")),
        })
    }

    /// Gives a request, addressed already, what it needs, if that is always the same. False if it must be
    /// [asked for](Self::authorize).
    pub(super) fn settles(&self, request: &mut Request<Body>) -> Result<bool, Fault> {
        match self {
            Self::Header(name, value) => {
                request.headers_mut().insert(name.clone(), value.clone());
            }
            Self::Query(name, pair) => *request.uri_mut() = with_parameter(request.uri(), name, pair)?,
            Self::Digest(_) | Self::Token(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Gives a request, addressed already, what it needs now.
    ///
    /// # Errors
    ///
    /// [`fault::BACKEND_SECURITY`] if that cannot be had. It never is a 401, which would blame the caller.
    pub(super) async fn authorize(
        &self,
        request: &mut Request<Body>,
        context: &mut Context,
    ) -> Result<Given, Fault> {
        match self {
            Self::Header(..) | Self::Query(..) => self.settles(request).map(|_| Given::Fixed),
            Self::Digest(digest) => {
                let session = digest.session();
                match &session {
                    Some(session) => {
                        let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
                        let answer = digest.answer(session, request.method(), target)?;
                        request.headers_mut().insert(AUTHORIZATION, answer);
                    }
                    None => {
                        request.headers_mut().remove(AUTHORIZATION);
                    }
                }
                Ok(Given::Digest(session))
            }
            Self::Token(source) => {
                let token = source.token(context).await?;
                request.headers_mut().insert(AUTHORIZATION, token.clone());
                Ok(Given::Token(token))
            }
        }
    }

    /// Learns that a backend answered 401 to what was given. True if there is something else to give now.
    pub(super) fn refused(&self, given: &Given, headers: &HeaderMap) -> bool {
        match (self, given) {
            (Self::Digest(digest), Given::Digest(session)) => digest.challenged(session.as_ref(), headers),
            (Self::Token(source), Given::Token(token)) => {
                source.forget(token);
                true
            }
            _ => false,
        }
    }
}

fn user(name: &str) -> Result<&str, BuildError> {
    match name.contains(':') || name.is_empty() {
        true => Err(BuildError::at("username", "it must not be empty or hold a colon (RFC 7617 section 2)")),
        false => Ok(name),
    }
}

fn secret_header(text: impl AsRef<str>) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text.as_ref())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The target with one parameter, in place of those of its name that the client sent.
fn with_parameter(uri: &Uri, name: &str, pair: &str) -> Result<Uri, Fault> {
    let query = uri.query().unwrap_or_default();
    let is_named = |part: &&str| form_urlencoded::parse(part.as_bytes()).any(|(known, _)| known == name);
    let others = query.split('&').filter(|part| !part.is_empty() && !is_named(part));
    let mut text = format!("{}?", uri.path());
    others.for_each(|part| {
        text.push_str(part);
        text.push('&');
    });
    text.push_str(pair);
    let path = PathAndQuery::from_maybe_shared(Bytes::from(text))
        .map_err(|error| Fault::new(fault::INTERNAL).caused_by(error))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|error| Fault::new(fault::INTERNAL).caused_by(error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_in_the_query_replaces_what_the_client_sent_of_that_name() {
        let uri =
            |text: &str| with_parameter(&text.parse().unwrap(), "key", "key=s%26t").unwrap().to_string();
        assert_eq!(uri("/p"), "/p?key=s%26t");
        assert_eq!(uri("/p?a=1&key=x&k%65y=y&b"), "/p?a=1&b&key=s%26t");
    }
}
