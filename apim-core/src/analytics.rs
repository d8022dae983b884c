//! What became of a request, for those who count.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::Timestamp;
use crate::exchange::Context;

/// A request that has ended: its body left whole, or the client went away, or it was never answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<'a> {
    /// All that was learned of it.
    pub context: &'a Context,
    /// When it ended.
    pub ended: Instant,
}

impl<'a> Outcome<'a> {
    /// The outcome of a request that ends now.
    pub fn of(context: &'a Context) -> Self {
        Self { context, ended: Instant::now() }
    }

    /// From the request's head to the end of its answer.
    pub fn total(&self) -> Duration {
        self.ended.saturating_duration_since(self.context.started)
    }

    /// How long the backend took to answer; zero if it was not asked.
    pub fn backend(&self) -> Duration {
        match (self.context.backend_started, self.context.backend_ended) {
            (Some(start), Some(end)) => end.saturating_duration_since(start),
            (Some(start), None) => self.ended.saturating_duration_since(start),
            _ => Duration::ZERO,
        }
    }

    /// From the request's head until the backend was asked; the whole time if it was not.
    pub fn request_mediation(&self) -> Duration {
        self.context.backend_started.unwrap_or(self.ended).saturating_duration_since(self.context.started)
    }

    /// From the backend's answer to the end.
    pub fn response_mediation(&self) -> Duration {
        self.context.backend_ended.map_or(Duration::ZERO, |end| self.ended.saturating_duration_since(end))
    }
}

/// One call, as analytics keeps it (spec: gateway-observability, section 1). Latencies in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the wire's, and say it")]
pub struct CallEvent {
    pub request_timestamp: Timestamp,
    pub correlation_id: String,
    pub key_type: &'static str,
    pub api_id: String,
    pub api_name: String,
    pub api_version: String,
    pub api_context: String,
    pub api_creator: String,
    pub api_method: String,
    pub api_resource_template: String,
    pub destination: String,
    pub application_id: String,
    pub application_name: String,
    pub application_owner: String,
    pub user_name: String,
    pub user_ip: String,
    pub user_agent: String,
    pub proxy_response_code: u16,
    /// −1 where the backend was not asked.
    pub target_response_code: i32,
    pub response_latency: u64,
    pub backend_latency: u64,
    pub request_mediation_latency: u64,
    pub response_mediation_latency: u64,
    pub response_size: u64,
    /// The number of the fault, if it was one.
    pub error_code: Option<u32>,
    pub error_type: Option<&'static str>,
    pub error_message: Option<String>,
}

/// Takes the events of calls.
///
/// Called once per call, on the hot path, from any thread: it must not block or wait. When it cannot keep
/// up it drops events and counts the dropped.
///
/// ```
/// use apim_core::analytics::{AnalyticsSink, CallEvent};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl AnalyticsSink for Count {
///     fn record(&self, _: CallEvent) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait AnalyticsSink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: CallEvent);
}
