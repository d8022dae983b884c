//! One request as a line of JSON.

use std::io::{self, Write};
use std::time::Duration;

use apim_core::{Context, Outcome};
use http::Uri;

use crate::log::Redact;

/// Bytes of a path with its query.
const LONGEST_TARGET: usize = 2048;

/// Bytes of a user agent.
const LONGEST_AGENT: usize = 256;

/// Writes a line, without the line feed.
pub(super) fn write(line: &mut Vec<u8>, outcome: &Outcome<'_>, redact: &Redact) -> io::Result<()> {
    let context = outcome.context;
    write!(line, r#"{{"time":"{}","requestId":"{}","#, context.received_at, context.request_id)?;
    write!(line, r#""correlationId":"#)?;
    match context.correlation_id.as_ref().and_then(|id| id.to_str().ok()) {
        Some(id) => text(line, id)?,
        None => write!(line, r#""{}""#, context.request_id)?,
    }
    write!(line, r#","client":"{}","method":"#, context.client_ip)?;
    text(line, context.method.as_str())?;
    line.extend_from_slice(br#","path":""#);
    target(line, &context.uri, redact)?;
    line.push(b'"');
    let agent = context.user_agent.as_ref().and_then(|agent| agent.to_str().ok());
    field(line, "userAgent", agent.map(|agent| start(agent, LONGEST_AGENT)))?;
    write!(line, r#","status":{}"#, context.status.map_or(0, |status| status.as_u16()))?;
    refusal(line, context)?;
    caller(line, context)?;
    field(line, "backend", context.destination.as_deref())?;
    if let Some(status) = context.backend_status {
        write!(line, r#","backendStatus":{}"#, status.as_u16())?;
    }
    write!(line, r#","durationMs":{}"#, Millis(outcome.total()))?;
    if context.backend_started.is_some() {
        write!(line, r#","backendMs":{}"#, Millis(outcome.backend()))?;
    }
    write!(
        line,
        r#","sentBytes":{},"complete":{},"worker":{}}}"#,
        context.sent, context.finished, context.worker.0
    )
}

fn refusal(line: &mut Vec<u8>, context: &Context) -> io::Result<()> {
    let Some(fault) = context.fault.as_deref() else { return Ok(()) };
    write!(line, r#","code":{}"#, fault.code().number)?;
    field(line, "stage", context.answered_by)?;
    field(line, "rule", fault.deciding_rule())
}

fn caller(line: &mut Vec<u8>, context: &Context) -> io::Result<()> {
    if let Some(api) = &context.api {
        line.extend_from_slice(br#","api":"#);
        text(line, &api.name)?;
        // Two strings made one: the quote between them goes.
        line.pop();
        line.push(b':');
        let version = line.len();
        text(line, &api.version)?;
        line.remove(version);
        field(line, "apiId", Some(&api.id))?;
    }
    field(line, "operation", context.operation().map(|operation| &*operation.path))?;
    let Some(principal) = &context.principal else { return Ok(()) };
    field(line, "application", principal.application.as_ref().map(|application| &*application.name))?;
    field(line, "user", Some(&principal.user))
}

/// The path, and the query without its secrets, within quotes that stand already.
fn target(line: &mut Vec<u8>, uri: &Uri, redact: &Redact) -> io::Result<()> {
    let begin = line.len();
    let mut plain = Plain(line);
    plain.write_all(start(uri.path(), LONGEST_TARGET).as_bytes())?;
    if let Some(query) = uri.query() {
        plain.write_all(b"?")?;
        redact.query(start(query, LONGEST_TARGET), &mut plain)?;
    }
    line.truncate(begin + LONGEST_TARGET);
    Ok(())
}

/// Writes what stands in a URI, of which every byte is one of ASCII and none a control: what JSON would escape,
/// or is none of that after all, is percent-encoded, as it should have been sent.
struct Plain<'a>(&'a mut Vec<u8>);

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            match byte {
                b'"' | b'\\' | ..0x20 | 0x7f.. => write!(self.0, "%{byte:02X}")?,
                _ => self.0.push(*byte),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn field(line: &mut Vec<u8>, name: &str, value: Option<&str>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    write!(line, r#","{name}":"#)?;
    text(line, value)
}

fn text(line: &mut Vec<u8>, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(line, text)?)
}

fn start(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Milliseconds with three decimals.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.as_micros() % 1000)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::{Peer, RequestId, Timestamp};
    use http::Request;

    use super::*;

    fn lines_of(uri: &str, agent: &[u8]) -> serde_json::Value {
        let request = Request::get(uri).header("user-agent", agent).body(()).unwrap();
        let (head, ()) = request.into_parts();
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false };
        let context = Context::new(RequestId(7), peer, Timestamp::default(), &head);
        let mut line = Vec::new();
        write(&mut line, &Outcome::of(&context), &Redact::default()).unwrap();
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn whatever_a_client_sends_the_line_is_json_and_holds_no_secret() {
        let line = lines_of("/a?apikey=s3cret&q=\\x", b"agent \"quoted\" \\ \t end");
        assert_eq!(line["path"], "/a?apikey=[redacted]&q=%5Cx");
        assert_eq!(line["userAgent"], "agent \"quoted\" \\ \t end");
        assert_eq!((&line["status"], &line["complete"]), (&0.into(), &false.into()));
        assert_eq!(line["correlationId"], line["requestId"]);
        let long = lines_of(&format!("/{}?token={}", "a".repeat(3000), "t".repeat(3000)), &[0xff, 0xfe]);
        assert_eq!(long["path"].as_str().unwrap().len(), LONGEST_TARGET);
        assert!(long.get("userAgent").is_none());
    }
}
