//! Spans as OTLP has them in JSON (`opentelemetry/proto/trace/v1/trace.proto`, JSON mapping): ids in hexadecimal
//! digits, times as texts of nanoseconds.

use std::fmt::Display;
use std::io::Write as _;
use std::time::{Duration, Instant};

use apim_core::{Context, Outcome};
use http::{Method, StatusCode, Uri};

use super::traced::{Fate, Of, Traced, Try};
use crate::deploy::Site;

const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// The methods that the conventions know. Callers can make up others, and names of spans must not be without number.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::HEAD,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];

/// The whole call. Of one that led to no API there is no site.
pub(super) fn server(traced: &Traced, site: Option<&Site>, outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    let context = outcome.context;
    let (method, name) = method(&context.method);
    let route = site.zip(context.operation()).map(|(site, operation)| [&*site.context, &*operation.path]);
    let mut span = Span::begin(out, traced.trace, traced.server, traced.parent, SERVER);
    match &route {
        Some([base, below]) => span.name(&[name, " ", base, below]),
        None => span.name(&[name]),
    }
    span.times(context, context.started, outcome.ended);
    span.method(method, &context.method);
    if let Some(route) = &route {
        span.text("http.route", route);
    }
    span.text("url.path", &[context.uri.path()]);
    span.plain("url.scheme", if context.peer.tls { "https" } else { "http" });
    span.plain("client.address", context.client_ip);
    if let Some(agent) = context.user_agent.as_ref().and_then(|agent| agent.to_str().ok()) {
        span.text("user_agent.original", &[agent]);
    }
    span.plain("apim.request_id", context.request_id);
    if let Some(Site { api, .. }) = site {
        span.text("apim.api.id", &[&api.id]);
        span.text("apim.api.name", &[&api.name]);
        span.text("apim.api.version", &[&api.version]);
    }
    if let Some(application) = context.principal.as_ref().and_then(|it| it.application.as_ref()) {
        span.text("apim.application.name", &[&application.name]);
    }
    // What panicked outside the handlers has taken the context with it, and is answered 500 by the gateway.
    let status =
        context.status.or_else(|| std::thread::panicking().then_some(StatusCode::INTERNAL_SERVER_ERROR));
    let status = status.map(|status| status.as_u16());
    if let Some(status) = status {
        span.number("http.response.status_code", status);
    }
    if let Some(stage) = context.answered_by {
        span.text("apim.stage", &[stage]);
    }
    let code = context.fault.as_ref().map(|fault| fault.code().number);
    if let Some(code) = code {
        span.number("apim.fault.code", code);
    }
    // Whose client went away has failed nobody.
    let error = status.filter(|status| *status >= 500);
    span.end(error.map(|status| code.unwrap_or(status.into()).to_string()));
}

/// Asking a backend, or a token server on its behalf.
pub(super) fn client(traced: &Traced, tried: &Try, outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    let context = outcome.context;
    let (sent, again) = match tried.of {
        Of::Backend { before } => (&context.method, before),
        Of::TokenServer => (&Method::POST, 0),
    };
    let (method, name) = method(sent);
    let mut span = Span::begin(out, traced.trace, tried.span, Some(traced.server), CLIENT);
    span.name(&[name]);
    span.times(context, tried.began, tried.ended.unwrap_or(outcome.ended));
    span.method(method, sent);
    if again > 0 {
        span.number("http.request.resend_count", again);
    }
    span.text("url.full", &[&tried.to]);
    let to = tried.to.parse::<Uri>().unwrap_or_default();
    if let Some(host) = to.host() {
        span.text("server.address", &[host.trim_start_matches('[').trim_end_matches(']')]);
    }
    if let Some(port) = to.port_u16().or_else(|| usual_port(to.scheme_str()?)) {
        span.number("server.port", port);
    }
    let error = match tried.fate {
        Fate::Answered(status) => {
            span.number("http.response.status_code", status.as_u16());
            (status.as_u16() >= 400).then(|| status.as_str().to_owned())
        }
        Fate::Refused(status, code) => {
            span.number("http.response.status_code", status.as_u16());
            Some(if status.as_u16() >= 400 { status.as_str().to_owned() } else { code.number.to_string() })
        }
        Fate::Failed(code) => Some(code.number.to_string()),
        Fate::Unknown => Some("_OTHER".to_owned()),
    };
    span.end(error);
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// A method as its attribute and as a span's name have it.
fn method(method: &Method) -> (&str, &str) {
    if METHODS.contains(method) { (method.as_str(), method.as_str()) } else { ("_OTHER", "HTTP") }
}

/// A span that is being written.
struct Span<'a> {
    out: &'a mut Vec<u8>,
    /// Attributes so far.
    attributes: usize,
}

// Writing into memory never fails, and every text has a form in JSON.
impl<'a> Span<'a> {
    fn begin(out: &'a mut Vec<u8>, trace: u128, span: u64, parent: Option<u64>, kind: u8) -> Self {
        let _ = write!(out, r#"{{"traceId":"{trace:032x}","spanId":"{span:016x}","kind":{kind}"#);
        if let Some(parent) = parent {
            let _ = write!(out, r#","parentSpanId":"{parent:016x}""#);
        }
        Self { out, attributes: 0 }
    }

    fn name(&mut self, pieces: &[&str]) {
        self.out.extend_from_slice(br#","name":"#);
        self.join(pieces);
    }

    /// Pieces as one text.
    fn join(&mut self, pieces: &[&str]) {
        self.out.push(b'"');
        for piece in pieces {
            // The quotes of each go.
            let begin = self.out.len();
            let _ = serde_json::to_writer(&mut *self.out, piece);
            self.out.pop();
            self.out.remove(begin);
        }
        self.out.push(b'"');
    }

    /// Durations are measured; the moment that they count from is the clock's.
    fn times(&mut self, context: &Context, begin: Instant, end: Instant) {
        let since = |moment: Instant| {
            let origin = Duration::from_millis(context.received_at.as_millis());
            (origin + moment.saturating_duration_since(context.started)).as_nanos()
        };
        let (begin, end) = (since(begin), since(end));
        let _ =
            write!(self.out, r#","startTimeUnixNano":"{begin}","endTimeUnixNano":"{end}","attributes":["#);
    }

    /// By the conventions' word, and by that which was sent, if it is another.
    fn method(&mut self, known: &str, sent: &Method) {
        self.text("http.request.method", &[known]);
        if known != sent.as_str() {
            self.text("http.request.method_original", &[sent.as_str()]);
        }
    }

    fn attribute(&mut self, key: &'static str) {
        if self.attributes > 0 {
            self.out.push(b',');
        }
        self.attributes += 1;
        // Keys are plain.
        let _ = write!(self.out, r#"{{"key":"{key}","value":{{"#);
    }

    fn text(&mut self, key: &'static str, pieces: &[&str]) {
        self.attribute(key);
        self.out.extend_from_slice(br#""stringValue":"#);
        self.join(pieces);
        self.out.extend_from_slice(b"}}");
    }

    /// What prints in characters that JSON does not escape.
    fn plain(&mut self, key: &'static str, value: impl Display) {
        self.attribute(key);
        let _ = write!(self.out, r#""stringValue":"{value}"}}}}"#);
    }

    fn number(&mut self, key: &'static str, value: impl Display) {
        self.attribute(key);
        let _ = write!(self.out, r#""intValue":"{value}"}}}}"#);
    }

    fn end(mut self, error: Option<String>) {
        if let Some(error) = &error {
            self.plain("error.type", error);
        }
        self.out.push(b']');
        if error.is_some() {
            self.out.extend_from_slice(br#","status":{"code":2}"#);
        }
        self.out.push(b'}');
    }
}
