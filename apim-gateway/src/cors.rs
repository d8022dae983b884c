//! Cross-origin resource sharing (Fetch standard, "CORS protocol"; spec: gateway-flow, section 7).
//!
//! First in the chain, so that browsers can read refusals too. A preflight of an operation that declares
//! OPTIONS itself goes on to the backend; any other is answered here, without authentication. Headers that
//! the backend set already are left alone.

use apim_core::model::{ApiKind, Cors as Rules};
use apim_core::{
    Answer, Body, BuildError, Context, Exchange, Fault, Filter, Flow, Link, Parts, Provide, fault,
};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
    UPGRADE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response};

/// Methods that the matched path answers, as `GET, POST`. The gateway puts it into the context's slots for
/// an OPTIONS request to a path that declares no OPTIONS.
#[derive(Debug, Clone)]
pub struct Allowed(pub HeaderValue);

/// The origin of a request, kept for the answer; the request itself is gone by then.
#[derive(Clone)]
struct Origin(HeaderValue);

/// Answers preflights and tells browsers what pages of other origins may see.
#[derive(Debug)]
pub struct Cors {
    rules: Rules,
}

impl Cors {
    /// With rules for all APIs that bring none of their own.
    ///
    /// # Errors
    ///
    /// If credentials are allowed to every origin, which would give every page the user's session.
    pub fn new(rules: Rules) -> Result<Self, BuildError> {
        check(&rules)?;
        Ok(Self { rules })
    }

    fn rules<'a>(&'a self, context: &'a Context) -> &'a Rules {
        context.api.as_ref().and_then(|api| api.cors.as_ref()).unwrap_or(&self.rules)
    }
}

/// Refuses rules by which every page would have the user's session, which no browser grants (Fetch standard, "CORS
/// protocol and credentials").
pub(crate) fn check(rules: &Rules) -> Result<(), BuildError> {
    match rules.credentials && rules.origins.iter().any(|origin| origin == "*") {
        true => Err(BuildError::at("credentials", "credentials cannot be allowed together with origin `*`")),
        false => Ok(()),
    }
}

impl Filter for Cors {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        // Nearly every call ends here, and has not looked at the API's own rules, which are in no cache.
        if !exchange.headers().contains_key(ORIGIN) && exchange.context().method != Method::OPTIONS {
            return Ok(Flow::Continue);
        }
        let rules = self.rules(exchange.context());
        refuse_foreign_socket(rules, exchange)?;
        if !rules.enabled {
            return Ok(Flow::Continue);
        }
        if exchange.context().method == Method::OPTIONS
            && let Some(Allowed(methods)) = exchange.context().slots.get::<Allowed>()
        {
            return preflight(rules, exchange, methods).map(Flow::Respond);
        }
        if let Some(origin) = exchange.headers().get(ORIGIN).cloned() {
            exchange.context_mut().slots.insert(Origin(origin));
        }
        Ok(Flow::Continue)
    }

    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        let Some(Origin(origin)) = answer.context_mut().slots.remove::<Origin>() else { return Ok(()) };
        let (head, context) = answer.split_mut();
        let rules = self.rules(context);
        if !head.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            grant_origin(rules, &origin, &mut head.headers);
            set_list(&mut head.headers, ACCESS_CONTROL_EXPOSE_HEADERS, &rules.expose);
        }
        Ok(())
    }
}

/// Browsers ask nobody before they open a WebSocket, and send the user's cookies along; so the handshake is
/// where a foreign page is stopped (RFC 6455 section 10.2). That is no part of CORS, and is not switched off
/// with it: an API that answers no preflights still says which pages may talk to it.
fn refuse_foreign_socket(rules: &Rules, exchange: &Exchange) -> Result<(), Fault> {
    let headers = exchange.headers();
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let of_sockets = || exchange.context().api.as_ref().is_some_and(|api| api.kind == ApiKind::WebSocket);
    let opens = headers.contains_key(UPGRADE) || of_sockets();
    if opens && !rules.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    {
        return Err(Fault::new(fault::FORBIDDEN)
            .because("The origin is not allowed")
            .rule("api.cors.origins"));
    }
    Ok(())
}

/// The answer to a preflight. An origin that is not allowed gets no headers, which is the browser's no.
fn preflight(rules: &Rules, exchange: &Exchange, methods: &HeaderValue) -> Result<Response<Body>, Fault> {
    let request = exchange.headers();
    if !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return Err(Fault::new(fault::METHOD_NOT_ALLOWED)
            .because("Method not allowed for given API resource")
            .header(ALLOW, methods.clone()));
    }
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    if let Some(origin) = request.get(ORIGIN)
        && grant_origin(rules, origin, headers)
    {
        let declared = methods.to_str().unwrap_or_default().split(", ");
        let announced = declared.filter(|method| rules.methods.iter().any(|allowed| allowed == method));
        set_list(headers, ACCESS_CONTROL_ALLOW_METHODS, &announced.collect::<Vec<_>>());
        let mut sendable = rules.headers.iter().map(String::as_str).collect::<Vec<_>>();
        let api = exchange.context().api.as_deref();
        // Credentials must be sendable under whatever names the API gives their headers.
        let renamed = api.map(|api| [&api.authorization_header, &api.api_key_header]);
        for name in renamed.iter().flatten().filter_map(|name| name.as_deref()) {
            if !sendable.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                sendable.push(name);
            }
        }
        set_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &sendable);
        set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &rules.expose);
    }
    Ok(response)
}

/// Allows an origin if the rules do, and says whether they did.
fn grant_origin(rules: &Rules, origin: &HeaderValue, headers: &mut HeaderMap) -> bool {
    if rules.origins.iter().any(|allowed| allowed == "*") {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return true;
    }
    // The answer differs by origin whether or not this one is allowed; caches must know.
    headers.append(VARY, HeaderValue::from_static("origin"));
    if !rules.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        return false;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if rules.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn set_list<T: AsRef<str>>(headers: &mut HeaderMap, name: http::HeaderName, list: &[T]) {
    let joined = list.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if !joined.is_empty()
        && let Ok(value) = HeaderValue::try_from(joined)
    {
        headers.insert(name, value);
    }
}

impl Provide<Link> for Cors {
    const NAME: &'static str = "cors";
    type Config = Config;

    async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self::new(config.into())?).shared())
    }
}

/// What `use: cors` can be told: the rules for APIs that bring none of their own.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether cross-origin requests are answered at all.
    pub enabled: bool,
    /// Origins: `*`, or exact values such as `https://shop.example`.
    pub origins: Vec<String>,
    /// Methods that may be announced.
    pub methods: Vec<String>,
    /// Request headers that a page may send.
    pub headers: Vec<String>,
    /// Response headers that a page may read.
    pub expose: Vec<String>,
    /// Whether cookies and credentials may travel; never together with origin `*`.
    pub credentials: bool,
}

impl Default for Config {
    fn default() -> Self {
        let Rules { enabled, origins, methods, headers, expose, credentials } = Rules::default();
        Self { enabled, origins, methods, headers, expose, credentials }
    }
}

impl From<Config> for Rules {
    fn from(config: Config) -> Self {
        let Config { enabled, origins, methods, headers, expose, credentials } = config;
        Self { enabled, origins, methods, headers, expose, credentials }
    }
}
