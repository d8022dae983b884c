//! Streams with llhttp's verdict. What that strict parser refuses, the gateway refuses too.
//!
//! The data are not part of this repository. Where they are is told by `APIM_TEST_CORPUS`, or they lie in
//! `../shared/corpus` beside it.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::lanes;
use crate::bench::{Plan, backend};

#[derive(Deserialize)]
struct Stream {
    file: String,
    title: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    bytes_b64: String,
    verdict: String,
    reason: Option<String>,
    /// Messages that were whole before the fault.
    completed: usize,
}

impl Stream {
    fn is_response(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.starts_with("response"))
    }

    /// How many requests in it are whole.
    fn whole(&self) -> usize {
        // The text of this test runs into the one behind it: its first request is whole, by llhttp's own log.
        let run_on = self.title == "CRLF between requests, implicit `keep-alive`";
        // As a request, a response is nothing at all.
        if self.is_response() { 0 } else { self.completed.max(usize::from(run_on)) }
    }

    /// What a client would send: some streams are a URL and no more.
    fn bytes(&self) -> Vec<u8> {
        let bytes = STANDARD.decode(&self.bytes_b64).unwrap();
        match self.kind {
            Some(_) => bytes,
            None => [b"GET ", &*bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
        }
    }

    fn name(&self) -> String {
        format!("{} `{}` ({:?})", self.file, self.title, self.reason)
    }
}

/// All streams that llhttp rejects; none if they are not to be had.
fn rejected() -> Option<Vec<Stream>> {
    let folder = match std::env::var_os("APIM_TEST_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
    };
    let file = folder.join("h1-llhttp.jsonl.gz");
    if !file.exists() {
        tell(&format!("SKIPPED: there is no {}; set APIM_TEST_CORPUS to where it is", file.display()));
        return None;
    }
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
    assert!(unpacked.status.success(), "{file:?} cannot be unpacked");
    let lines = String::from_utf8(unpacked.stdout).unwrap();
    let all: Vec<Stream> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rejected: Vec<_> = all.into_iter().filter(|stream| stream.verdict == "reject").collect();
    assert!(rejected.len() > 50, "{file:?} holds only {} streams", rejected.len());
    Some(rejected)
}

/// Past the test harness, which keeps what a passing test prints to itself.
fn tell(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[tokio::test]
async fn what_llhttp_rejects_is_refused_and_the_backend_sees_only_what_was_answered() {
    let Some(streams) = rejected() else { return };
    let mut wrong = Vec::new();
    for in_pieces in [false, true] {
        let outcomes = lanes::run(streams.iter().map(Stream::bytes).collect(), in_pieces).await;
        for (stream, outcome) in streams.iter().zip(&outcomes) {
            let whole = stream.whole();
            if outcome.answered.len() > whole || !outcome.is_exact() {
                let bytes = stream.bytes();
                wrong.push(format!("{}: {outcome:?}\n  {}", stream.name(), bytes.escape_ascii()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} were not refused:\n{}", wrong.len(), wrong.join("\n"));
    tell(&format!("llhttp: {0} of {0} rejected streams refused, whole and in pieces", streams.len()));
}

#[tokio::test]
async fn of_an_answer_that_llhttp_rejects_a_client_gets_one_answer_or_none() {
    let Some(streams) = rejected() else { return };
    let mut refused = 0;
    let responses: Vec<_> = streams.iter().filter(|stream| stream.is_response()).collect();
    for stream in &responses {
        let bytes = stream.bytes();
        let address = backend(move |_, mut wire| {
            let bytes = bytes.clone();
            async move {
                wire.head().await;
                wire.send(bytes).await;
            }
        })
        .await;
        let gateway = Plan::to(format!("http://{address}")).start();
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        // What is lenient about line ends between backend and gateway is written anew for the client.
        match client.next().await {
            Some(got) if !got.status().starts_with('5') => {}
            _ => refused += 1,
        }
        let more = client.next().await;
        assert!(more.is_none(), "{}: {}", stream.name(), more.unwrap().head);
    }
    assert!(refused >= responses.len() * 3 / 4, "only {refused} of {} were refused", responses.len());
    tell(&format!(
        "llhttp: {refused} of {} rejected answers refused, the others made clear",
        responses.len()
    ));
}
