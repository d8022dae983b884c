//! Throttling policies (spec: throttling).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyName;

/// A named limit. The same name may stand once per [`PolicyKind`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What it can be attached to.
    pub kind: PolicyKind,
    /// Its name, as `Gold`.
    pub name: PolicyName,
    /// How much is let through; none: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// A second, shorter limit against spikes, counted apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Quota>,
    /// Whether calls beyond the quota are refused (`true`) or only counted.
    #[serde(default = "yes")]
    pub stop_on_quota_reach: bool,
}

fn yes() -> bool {
    true
}

/// What a policy can be attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// An API or one of its operations.
    Advanced,
    /// A subscription: a business plan.
    Subscription,
    /// An application.
    Application,
}

/// So many requests in each window of time.
///
/// Windows are fixed and aligned to the Unix epoch, as in WSO2: at each multiple of `window_ms` the count
/// starts again, so up to twice the quota can pass around a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Requests let through per window.
    pub requests: u64,
    /// The window's length in milliseconds; at least 1.
    pub window_ms: u64,
}

impl Quota {
    /// So many requests per minute.
    pub const fn per_minute(requests: u64) -> Self {
        Self { requests, window_ms: 60_000 }
    }
}
