//! Sends spans to a collector.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use apim_core::BuildError;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use rustls::ClientConfig;
use serde_json::json;
use tokio::runtime::Runtime;

use super::Config;
use crate::journal::{Sink, whole_lines};
use crate::transport::dial::Destination;
use crate::upstream::{Place, once};

/// How long a collector may take to accept spans.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of spans in one request.
const MOST: u64 = 512 << 10;

/// A collector that takes OTLP over HTTP.
pub(super) struct Collector {
    to: Destination,
    url: String,
    path: String,
    headers: HeaderMap,
    /// What stands around the spans of a request.
    before: Vec<u8>,
    runtime: Option<Runtime>,
}

impl Collector {
    pub(super) fn new(config: &Config, tls: Option<Arc<ClientConfig>>) -> Result<Self, BuildError> {
        let at = |error: BuildError| BuildError::at("endpoint", error.to_string());
        let place = Place::parse(&config.endpoint).map_err(at)?;
        let tls = tls.filter(|_| place.secure).map(|tls| {
            let mut tls = (*tls).clone();
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(tls)
        });
        if place.secure && tls.is_none() {
            return Err(BuildError::at("endpoint", "it needs TLS, which this gateway was not given"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let wrong = |why: String| BuildError::at(format!("headers.{name}"), why);
            let known = HeaderName::try_from(name).map_err(|error| wrong(error.to_string()))?;
            let mut value =
                HeaderValue::from_str(value.expose()).map_err(|error| wrong(error.to_string()))?;
            value.set_sensitive(true);
            headers.insert(known, value);
        }
        headers.insert(HOST, place.header);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let path = if place.base.is_empty() { "/".to_owned() } else { place.base.into() };
        if path.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(BuildError::at("endpoint", "it is not a URL"));
        }
        Ok(Self {
            to: Destination { host: place.host, port: place.port, tls, server_name: None },
            url: config.endpoint.clone(),
            path,
            headers,
            before: before(config),
            runtime: None,
        })
    }

    fn send(&mut self, spans: &[u8]) -> io::Result<()> {
        // Each line is a span; no line feed stands within one, since JSON's texts have none.
        let spans = spans.strip_suffix(b"\n").unwrap_or(spans);
        let commas = spans.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte });
        let mut body = Vec::with_capacity(self.before.len() + spans.len() + 8);
        body.extend_from_slice(&self.before);
        body.extend(commas);
        body.extend_from_slice(b"]}]}]}");
        let mut request =
            Request::post(self.path.as_str()).body(Full::new(Bytes::from(body))).map_err(io::Error::other)?;
        *request.headers_mut() = self.headers.clone();
        // Made here, since a runtime must not end where another runs, and this thread is the journal's.
        let runtime = match &self.runtime {
            Some(runtime) => runtime,
            None => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                self.runtime.insert(runtime)
            }
        };
        let answer = runtime.block_on(once::ask(&self.to, false, request, PATIENCE));
        let status = answer.map_err(io::Error::other)?.status();
        match status.is_success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("it answered {status}"))),
        }
    }
}

/// The beginning of every request: whose spans they are.
fn before(config: &Config) -> Vec<u8> {
    let mut attributes = config.resource.clone();
    attributes.insert("service.name".to_owned(), config.service.clone());
    attributes.entry("service.version".to_owned()).or_insert_with(|| env!("CARGO_PKG_VERSION").to_owned());
    let attributes: Vec<_> =
        attributes.iter().map(|(key, value)| json!({"key": key, "value": {"stringValue": value}})).collect();
    let resource = json!({ "attributes": attributes });
    let scope = json!({ "name": "apim-gateway", "version": env!("CARGO_PKG_VERSION") });
    format!(r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"scope":{scope},"spans":["#).into()
}

impl Sink for Collector {
    fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let whole = whole_lines(lines, MOST);
            // One span is never that long: its longest parts are bounded by the heads they come from.
            let (now, later) = lines.split_at(if whole == 0 { lines.len() } else { whole });
            self.send(now)?;
            lines = later;
        }
        Ok(())
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the collector at {}", self.url)
    }
}
