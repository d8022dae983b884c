//! A sink that writes each call as a line of JSON.

use std::io;
use std::path::PathBuf;

use apim_core::{AnalyticsSink, CallEvent, CorrelationId};

use crate::journal::{Journal, Object, member};

/// Writes each call as one line of JSON into a file, on a thread of its own.
///
/// Calls neither wait for the disk nor allocate: a worker adds its lines to a page of its own, which is
/// written when 64 KiB are on it, or a quarter of a second later. While the disk does not keep up, a page takes
/// 8 MiB; further events are dropped and counted. When the file has reached its limit it is renamed to `….1`,
/// over the one of that name, so that it and its predecessor together never hold much more than twice the
/// limit. Dropping the sink writes what is waiting.
#[derive(Debug)]
pub struct Lines(Journal);

impl Lines {
    /// Appends to a file, which is made if it is not there, up to a limit in bytes. `workers` is how many the
    /// gateway has, so that they do not meet.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or no thread can be started.
    pub fn append(path: impl Into<PathBuf>, limit: u64, workers: usize) -> io::Result<Self> {
        Journal::append(path.into(), limit, workers).map(Self)
    }

    /// How many events were not written.
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

impl AnalyticsSink for Lines {
    fn record(&self, event: &CallEvent<'_>) {
        self.0.line(event.worker, |bytes| write(event, bytes));
    }
}

/// What the event's own `Serialize` says, at a fraction of its cost.
fn write(event: &CallEvent<'_>, out: &mut Vec<u8>) {
    let site = event.site;
    let mut object = Object::new(out);
    object.constant(member!("eventType"), if event.fault.is_some() { "fault" } else { "response" });
    object.time(member!("requestTimestamp"), event.request_timestamp);
    match event.correlation_id {
        CorrelationId::Client(id) => object.text(member!("correlationId"), id),
        CorrelationId::Own(id) => object.id(member!("correlationId"), id),
    };
    object
        .constant(member!("keyType"), event.key_type)
        .members(&site.api_members)
        .text(member!("applicationId"), event.application_id)
        .text(member!("applicationName"), event.application_name)
        .text(member!("applicationOwner"), event.application_owner)
        .members(&event.gateway.members)
        .signed(member!("proxyResponseCode"), event.proxy_response_code.into())
        .signed(member!("targetResponseCode"), event.target_response_code.into());
    match &event.fault {
        Some(fault) => object
            .constant(member!("errorType"), fault.error_type)
            .number(member!("errorCode"), fault.error_code.into())
            .constant(member!("errorMessage"), fault.error_message),
        None => object
            .members(&site.context_member)
            .text(member!("apiMethod"), event.api_method)
            .text(member!("apiResourceTemplate"), event.api_resource_template)
            .text(member!("destination"), event.destination)
            .text(member!("userAgentHeader"), event.user_agent_header)
            .text(member!("userName"), event.user_name)
            .address(member!("userIp"), event.user_ip)
            .truth(member!("responseCacheHit"), event.response_cache_hit)
            .number(member!("responseLatency"), event.response_latency)
            .number(member!("backendLatency"), event.backend_latency)
            .number(member!("requestMediationLatency"), event.request_mediation_latency)
            .number(member!("responseMediationLatency"), event.response_mediation_latency),
    };
    object.object(member!("properties"), |properties| {
        properties
            .text(member!("userName"), event.user_name)
            .members(&site.context_member)
            .number(member!("responseSize"), event.response_size)
            .text(member!("responseContentType"), event.response_content_type)
            .text(member!("commonName"), event.common_name)
            .truth(member!("isEgress"), event.is_egress)
            .constant(member!("subtype"), event.subtype);
    });
    object.end();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::{CallFault, CallGateway, CallSite, RequestId, Timestamp, Worker};

    use std::sync::Arc;

    use apim_core::model::Api;

    use super::*;

    fn site() -> CallSite {
        let api = serde_json::json!({
            "id": "1", "name": "a\nb", "version": "1.0.0", "context": "/a", "provider": "ann",
            "endpoints": {},
        });
        let api: Arc<Api> = Arc::new(serde_json::from_value(api).unwrap());
        CallSite::new(api, "/a/1.0.0".into())
    }

    fn event<'a>(site: &'a CallSite, gateway: &'a CallGateway, number: u16) -> CallEvent<'a> {
        let odd = number % 2 == 1;
        CallEvent {
            worker: Worker(0),
            request_timestamp: Timestamp::from_millis(784_111_777_042 + u64::from(number)),
            correlation_id: match odd {
                true => CorrelationId::Client("order-1"),
                false => CorrelationId::Own(RequestId(0xab)),
            },
            key_type: "PRODUCTION",
            site,
            gateway,
            api_method: "GET",
            api_resource_template: "/*",
            destination: "http://backend",
            application_id: "7",
            application_name: "shop \"one\"",
            application_owner: "ann",
            user_agent_header: "UNKNOWN",
            user_name: "żółw",
            user_ip: [192, 0, 2, 1].into(),
            proxy_response_code: number.into(),
            target_response_code: -1,
            response_cache_hit: odd,
            response_latency: 3,
            backend_latency: 2,
            request_mediation_latency: 1,
            response_mediation_latency: 0,
            response_size: 1024,
            response_content_type: "text/plain",
            common_name: "N/A",
            is_egress: false,
            subtype: "DEFAULT",
            fault: (number > 50).then_some(CallFault {
                error_type: "AUTH",
                error_code: 900_901,
                error_message: "AUTHENTICATION_FAILURE",
            }),
        }
    }

    #[test]
    fn each_call_is_one_line_that_says_what_the_event_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        let (site, gateway) = (site(), CallGateway::new("east \"1\"".into()));
        let lines = Lines::append(&path, u64::MAX, 1).unwrap();
        (0..100).for_each(|number| lines.record(&event(&site, &gateway, number)));
        assert_eq!(lines.dropped(), 0);
        drop(lines);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 100);
        for (number, line) in text.lines().enumerate() {
            // Member for member, in the same order.
            assert_eq!(
                line,
                serde_json::to_string(&event(&site, &gateway, number.try_into().unwrap())).unwrap()
            );
        }
    }
}
