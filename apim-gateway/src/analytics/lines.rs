//! A sink that writes each call as a line of JSON.

use std::io;
use std::path::PathBuf;

use apim_core::{AnalyticsSink, CallEvent};

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
    let digits = event.correlation_id.digits();
    let mut object = Object::new(out);
    object
        .number(member!("requestTimestamp"), event.request_timestamp.as_millis())
        // Digits are ASCII.
        .text(member!("correlationId"), std::str::from_utf8(&digits).unwrap_or_default())
        .text(member!("keyType"), event.key_type)
        .text(member!("apiId"), event.api_id)
        .text(member!("apiName"), event.api_name)
        .text(member!("apiVersion"), event.api_version)
        .text(member!("apiContext"), event.api_context)
        .text(member!("apiCreator"), event.api_creator)
        .text(member!("apiMethod"), event.api_method)
        .text(member!("apiResourceTemplate"), event.api_resource_template)
        .text(member!("destination"), event.destination)
        .text(member!("applicationId"), event.application_id)
        .text(member!("applicationName"), event.application_name)
        .text(member!("applicationOwner"), event.application_owner)
        .text(member!("userName"), event.user_name)
        .address(member!("userIp"), event.user_ip)
        .text(member!("userAgent"), event.user_agent)
        .number(member!("proxyResponseCode"), event.proxy_response_code.into())
        .signed(member!("targetResponseCode"), event.target_response_code.into())
        .number(member!("responseLatency"), event.response_latency)
        .number(member!("backendLatency"), event.backend_latency)
        .number(member!("requestMediationLatency"), event.request_mediation_latency)
        .number(member!("responseMediationLatency"), event.response_mediation_latency)
        .number(member!("responseSize"), event.response_size);
    match event.error_code {
        Some(code) => object.number(member!("errorCode"), code.into()),
        None => object.null(member!("errorCode")),
    };
    let texts = [(member!("errorType"), event.error_type), (member!("errorMessage"), event.error_message)];
    for (member, text) in texts {
        match text {
            Some(text) => object.text(member, text),
            None => object.null(member),
        };
    }
    object.end();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::{RequestId, Timestamp, Worker};

    use super::*;

    fn event(number: u16) -> CallEvent<'static> {
        CallEvent {
            worker: Worker(0),
            request_timestamp: Timestamp::from_secs(1),
            correlation_id: RequestId(0xab),
            key_type: "PRODUCTION",
            api_id: "1",
            api_name: "a\nb",
            api_version: "1.0.0",
            api_context: "/a/1.0.0",
            api_creator: "ann",
            api_method: "GET",
            api_resource_template: "/*",
            destination: "http://backend",
            application_id: "7",
            application_name: "shop \"one\"",
            application_owner: "ann",
            user_name: "żółw",
            user_ip: [192, 0, 2, 1].into(),
            user_agent: "UNKNOWN",
            proxy_response_code: number,
            target_response_code: -1,
            response_latency: 3,
            backend_latency: 2,
            request_mediation_latency: 1,
            response_mediation_latency: 0,
            response_size: 1024,
            error_code: (number > 50).then_some(900_901),
            error_type: (number > 50).then_some("AUTH"),
            error_message: None,
        }
    }

    #[test]
    fn each_call_is_one_line_that_says_what_the_event_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        let lines = Lines::append(&path, u64::MAX, 1).unwrap();
        (0..100).for_each(|number| lines.record(&event(number)));
        assert_eq!(lines.dropped(), 0);
        drop(lines);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 100);
        for (number, line) in text.lines().enumerate() {
            // Member for member, in the same order.
            assert_eq!(line, serde_json::to_string(&event(number.try_into().unwrap())).unwrap());
        }
    }
}
