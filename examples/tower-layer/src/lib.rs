//! Any tower layer, named in the chain from a file: here tower-http's time-out.
//!
//! ```yaml
//! handlers:
//!   - use: timeout
//!     milliseconds: 2000
//! ```
//!
//! A layer wraps everything behind it, so its place in the list says what it surrounds. It costs about ten
//! allocations where a filter costs none; use one for what only tower has.

use std::time::Duration;

use apim_core::{BuildError, Link, Parts, Provide};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use tower_http::timeout::TimeoutLayer;

/// What a file can say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Until the head of the answer must be there.
    milliseconds: u64,
}

/// Answers 504 when everything behind it takes too long.
pub struct Timeout;

impl Provide<Link> for Timeout {
    const NAME: &'static str = "timeout";
    type Config = Config;

    async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
        if config.milliseconds == 0 {
            return Err(BuildError::at("milliseconds", "with 0 no request could ever be answered"));
        }
        let after = Duration::from_millis(config.milliseconds);
        Ok(Link::layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, after)))
    }
}
