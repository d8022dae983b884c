//! What became of a request, for those who count.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::exchange::{Context, RequestId};
use crate::model::{Api, ApiKind};
use crate::worker::Worker;

/// A request that has ended: its body left whole, or the client went away, or it was never answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<'a> {
    /// All that was learned of it.
    pub context: &'a Context,
    /// When it ended.
    pub ended: Instant,
    total: Duration,
    backend: Duration,
    request_mediation: Duration,
}

impl<'a> Outcome<'a> {
    /// The outcome of a request that ends now.
    pub fn of(context: &'a Context) -> Self {
        // Many ask how long it took, and to subtract moments costs more than to keep what came out.
        let ended = Instant::now();
        let total = ended.saturating_duration_since(context.started);
        let (request_mediation, backend) = match context.backend_started {
            None => (total, Duration::ZERO),
            Some(asked) => {
                let answered = context.backend_ended.unwrap_or(ended);
                let before = asked.saturating_duration_since(context.started);
                (before, answered.saturating_duration_since(asked))
            }
        };
        Self { context, ended, total, backend, request_mediation }
    }

    /// From the request's head to the end of its answer.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// How long the backend took to answer; zero if it was not asked.
    pub fn backend(&self) -> Duration {
        self.backend
    }

    /// From the request's head until the backend was asked; the whole time if it was not.
    pub fn request_mediation(&self) -> Duration {
        self.request_mediation
    }

    /// From the backend's answer to the end.
    pub fn response_mediation(&self) -> Duration {
        match self.context.backend_ended {
            Some(_) => self.total.saturating_sub(self.request_mediation + self.backend),
            None => Duration::ZERO,
        }
    }
}

/// What the events of all calls of an API have in common; made when the API is deployed.
///
/// It is there as JSON, too, so that sinks need not write the same texts again for every call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CallSite {
    /// The API.
    pub api: Arc<Api>,
    /// Its context, with the version.
    pub context: Arc<str>,
    /// `apiId` and the members that follow it, with commas between.
    pub api_members: Box<str>,
    /// `apiContext`.
    pub context_member: Box<str>,
}

impl CallSite {
    /// An API, at its versioned context.
    pub fn new(api: Arc<Api>, context: Arc<str>) -> Self {
        Self {
            api_members: members(&[
                ("apiId", &api.id),
                ("apiType", api_type(&api)),
                ("apiName", &api.name),
                ("apiVersion", &api.version),
                ("apiCreator", &api.provider),
                ("apiCreatorTenantDomain", &api.tenant),
            ]),
            context_member: members(&[("apiContext", &context)]),
            api,
            context,
        }
    }
}

/// What all events of a gateway have in common.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CallGateway {
    /// Where it stands, as its operator calls it.
    pub region: Arc<str>,
    /// `regionId` and `gatewayType`, with a comma between.
    pub members: Box<str>,
}

impl CallGateway {
    /// What kind of gateway it is.
    const TYPE: &'static str = "APIM";

    /// A gateway in a region.
    pub fn new(region: Arc<str>) -> Self {
        Self { members: members(&[("regionId", &region), ("gatewayType", Self::TYPE)]), region }
    }
}

/// Some members of a JSON object.
fn members(of: &[(&str, &str)]) -> Box<str> {
    let text = |(name, value): &(&str, &str)| format!("\"{name}\":{}", Value::from(*value));
    of.iter().map(text).collect::<Vec<_>>().join(",").into()
}

fn api_type(api: &Api) -> &'static str {
    match api.kind {
        ApiKind::Http => "HTTP",
        ApiKind::WebSocket => "WS",
    }
}

/// One call, as analytics keeps it (spec: gateway-observability, section 1). Latencies in milliseconds.
///
/// It borrows from the request's context, so that making it costs no more than reading it. A sink that keeps
/// events serialises them, or copies the fields that it wants. There are two kinds, told apart by
/// [`fault`](Self::fault); as JSON each has the members that the spec lists for it, and no others. What is not
/// known is `UNKNOWN`, or −1.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are the wire's, and say it")]
pub struct CallEvent<'a> {
    /// Which worker served the call, for sinks that have something for each; not part of the event itself.
    pub worker: Worker,
    /// When the request's head had been read; as RFC 3339 has it in JSON.
    pub request_timestamp: Timestamp,
    pub correlation_id: CorrelationId<'a>,
    pub key_type: &'static str,
    /// The API that was called: `apiId` and the like.
    pub site: &'a CallSite,
    /// The gateway that was called: `regionId`, `gatewayType`.
    pub gateway: &'a CallGateway,
    pub api_method: &'a str,
    pub api_resource_template: &'a str,
    pub destination: &'a str,
    pub application_id: &'a str,
    pub application_name: &'a str,
    pub application_owner: &'a str,
    pub user_agent_header: &'a str,
    pub user_name: &'a str,
    pub user_ip: IpAddr,
    /// −1 where the client went away before it was answered.
    pub proxy_response_code: i32,
    /// −1 where the backend was not asked, or has not answered.
    pub target_response_code: i32,
    pub response_cache_hit: bool,
    pub response_latency: u64,
    pub backend_latency: u64,
    pub request_mediation_latency: u64,
    pub response_mediation_latency: u64,
    /// Bytes of the answer's body that have left. This and the following are in `properties`.
    pub response_size: u64,
    pub response_content_type: &'a str,
    /// Of the certificate that the client was let in by; `N/A` without one.
    pub common_name: &'a str,
    /// Whether the API leads out of the organisation.
    pub is_egress: bool,
    /// What is special about the API, `DEFAULT` if nothing is.
    pub subtype: &'static str,
    /// Why the gateway has refused the call, or could not get an answer; none: the answer is the backend's, or
    /// was meant to be given.
    pub fault: Option<CallFault>,
}

/// Why a call failed (spec: gateway-observability, "Fault classification").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the wire's, and say it")]
pub struct CallFault {
    pub error_type: &'static str,
    /// The number that the caller was told.
    pub error_code: u32,
    /// The class within the type.
    pub error_message: &'static str,
}

/// What ties a call to those of other services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrelationId<'a> {
    /// What the client has sent.
    Client(&'a str),
    /// The request's own id, since the client has sent none.
    Own(RequestId),
}

impl<'a> CorrelationId<'a> {
    /// Of a request.
    pub fn of(context: &'a Context) -> Self {
        let sent = context.correlation_id.as_ref().and_then(|id| id.to_str().ok());
        sent.map_or(Self::Own(context.request_id), Self::Client)
    }
}

impl Serialize for CorrelationId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(text) => serializer.serialize_str(text),
            Self::Own(id) => id.serialize(serializer),
        }
    }
}

/// Serialises some fields under the names that they have on the wire.
macro_rules! members {
    ($map:ident, $($name:literal: $value:expr),* $(,)?) => {{
        $($map.serialize_entry($name, &$value)?;)*
    }};
}

impl Serialize for CallEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let site = self.site;
        let mut map = serializer.serialize_map(None)?;
        members!(map,
            "eventType": if self.fault.is_some() { "fault" } else { "response" },
            "requestTimestamp": format_args!("{}", self.request_timestamp),
            "correlationId": self.correlation_id,
            "keyType": self.key_type,
            "apiId": site.api.id,
            "apiType": api_type(&site.api),
            "apiName": site.api.name,
            "apiVersion": site.api.version,
            "apiCreator": site.api.provider,
            "apiCreatorTenantDomain": site.api.tenant,
            "applicationId": self.application_id,
            "applicationName": self.application_name,
            "applicationOwner": self.application_owner,
            "regionId": self.gateway.region,
            "gatewayType": CallGateway::TYPE,
            "proxyResponseCode": self.proxy_response_code,
            "targetResponseCode": self.target_response_code,
        );
        match &self.fault {
            Some(fault) => members!(map,
                "errorType": fault.error_type,
                "errorCode": fault.error_code,
                "errorMessage": fault.error_message,
            ),
            None => members!(map,
                "apiContext": site.context,
                "apiMethod": self.api_method,
                "apiResourceTemplate": self.api_resource_template,
                "destination": self.destination,
                "userAgentHeader": self.user_agent_header,
                "userName": self.user_name,
                "userIp": self.user_ip,
                "responseCacheHit": self.response_cache_hit,
                "responseLatency": self.response_latency,
                "backendLatency": self.backend_latency,
                "requestMediationLatency": self.request_mediation_latency,
                "responseMediationLatency": self.response_mediation_latency,
            ),
        }
        map.serialize_entry("properties", &Properties(self))?;
        map.end()
    }
}

/// What stands in an event's `properties`.
struct Properties<'a>(&'a CallEvent<'a>);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(Some(7))?;
        members!(map,
            "userName": event.user_name,
            "apiContext": event.site.context,
            "responseSize": event.response_size,
            "responseContentType": event.response_content_type,
            "commonName": event.common_name,
            "isEgress": event.is_egress,
            "subtype": event.subtype,
        );
        map.end()
    }
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
