//! Traces for OpenTelemetry, with W3C's context (feature `otel`).
//!
//! A request that belongs to a trace continues it: by the `traceparent` and `tracestate` that it came with, if they are
//! what the recommendation says they are, and by a new trace of the gateway's own if not, of which the id is that of
//! the request. The backend gets a `traceparent` with our span as its parent, whether the trace is recorded or not, and
//! each time that it is asked that of another span, if it is.
//! The caller decides if it is, by the flag in its `traceparent`; of new traces a [ratio](Config::ratio) is.
//!
//! A trace that is recorded gets these spans of each request, when it has ended:
//!
//! | Span | Kind | Is |
//! |---|---|---|
//! | `GET /petstore/1.0.0/pets/{id}` | server | one, from the request's head to the answer's last byte |
//! | `GET` | client | one each time that a backend is asked, from opening a connection to the head of the answer |
//! | `POST` | client | one each time that a token for a backend is waited for, to the answer's last byte |
//!
//! The line is where there is a head: what nobody could read as a request, or came by a connection that was closed
//! without a word, has no span. Every other request that was answered has one, be it refused by the server before it
//! reached the gateway (its framing is unclear, it names no host, there is more to do than can be done), by the router
//! (no such API), or by a link of its API. A span is named after its method alone where no operation was found.
//!
//! A backend is asked again if the endpoint says so, if a connection that was open turns out to be closed, if it wants
//! to know who asks, or as a tower layer pleases. From the second time on the span says so by
//! `http.request.resend_count`. That no connection could be opened is a span too.
//!
//! One token is fetched for all calls that want it at once, and each of them has a span of its own waiting, whose
//! `url.full` is the token server's without its query. The token server is told of no trace, since it answers several.
//!
//! Names and attributes are those of OpenTelemetry's conventions for HTTP: `http.request.method` (and
//! `http.request.method_original`, if the conventions do not know it), `http.route`,
//! `url.path` (without the query, in which credentials may be), `url.scheme`, `http.response.status_code`,
//! `client.address`, `user_agent.original`, `url.full` of the endpoint, `error.type`; and `apim.api.id`,
//! `apim.api.name`, `apim.api.version`, `apim.application.name` and `apim.request_id`. What the gateway answered
//! itself also has `apim.stage`, the link or part of it that did so, and `apim.fault.code`, the number that the caller
//! was told. A server span is an error if the answer's status is 500 or more, a client span if there was no answer, one
//! of 400 or more, or one that holds no token: what callers do wrong is no error of a server.
//!
//! Spans are sent as OTLP over HTTP in JSON (OTLP 1.x, section "OTLP/HTTP"), several times a second, by a thread of
//! their own. While the collector does not keep up a worker keeps 8 MiB of them; further ones, and those of requests
//! that the collector refuses, are dropped and counted. There is no second try.
//!
//! A gateway without a [`Tracer`] has none of this in its chains: `traceparent` and `tracestate` pass as they are.

mod collector;
mod context;
mod link;
mod span;
mod traced;

use std::collections::BTreeMap;
use std::sync::Arc;

use apim_core::{BuildError, Secret};
use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::journal::Journal;
use collector::Collector;

pub use context::{TraceParent, is_trace_state};
pub(crate) use link::link;
pub(crate) use traced::{answered, begin, failed, refused, wants_token};

/// What is traced, and who is told. A part of a settings file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The collector's address, as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// How many of the traces that begin here are recorded: 0 none, 1 all. Default 1. What a trace's beginner has
    /// decided is decided.
    #[serde(default = "all")]
    pub ratio: f64,
    /// The `service.name` of the spans. Default `apim-gateway`.
    #[serde(default = "usual_service")]
    pub service: String,
    /// More attributes of the resource, as `deployment.environment.name`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// Headers of each request to the collector, as `authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

impl Config {
    /// Adds attributes of the resource as `OTEL_RESOURCE_ATTRIBUTES` has them: `key=value,key=value`, with what has a
    /// meaning in that percent-encoded (OpenTelemetry specification, "Resource SDK"). They win over those that are there.
    ///
    /// ```
    /// use apim_gateway::traces::Config;
    ///
    /// let mut config: Config = serde_json::from_str(r#"{"endpoint": "http://127.0.0.1:4318/v1/traces"}"#).unwrap();
    /// config.add_resource("service.name=edge, deployment.environment.name=a%2Cb").unwrap();
    /// assert_eq!((&*config.service, &*config.resource["deployment.environment.name"]), ("edge", "a,b"));
    /// assert!(config.add_resource("nothing").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// What is no attribute. Nothing is added then.
    pub fn add_resource(&mut self, attributes: &str) -> Result<(), BuildError> {
        let pairs = attributes.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let wrong = || BuildError::at("resource", format!("`{pair}` is not of the form key=value"));
            let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
            let (key, value) = (decoded(key.trim()), decoded(value.trim()));
            Ok((key.filter(|key| !key.is_empty()).ok_or_else(wrong)?, value.ok_or_else(wrong)?))
        });
        for (key, value) in decoded.collect::<Result<Vec<_>, BuildError>>()? {
            match key.as_str() {
                "service.name" => self.service = value,
                _ => drop(self.resource.insert(key, value)),
            }
        }
        Ok(())
    }
}

/// A text without its percent-encoding; none if that is malformed, or the text is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let (byte, after) = match (first, more) {
            (b'%', [high, low, after @ ..]) => (u8::try_from(digit(high)? << 4 | digit(low)?).ok()?, after),
            (b'%', _) => return None,
            (plain, after) => (*plain, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn all() -> f64 {
    1.0
}

fn usual_service() -> String {
    "apim-gateway".to_owned()
}

/// Records calls and tells a collector of them. Dropping it sends what is waiting.
#[derive(Debug)]
pub struct Tracer {
    journal: Journal,
    /// Requests with an id below it begin a trace that is recorded.
    threshold: u128,
}

impl Tracer {
    /// For so many workers. `tls` is needed for collectors at `https://`.
    ///
    /// # Errors
    ///
    /// The key of the configuration, and what is wrong with it.
    pub fn new(config: &Config, tls: Option<Arc<ClientConfig>>, workers: usize) -> Result<Self, BuildError> {
        if !(0.0..=1.0).contains(&config.ratio) {
            return Err(BuildError::at("ratio", "it is a number from 0 to 1"));
        }
        let collector = Collector::new(config, tls)?;
        let journal = Journal::into(collector, workers)
            .map_err(|error| BuildError::at("", format!("no thread can be started: {error}")))?;
        Ok(Self { journal, threshold: threshold(config.ratio) })
    }

    /// How many spans were not sent.
    pub fn dropped(&self) -> u64 {
        self.journal.dropped()
    }
}

/// That part of all numbers of 64 bits.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is at most 2 to the power of 64, and not negative"
)]
fn threshold(ratio: f64) -> u128 {
    (ratio * 2f64.powi(64)) as u128
}

#[cfg(test)]
mod tests {
    use super::threshold;

    #[test]
    fn a_ratio_is_a_part_of_all_ids() {
        assert_eq!(threshold(0.0), 0);
        assert_eq!(threshold(0.5), 1 << 63);
        // Above every id.
        assert_eq!(threshold(1.0), 1 << 64);
    }
}
