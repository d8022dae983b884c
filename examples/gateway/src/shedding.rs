//! When requests are refused because there is more to do than can be done, as written in a settings file.

use std::time::Duration;

use apim_gateway::server;
use launch::Failure;
use schemars::JsonSchema;
use serde::Deserialize;

/// When requests are refused because there is more to do than can be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shedding {
    /// Whether they ever are.
    pub enabled: bool,
    /// Milliseconds that work may stand in a worker's line; at least 1. Default: 50.
    pub delay_ms: u64,
}

impl Default for Shedding {
    fn default() -> Self {
        Self { enabled: true, delay_ms: 50 }
    }
}

impl Shedding {
    /// The server's setting.
    ///
    /// # Errors
    ///
    /// If no time at all is left for work to stand in line.
    pub(crate) fn resolve(&self) -> Result<Option<server::Shedding>, Failure> {
        if self.delay_ms == 0 {
            return Err(Failure::new("a mistake in the settings: shedding.delay_ms: at least 1"));
        }
        let mut shedding = server::Shedding::default();
        shedding.delay = Duration::from_millis(self.delay_ms);
        Ok(self.enabled.then_some(shedding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_the_server_has_it() {
        let resolved = Shedding::default().resolve();
        assert_eq!(
            resolved.ok().flatten().map(|shedding| shedding.delay),
            Some(server::Shedding::default().delay)
        );
        assert!(matches!(Shedding { enabled: false, delay_ms: 10 }.resolve(), Ok(None)));
        assert!(Shedding { enabled: true, delay_ms: 0 }.resolve().is_err());
    }
}
