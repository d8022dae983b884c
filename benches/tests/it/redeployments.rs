//! What a deployment leaves behind, be it in the view, in a worker, or in what is kept by API: nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use apim_core::model::Api;
use apim_core::{Change, Event, Revision, Timestamp};
use benches::end_to_end::{Backend, Running, Scenario, request, snapshot};
use benches::issuer::Issuer;
use serde_json::json;

use super::HEAP;

/// By then everything has found its place: rings are full, tables have their size.
const WARM: u64 = 300;
const DEPLOYMENTS: u64 = 3_000;
/// Less than three bytes for each deployment between the two.
const MOST: usize = 8 << 10;

/// Bytes on the heap of this process.
fn live() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn ask(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).unwrap();
    let (mut answer, mut filled) = ([0; 4096], 0);
    while !answer[..filled].ends_with(b"x\"}") {
        let read = stream.read(&mut answer[filled..]).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer[..filled]));
        filled += read;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..filled]));
}

#[test]
fn an_api_that_is_deployed_ten_times_as_often_takes_no_more_memory() {
    let _alone = super::alone();
    let (backend, issuer) = (Backend::start(), Issuer::default());
    let first = snapshot(Scenario::Guarded, backend.address, &issuer);
    let api = first.changes().find_map(|change| match change {
        Change::ApiDeployed(api) => Some(serde_json::to_value(api).unwrap()),
        _ => None,
    });
    let mut api = api.unwrap();
    let url = api["endpoints"]["production"]["url"].clone();
    let running = Running::start(first, |_| {});
    let request = request(&format!("Authorization: Bearer {}\r\n", issuer.token("client", 0)));
    let mut client = TcpStream::connect(running.address).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut warm = 0;
    for deployment in 1..=DEPLOYMENTS {
        // Each differs in what a call has to do with, so that nothing of it is taken over from the last.
        api["endpoints"]["production"]["url"] = format!("http://{}/v{deployment}", backend.address).into();
        // And one of which something is learned, and taken over.
        let timeout = 1_000 + deployment;
        api["endpoints"]["sandbox"] = json!({"url": url, "suspension": {}, "timeout_ms": timeout});
        api["operations"][0]["path"] = format!("/pets/{{id_{deployment}}}").into();
        let revised: Arc<Api> = serde_json::from_value(api.clone()).unwrap();
        let change = Change::ApiDeployed(revised);
        let event = Event { revision: Revision(1 + deployment), at: Timestamp::default(), change };
        let report = runtime.block_on(running.gateway.apply(event));
        assert!(report.refused.is_empty(), "{report:?}");
        ask(&mut client, request.as_bytes());
        if deployment == WARM {
            warm = live();
        }
    }
    let grown = live().saturating_sub(warm);
    assert!(grown <= MOST, "{grown} bytes more after {DEPLOYMENTS} deployments than after {WARM}");
}
