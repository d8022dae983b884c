//! One event for every call of a known API (spec: gateway-observability, section 1).
//!
//! An answer is a `response`, whatever its status, if the backend gave it or it was meant to be given; a `fault`, if
//! the gateway has refused the call or could not get an answer. [`CallEvent`] says which members each kind has.
//! These are not what they are in the original:
//!
//! | Member | Is here |
//! |---|---|
//! | `gatewayType` | `APIM` |
//! | `userAgentHeader` | the header as it came; nothing guesses a browser and a platform from it |
//! | `responseSize` | bytes that have left, also where no `Content-Length` announced them |
//! | `errorMessage` | the class within `errorType`, as in the original's events, and not the text that callers read |

mod fault;
mod lines;

use std::sync::Arc;
use std::time::Duration;

use apim_core::{
    AnalyticsSink, Answer, BuildError, CallEvent, CallGateway, CallSite, CorrelationId, Fault, Filter, Link,
    Outcome, Parts, Provide,
};
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::auth::ByCertificate;
use crate::deploy::Site;

pub use lines::Lines;

/// Gives the event of each call to an [`AnalyticsSink`] when the answer's last byte has left.
///
/// A file that names it where there is no sink gets a link that does nothing.
pub struct Analytics {
    sink: Arc<dyn AnalyticsSink>,
    gateway: CallGateway,
}

impl Analytics {
    /// With the sink that takes the events, and where the gateway stands.
    pub fn new(sink: Arc<dyn AnalyticsSink>, region: Region) -> Self {
        Self { sink, gateway: CallGateway::new(region.0) }
    }
}

impl std::fmt::Debug for Analytics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analytics")
    }
}

impl Filter for Analytics {
    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        // A payload gets its media type when it is written, which happens now or a little later.
        answer.write()?;
        let (head, context) = answer.split_mut();
        context.content_type = head.headers.get(CONTENT_TYPE).cloned();
        Ok(())
    }

    fn complete(&self, outcome: &Outcome<'_>) {
        if let Ok(site) = Site::of(outcome.context) {
            self.sink.record(&event(&site.call, &self.gateway, outcome));
        }
    }
}

/// Where a gateway stands, as its operator calls it: `regionId` of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(Arc<str>);

impl Region {
    /// Bytes of a name.
    const LONGEST: usize = 64;

    /// A region by its name.
    ///
    /// # Errors
    ///
    /// Why it is none: it is empty, has more than 64 bytes, or characters that do not print.
    pub fn new(name: &str) -> Result<Self, &'static str> {
        if !(1..=Self::LONGEST).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err("a region has a name of 1 to 64 bytes, without control characters");
        }
        Ok(Self(name.into()))
    }
}

impl Default for Region {
    /// WSO2's: `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

const UNKNOWN: &str = "UNKNOWN";

/// Everything in it is borrowed from where it is known, so that it costs no more than reading it.
fn event<'a>(site: &'a CallSite, gateway: &'a CallGateway, outcome: &Outcome<'a>) -> CallEvent<'a> {
    let context = outcome.context;
    let principal = context.principal.as_ref();
    let application = principal.and_then(|principal| principal.application.as_deref());
    let code = |status: Option<http::StatusCode>| status.map_or(-1, |status| i32::from(status.as_u16()));
    CallEvent {
        worker: context.worker,
        request_timestamp: context.received_at,
        correlation_id: CorrelationId::of(context),
        key_type: context.key_type().as_str(),
        site,
        gateway,
        api_method: context.method.as_str(),
        api_resource_template: context.operation().map_or(UNKNOWN, |found| &found.path),
        destination: context.destination.as_deref().unwrap_or(UNKNOWN),
        application_id: application.map_or(UNKNOWN, |application| &application.id),
        application_name: application.map_or(UNKNOWN, |application| &application.name),
        application_owner: application.map_or(UNKNOWN, |application| &application.owner),
        user_agent_header: text(context.user_agent.as_ref()),
        user_name: principal.map_or(UNKNOWN, |principal| &principal.user),
        user_ip: context.client_ip,
        proxy_response_code: code(context.status),
        target_response_code: code(context.backend_status),
        // There is no cache that could have been hit, no API that leads out, and none that is special.
        response_cache_hit: false,
        response_latency: millis(outcome.total()),
        backend_latency: millis(outcome.backend()),
        request_mediation_latency: millis(outcome.request_mediation()),
        response_mediation_latency: millis(outcome.response_mediation()),
        response_size: context.sent,
        response_content_type: text(context.content_type.as_ref()),
        common_name: ByCertificate::of(context).map_or("N/A", ByCertificate::user),
        is_egress: false,
        subtype: "DEFAULT",
        fault: context.fault.as_deref().map(|fault| fault::classify(fault.code().number)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Header bytes are somebody's; whatever is not plain text does not get into logs.
fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or(UNKNOWN)
}

impl Provide<Link> for Analytics {
    const NAME: &'static str = "analytics";
    type Config = ();

    async fn build((): (), parts: &Parts) -> Result<Link, BuildError> {
        Ok(match parts.get::<Arc<dyn AnalyticsSink>>() {
            Ok(sink) => Link::filter(Self::new(sink, parts.get()?)).shared(),
            Err(_) => Link::filter(Nobody).shared(),
        })
    }
}

/// Stands in the chain where nobody wants events.
struct Nobody;

impl Filter for Nobody {}
