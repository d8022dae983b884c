//! One message as a line of JSON.

use apim_core::model::Api;
use apim_core::{Context, CorrelationId, RequestId, Timestamp};
use http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

/// Header lines that are written, and bytes of each value.
const MOST_HEADERS: usize = 100;
const LONGEST_VALUE: usize = 1024;

/// Which message of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Flow {
    RequestIn,
    RequestOut,
    ResponseIn,
    ResponseOut,
}

/// What is written of it, but for the payload. Names are the original's where it has the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    #[serde(serialize_with = "text")]
    time: Timestamp,
    flow: Flow,
    correlation_id: CorrelationId<'a>,
    request_id: RequestId,
    api_id: &'a str,
    api: String,
    #[serde(rename = "sourceIP", skip_serializing_if = "Option::is_none")]
    source_ip: Option<std::net::IpAddr>,
    verb: &'a str,
    pub(super) api_to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<Vec<String>>,
}

fn text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl<'a> Line<'a> {
    pub(super) fn new(flow: Flow, time: Timestamp, api: &'a Api, context: &'a Context) -> Self {
        let is_request = matches!(flow, Flow::RequestIn | Flow::RequestOut);
        Self {
            time,
            flow,
            correlation_id: CorrelationId::of(context),
            request_id: context.request_id,
            api_id: &api.id,
            api: format!("{}:{}", api.name, api.version),
            source_ip: is_request.then_some(context.client_ip),
            verb: context.method.as_str(),
            api_to: String::new(),
            target: None,
            backend: None,
            status_code: None,
            headers: None,
        }
    }

    /// As JSON.
    pub(super) fn written(&self) -> Vec<u8> {
        // There is nothing in it that has no form in JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Headers as `name=value`, with some values hidden.
pub(super) fn headers(headers: &HeaderMap, hides: impl Fn(&HeaderName) -> bool) -> Vec<String> {
    let shown = headers.iter().take(MOST_HEADERS).map(|(name, value)| {
        if hides(name) {
            return format!("{name}=[redacted]");
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        format!("{name}={}", &value[..value.floor_char_boundary(LONGEST_VALUE)])
    });
    shown.collect()
}

/// A line with what has passed of a payload.
pub(super) fn with_payload(mut line: Vec<u8>, payload: &[u8], bytes: u64, cut: bool) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a str>,
        payload_bytes: u64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        payload_cut: bool,
    }
    let payload = Payload { payload: readable(payload), payload_bytes: bytes, payload_cut: cut };
    if line.pop().is_some() {
        line.push(b',');
        // What stands there is an object, and so is what follows: their braces meet.
        let more = serde_json::to_vec(&payload).unwrap_or_default();
        line.extend_from_slice(more.strip_prefix(b"{").unwrap_or(b"}"));
    }
    line
}

/// The text that bytes are, up to a character that was cut at their end; none if they are no text.
fn readable(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok())
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_payload_joins_the_line_if_it_is_text() {
        let joined = |payload: &[u8], cut: bool| -> Value {
            serde_json::from_slice(&with_payload(br#"{"a":1}"#.to_vec(), payload, 7, cut)).unwrap()
        };
        assert_eq!(joined(b"\"x\"\n", false), json!({"a": 1, "payload": "\"x\"\n", "payloadBytes": 7}));
        assert_eq!(
            joined("zoë".as_bytes().split_last().unwrap().1, true),
            json!({"a": 1, "payload": "zo", "payloadBytes": 7, "payloadCut": true})
        );
        assert_eq!(joined(&[0x1f, 0x8b, 8, 0xff, 0], false), json!({"a": 1, "payloadBytes": 7}));
    }

    #[test]
    fn a_header_is_cut_and_hidden_where_it_has_to_be() {
        let mut given = HeaderMap::new();
        given.insert("a", "x".repeat(5000).parse().unwrap());
        given.insert("b", "secret".parse().unwrap());
        given.insert("c", http::HeaderValue::from_bytes(b"\xff").unwrap());
        let shown = headers(&given, |name| name == "b");
        assert_eq!(shown[0].len(), 2 + LONGEST_VALUE);
        assert_eq!(shown[1..], ["b=[redacted]", "c=\u{fffd}"]);
    }
}
