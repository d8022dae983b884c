//! Any tower layer, named in the chain from a file: here tower-http's time-out, and tower's limit of concurrency.
//!
//! ```yaml
//! handlers:
//!   - use: at-once
//!     calls: 100
//!   - use: timeout
//!     milliseconds: 2000
//! ```
//!
//! A layer wraps everything behind it, so its place in the list says what it surrounds. It costs about ten
//! allocations where a filter costs none; use one for what only tower has.

use std::time::Duration;

use apim_core::{BoxError, BuildError, Fault, Link, Parts, Provide, fault};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;

/// What a file can say of the time-out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeoutConfig {
    /// Until the head of the answer must be there.
    milliseconds: u64,
}

/// Answers 504 when everything behind it takes too long.
pub struct Timeout;

impl Provide<Link> for Timeout {
    const NAME: &'static str = "timeout";
    type Config = TimeoutConfig;

    async fn build(config: TimeoutConfig, _: &Parts) -> Result<Link, BuildError> {
        if config.milliseconds == 0 {
            return Err(BuildError::at("milliseconds", "with 0 no request could ever be answered"));
        }
        let after = Duration::from_millis(config.milliseconds);
        Ok(Link::layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, after)))
    }
}

/// What a file can say of the limit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtOnceConfig {
    /// How many calls of an API may be under way.
    calls: usize,
}

/// Refuses calls while too many are under way: two layers of tower's as one link.
pub struct AtOnce;

impl Provide<Link> for AtOnce {
    const NAME: &'static str = "at-once";
    type Config = AtOnceConfig;

    async fn build(config: AtOnceConfig, _: &Parts) -> Result<Link, BuildError> {
        // The error is a fault from here on, and becomes an answer where all faults do.
        let busy =
            |error: BoxError| Fault::new(fault::UNAVAILABLE).because("Too many calls").caused_by(error);
        let layers = ServiceBuilder::new().map_err(busy).load_shed().concurrency_limit(config.calls);
        Ok(Link::layer(layers))
    }
}
