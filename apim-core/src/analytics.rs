//! What became of a request, for those who count.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::Timestamp;
use crate::exchange::{Context, RequestId};
use crate::worker::Worker;

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
///
/// It borrows from the request's context, so that making it costs no more than reading it. A sink that keeps
/// events serialises them, or copies the fields that it wants.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the wire's, and say it")]
pub struct CallEvent<'a> {
    /// Which worker served the call, for sinks that have something for each; not part of the event itself.
    #[serde(skip)]
    pub worker: Worker,
    pub request_timestamp: Timestamp,
    pub correlation_id: RequestId,
    pub key_type: &'static str,
    pub api_id: &'a str,
    pub api_name: &'a str,
    pub api_version: &'a str,
    pub api_context: &'a str,
    pub api_creator: &'a str,
    pub api_method: &'a str,
    pub api_resource_template: &'a str,
    pub destination: &'a str,
    pub application_id: &'a str,
    pub application_name: &'a str,
    pub application_owner: &'a str,
    pub user_name: &'a str,
    pub user_ip: IpAddr,
    pub user_agent: &'a str,
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
    pub error_message: Option<&'static str>,
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
///     fn record(&self, _: &CallEvent<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait AnalyticsSink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &CallEvent<'_>);
}
