//! A sink that writes each call as a line of JSON.

use std::io;
use std::path::PathBuf;

use apim_core::{AnalyticsSink, CallEvent};

use crate::journal::Journal;

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
        self.0.line(event.worker, |bytes| serde_json::to_writer(bytes, event));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::{RequestId, Timestamp, Worker};

    use super::*;

    #[test]
    fn each_call_is_one_line_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        let lines = Lines::append(&path, u64::MAX, 1).unwrap();
        for number in 0..100 {
            lines.record(&CallEvent {
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
                application_name: "shop",
                application_owner: "ann",
                user_name: "ann",
                user_ip: [192, 0, 2, 1].into(),
                user_agent: "UNKNOWN",
                proxy_response_code: number,
                target_response_code: -1,
                response_latency: 3,
                backend_latency: 2,
                request_mediation_latency: 1,
                response_mediation_latency: 0,
                response_size: 1024,
                error_code: None,
                error_type: None,
                error_message: None,
            });
        }
        assert_eq!(lines.dropped(), 0);
        drop(lines);
        let text = std::fs::read_to_string(path).unwrap();
        let events: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.iter().map(|event| event["proxyResponseCode"].as_u64().unwrap()).eq(0..100));
        let event = &events[7];
        assert_eq!(event["correlationId"], "000000000000000000000000000000ab");
        assert_eq!((&event["userIp"], &event["apiName"]), (&"192.0.2.1".into(), &"a\nb".into()));
        assert_eq!((&event["requestTimestamp"], &event["errorCode"]), (&1000.into(), &().into()));
        assert!(event.get("worker").is_none());
    }
}
