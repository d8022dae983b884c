//! Tokens for backends: fetched once for all who wait, kept until shortly before they expire.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apim_core::model::TokenGrant;
use apim_core::{BuildError, Clock, Context, Fault, Timestamp, fault};
use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, WeakShared};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::super::once;
use super::super::target::Place;
use super::super::tls::OwnTls;
use super::secret_header;
use crate::transport::dial::Destination;
use crate::tries;

/// How long a token server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long before its end a token is not used any more, where it lives long enough.
const MARGIN: Duration = Duration::from_secs(30);

/// The tokens of one endpoint.
pub(in super::super) struct TokenSource {
    server: Arc<Server>,
    clock: Arc<dyn Clock>,
    current: Arc<ArcSwapOption<Token>>,
    /// The fetch that is under way. Weak, so that it is given up when the last who waits for it goes away.
    fetching: Mutex<Option<WeakShared<Fetching>>>,
}

type Fetching = BoxFuture<'static, Result<HeaderValue, Denied>>;

/// Why there is no token.
#[derive(Clone)]
struct Denied {
    /// Of the answer, if there was one.
    status: Option<StatusCode>,
    why: Arc<str>,
}

/// A token as it is sent, and when it is no good any more.
struct Token {
    header: HeaderValue,
    until: Timestamp,
}

/// A token server, and what it is asked.
struct Server {
    to: Destination,
    /// Without the query, in which there may be secrets.
    url: Arc<str>,
    host: HeaderValue,
    path: String,
    authorization: HeaderValue,
    form: apim_core::Secret,
}

impl TokenSource {
    pub(super) fn new(
        grant: &TokenGrant,
        tls: Option<&OwnTls>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let at = |error: BuildError| BuildError::at("token_url", error.to_string());
        let (url, query) = grant.token_url.split_once('?').unwrap_or((&grant.token_url, ""));
        let place = Place::parse(url).map_err(at)?;
        let tls = tls.map(|tls| tls.h1_only.clone()).filter(|_| place.secure);
        if place.secure && tls.is_none() {
            return Err(BuildError::at("token_url", "it needs TLS, which this gateway was not given"));
        }
        let path = match (&*place.base, query) {
            ("", "") => "/".to_owned(),
            (path, "") => path.to_owned(),
            (path, query) => format!("{}?{query}", if path.is_empty() { "/" } else { path }),
        };
        if path.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(BuildError::at("token_url", "it is not a URL"));
        }
        // Both are form-encoded before they become the halves of Basic (RFC 6749 section 2.3.1).
        let half = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", half(&grant.client_id), half(grant.client_secret.expose()));
        let authorization = secret_header(format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|error| BuildError::at("client_secret", error))?;
        let server = Server {
            url: url.into(),
            to: Destination { host: place.host, port: place.port, tls, server_name: None },
            host: place.header,
            path,
            authorization,
            form: form(grant)?.into(),
        };
        Ok(Self { server: Arc::new(server), clock, current: Arc::default(), fetching: Mutex::default() })
    }

    /// The token to send now.
    pub(super) async fn token(&self, context: &mut Context) -> Result<HeaderValue, Fault> {
        if let Some(token) = &*self.current.load()
            && self.clock.now() < token.until
        {
            return Ok(token.header.clone());
        }
        let fetching = {
            let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
            let going = fetching.as_ref().and_then(WeakShared::upgrade);
            going.filter(|going| going.peek().is_none()).unwrap_or_else(|| {
                let new = self.fetch().boxed().shared();
                *fetching = new.downgrade();
                new
            })
        };
        tries::wants_token(context, &self.server.url);
        let Denied { status, why } = match fetching.await {
            Ok(token) => {
                tries::answered(context, StatusCode::OK);
                return Ok(token);
            }
            Err(denied) => denied,
        };
        match status {
            Some(status) => tries::refused(context, status, fault::BACKEND_SECURITY),
            None => tries::failed(context, fault::BACKEND_SECURITY),
        }
        let fault = Fault::new(fault::BACKEND_SECURITY);
        Err(fault
            .because("The gateway could not obtain a token for the backend")
            .detail(format!("{}: {why}", self.server.to.host)))
    }

    /// Forgets a token that a backend has refused, unless there is another already.
    pub(super) fn forget(&self, refused: &HeaderValue) {
        let current = self.current.load();
        if current.as_ref().is_some_and(|token| token.header == *refused) {
            self.current.compare_and_swap(&*current, None);
        }
    }

    fn fetch(&self) -> impl Future<Output = Result<HeaderValue, Denied>> + Send + 'static {
        let (server, clock, current) = (self.server.clone(), self.clock.clone(), self.current.clone());
        async move {
            let asked = clock.now();
            let (header, lives) = server.ask().await?;
            let until = lives.map_or(Timestamp::from_millis(u64::MAX), |lives| {
                asked.plus(lives.saturating_sub(MARGIN.min(lives / 10)))
            });
            current.store(Some(Arc::new(Token { header: header.clone(), until })));
            Ok(header)
        }
    }
}

impl Server {
    /// A token as it is sent, and how long it lives, if the server says so.
    async fn ask(&self) -> Result<(HeaderValue, Option<Duration>), Denied> {
        let unanswered = |why: String| Denied { status: None, why: why.into() };
        let request = Request::post(self.path.as_str())
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(self.form.expose().to_owned())))
            .map_err(|error| unanswered(error.to_string()))?;
        let response = once::ask(&self.to, false, request, PATIENCE)
            .await
            .map_err(|error| unanswered(with_causes(&*error)))?;
        let status = response.status();
        let answer: Result<Answer, _> = serde_json::from_slice(response.body());
        let token = match answer {
            Ok(answer) => answer.token(status),
            Err(_) => Err(format!("the token server answered {status}, without JSON that could be used")),
        };
        token.map_err(|why| Denied { status: Some(status), why: why.into() })
    }
}

/// What a token server says (RFC 6749 sections 5.1 and 5.2).
#[derive(Deserialize)]
struct Answer {
    access_token: Option<apim_core::Secret>,
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Value,
    error: Option<String>,
}

impl Answer {
    fn token(self, status: StatusCode) -> Result<(HeaderValue, Option<Duration>), String> {
        let Some(token) = self.access_token.filter(|_| status == StatusCode::OK) else {
            let error = self.error.unwrap_or_default();
            return Err(format!("the token server answered {status} {error:?}"));
        };
        if self.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("the token is of a type other than Bearer".to_owned());
        }
        let header = secret_header(format!("Bearer {}", token.expose()))
            .map_err(|_| "no header can carry the token".to_owned())?;
        // Some servers send numbers as text.
        let lives = match &self.expires_in {
            Value::Number(seconds) => seconds.as_u64(),
            Value::String(seconds) => seconds.parse().ok(),
            _ => None,
        };
        Ok((header, lives.map(Duration::from_secs)))
    }
}

fn form(grant: &TokenGrant) -> Result<String, BuildError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match (&grant.username, &grant.password) {
        (Some(username), Some(password)) => {
            form.append_pair("grant_type", "password")
                .append_pair("username", username)
                .append_pair("password", password.expose());
        }
        (None, None) => {
            form.append_pair("grant_type", "client_credentials");
        }
        (Some(_), None) => return Err(BuildError::at("password", "it is needed for the username")),
        (None, Some(_)) => return Err(BuildError::at("username", "it is needed for the password")),
    }
    if !grant.scopes.is_empty() {
        form.append_pair("scope", &grant.scopes.join(" "));
    }
    for (name, value) in &grant.parameters {
        if ["grant_type", "username", "password", "scope"].contains(&name.as_str()) {
            return Err(BuildError::at(format!("parameters.{name}"), "it has a setting of its own"));
        }
        form.append_pair(name, value.expose());
    }
    Ok(form.finish())
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
