//! One event for every call of a known API (spec: gateway-observability, section 1).

mod lines;

use std::sync::Arc;

use apim_core::model::Api;
use apim_core::{AnalyticsSink, BuildError, CallEvent, Context, Filter, Link, Outcome, Parts, Provide};

use crate::deploy::Site;

pub use lines::Lines;

/// Gives the event of each call to an [`AnalyticsSink`] when the answer's last byte has left.
pub struct Analytics {
    sink: Arc<dyn AnalyticsSink>,
    site: Arc<Site>,
}

impl Analytics {
    /// For one API, with the sink that takes the events.
    pub fn new(sink: Arc<dyn AnalyticsSink>, site: Arc<Site>) -> Self {
        Self { sink, site }
    }
}

impl std::fmt::Debug for Analytics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analytics")
    }
}

impl Filter for Analytics {
    fn complete(&self, outcome: &Outcome<'_>) {
        self.sink.record(&event(&self.site, outcome));
    }
}

const UNKNOWN: &str = "UNKNOWN";

/// Everything in it is borrowed from where it is known, so that it costs no more than reading it.
fn event<'a>(site: &'a Site, outcome: &Outcome<'a>) -> CallEvent<'a> {
    let api: &Api = &site.api;
    let context = outcome.context;
    let principal = context.principal.as_ref();
    let application = principal.and_then(|principal| principal.application.as_deref());
    let fault = context.fault.as_deref();
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    CallEvent {
        worker: context.worker,
        request_timestamp: context.received_at,
        correlation_id: context.request_id,
        key_type: context.key_type().as_str(),
        api_id: &api.id,
        api_name: &api.name,
        api_version: &api.version,
        api_context: &site.context,
        api_creator: &api.provider,
        api_method: context.method.as_str(),
        api_resource_template: context.operation().map_or(UNKNOWN, |found| &found.path),
        destination: context.destination.as_deref().unwrap_or(UNKNOWN),
        application_id: application.map_or(UNKNOWN, |application| &application.id),
        application_name: application.map_or(UNKNOWN, |application| &application.name),
        application_owner: application.map_or(UNKNOWN, |application| &application.owner),
        user_name: principal.map_or(UNKNOWN, |principal| &principal.user),
        user_ip: context.client_ip,
        user_agent: user_agent(context),
        proxy_response_code: context.status.map_or(0, |status| status.as_u16()),
        target_response_code: context.backend_status.map_or(-1, |status| i32::from(status.as_u16())),
        response_latency: millis(outcome.total()),
        backend_latency: millis(outcome.backend()),
        request_mediation_latency: millis(outcome.request_mediation()),
        response_mediation_latency: millis(outcome.response_mediation()),
        response_size: context.sent,
        error_code: fault.map(|fault| fault.code().number),
        error_type: fault.map(|fault| error_type(fault.code().number)),
        error_message: fault.map(|fault| fault.code().message),
    }
}

/// Header bytes are the client's; whatever is not plain text does not get into logs.
fn user_agent(context: &Context) -> &str {
    context.user_agent.as_ref().and_then(|value| value.to_str().ok()).unwrap_or(UNKNOWN)
}

/// The class of a fault (spec: gateway-observability, "Fault classification").
fn error_type(code: u32) -> &'static str {
    match code {
        900_900..=900_999 => "AUTH",
        900_800..=900_899 => "THROTTLED",
        101_500..=101_599 | 303_001 => "TARGET_CONNECTIVITY",
        _ => "OTHER",
    }
}

/// `use: analytics` has no configuration; without a sink it does nothing.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl Provide<Link> for Analytics {
    const NAME: &'static str = "analytics";
    type Config = Config;

    async fn build(_: Config, parts: &Parts) -> Result<Link, BuildError> {
        Ok(match parts.get::<Arc<dyn AnalyticsSink>>() {
            Ok(sink) => Link::filter(Self::new(sink, parts.get()?)),
            Err(_) => Link::filter(Nobody),
        })
    }
}

/// Stands in the chain where nobody wants events.
struct Nobody;

impl Filter for Nobody {}
