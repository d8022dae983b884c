//! Traces for a collector.

use std::sync::Arc;

use apim_gateway::builder::Builder;
use apim_gateway::metrics::{Kind, Metrics};
use apim_gateway::traces::{Config, Tracer};
use apim_gateway::upstream::UpstreamConfig;
use launch::{Failure, OrFail as _};

/// The variable by which whoever starts a process says where it runs.
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Has calls traced, if there is a collector, and what it does not take counted. It is trusted by the authorities that
/// backends are trusted by.
pub(crate) fn add(
    builder: Builder,
    config: Option<&Config>,
    trust: &UpstreamConfig,
    workers: usize,
    metrics: &Metrics,
) -> Result<Builder, Failure> {
    let Some(mut config) = config.cloned() else { return Ok(builder) };
    if let Ok(attributes) = std::env::var(RESOURCE) {
        config.add_resource(&attributes).or_fail(format!("a mistake in {RESOURCE}"))?;
    }
    let tracer = Tracer::new(&config, trust.tls.clone(), workers).map_err(|error| error.within("traces"));
    let tracer = Arc::new(tracer.or_fail("a mistake in the settings")?);
    let lost = tracer.clone();
    let name = "apim_gateway_spans_dropped_total";
    // All clones are one.
    let _ = metrics
        .clone()
        .with(name, "Spans that no collector has taken", Kind::Counter, move || lost.dropped());
    Ok(builder.tracer(tracer))
}

/// Whether two settings files say the same of traces.
pub(crate) fn are_same(one: Option<&Config>, other: Option<&Config>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
    let headers = one.headers.len() == other.headers.len()
        && one.headers.iter().all(|(name, value)| {
            other.headers.get(name).is_some_and(|known| known.expose() == value.expose())
        });
    headers
        && one.endpoint == other.endpoint
        && one.ratio.to_bits() == other.ratio.to_bits()
        && one.service == other.service
        && one.resource == other.resource
}
