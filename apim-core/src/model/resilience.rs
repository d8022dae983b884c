//! What is done about backends that fail: retries, suspension, ejection, breakers, health checks.
//!
//! All durations are milliseconds. Errors are named by the numbers of their [faults](crate::fault), as
//! `101503` for a connection that was refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault;

/// When a request is sent again, to another member if there is one.
///
/// Only requests that can be: with no body, or one that is in memory already and not too large. What may have
/// reached a backend is sent again only if its method is among [`methods`](Self::methods).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How many times, after the first. Default 1, at most 10.
    pub retries: u32,
    /// Retries allowed for each request, as an average: with 0.2, the backends get at most a fifth more
    /// requests when everything fails. Default 0.2.
    pub budget: f64,
    /// Retries a second that are allowed whatever the budget says. Default 3.
    pub least_per_second: u32,
    /// Errors that are worth it. Default: connecting failed or took too long, or the backend hung up.
    pub errors: Vec<u32>,
    /// Statuses that are worth it. Default: 503.
    pub statuses: Vec<u16>,
    /// Methods that may reach a backend twice. Default: those that RFC 9110 section 9.2.2 calls idempotent.
    pub methods: Vec<String>,
    /// The time-out of each try, where it is shorter than the endpoint's; the endpoint's then counts for all
    /// tries together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub try_timeout_ms: Option<u64>,
    /// Bytes of a body that is sent again. Default 64 KiB.
    pub body_bytes: usize,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 1,
            budget: 0.2,
            least_per_second: 3,
            errors: [fault::BACKEND_CONNECT, fault::BACKEND_CONNECT_TIMEOUT, fault::BACKEND_CLOSED]
                .map(|code| code.number)
                .to_vec(),
            statuses: vec![503],
            methods: ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"].map(str::to_owned).to_vec(),
            try_timeout_ms: None,
            body_bytes: 64 << 10,
        }
    }
}

/// Leaves a failing member alone for a time that grows (spec: gateway-flow, section 8).
///
/// When the time is over one request is let through; its success ends the suspension, its failure begins a
/// longer one. Statuses do not suspend, only errors do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Suspension {
    /// Errors that suspend. Empty: any.
    pub errors: Vec<u32>,
    /// The first suspension. Default 30,000.
    pub initial_ms: u64,
    /// By how much each is longer than the one before. Default 1.
    pub factor: f64,
    /// The longest. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// Errors that suspend only when they come again. Default: time-outs and hang-ups.
    pub patient_errors: Vec<u32>,
    /// How many of those are tolerated before. Default 0.
    pub patience: u32,
    /// How long to leave the member alone after each of those. Default 0.
    pub patience_delay_ms: u64,
}

impl Default for Suspension {
    fn default() -> Self {
        Self {
            errors: Vec::new(),
            initial_ms: 30_000,
            factor: 1.0,
            max_ms: None,
            patient_errors: vec![fault::BACKEND_TIMEOUT.number, fault::BACKEND_CLOSED.number],
            patience: 0,
            patience_delay_ms: 0,
        }
    }
}

/// Leaves a member out that fails again and again while others are there: passive health checking.
///
/// An error and a status from 500 on count alike. When the time is over one request is let through; its success
/// brings the member back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ejection {
    /// Failures in a row. Default 5.
    pub failures: u32,
    /// The first time out; the second is twice as long, the third three times. Default 30,000.
    pub base_ms: u64,
    /// The longest. Default 300,000.
    pub max_ms: u64,
    /// How many of a hundred members may be out at once, by this rule. Default 50.
    pub max_percent: u8,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { failures: 5, base_ms: 30_000, max_ms: 300_000, max_percent: 50 }
    }
}

/// Stops calling a member that fails too often, so that callers are told at once and the member can recover.
///
/// An error and a status from 500 on count alike. Open for a fixed time, then half open: one request is let
/// through, and closes or opens it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failures in a row that open it; 0: they do not. Default 5.
    pub failures: u32,
    /// The share of failures within a window that opens it, from 0 to 1. Default: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// That window. Default 10,000.
    pub window_ms: u64,
    /// Requests within a window before the share means anything. Default 20.
    pub least_requests: u32,
    /// How long it stays open. Default 30,000.
    pub open_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, ratio: None, window_ms: 10_000, least_requests: 20, open_ms: 30_000 }
    }
}

/// Asks each member regularly whether it is well, once for the whole gateway. A member is taken for well until
/// the checks have said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// The path that is asked by GET; it replaces the path of the member's URL. Default `/`.
    pub path: String,
    /// From one check to the next. Default 10,000, at least 100.
    pub interval_ms: u64,
    /// Until the response's head must have arrived, connecting included. Default 2,000.
    pub timeout_ms: u64,
    /// Failures in a row after which a member is unwell. Default 3.
    pub unhealthy: u32,
    /// Successes in a row after which it is well again. Default 2.
    pub healthy: u32,
    /// Statuses that mean well. Empty: 200 to 399.
    pub statuses: Vec<u16>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval_ms: 10_000,
            timeout_ms: 2_000,
            unhealthy: 3,
            healthy: 2,
            statuses: Vec::new(),
        }
    }
}
