//! What a request costs the gateway itself, and what a change does.

use allocation_counter::measure;
use apim_core::event::{Change, Event, Revision};
use apim_core::{Body, Peer, Snapshot, Timestamp, Worker};
use apim_gateway::analytics::Lines;
use apim_gateway::builder::Builder;
use apim_gateway::log::Log;
use futures_util::FutureExt as _;
use http::Request;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{Bench, Silent, pets};

/// Beside what the server and the upstream allocate: the context, the box of a backend that is not the
/// upstream, and the growth of a header map that is as full as it can be when two ids are added (the upstream adds
/// more, so that it would grow anyway). All usual links are there, and somebody to take the events of calls.
#[tokio::test]
async fn a_call_with_a_remembered_token_costs_three_allocations() {
    let folder = tempfile::tempdir().unwrap();
    let lines = Arc::new(Lines::append(folder.path().join("calls"), 1 << 20, 2).unwrap());
    // Of an API without a level nothing is written, and nothing prepared.
    let log = Arc::new(Log::append(folder.path().join("api"), 1 << 20, 2).unwrap());
    let adjust = |builder: Builder| builder.backend(Silent).analytics(lines).api_log(log);
    assert_eq!(allocations(&Bench::with(adjust).await).await, 3);
}

/// Of a trace that is not recorded the backend is told all the same, in a text that is cut from a block. One that is
/// costs what is kept of it until the call has ended; its spans are written in place.
#[cfg(feature = "otel")]
#[tokio::test]
async fn a_call_of_a_trace_that_is_not_recorded_allocates_no_more_than_one_without() {
    use apim_gateway::traces::Tracer;

    for (ratio, most) in [(0.0, 3), (1.0, 7)] {
        let config = json!({"endpoint": "http://127.0.0.1:1/v1/traces", "ratio": ratio});
        let tracer = Tracer::new(&serde_json::from_value(config).unwrap(), None, 2).unwrap();
        let bench = Bench::with(|builder| builder.backend(Silent).tracer(Arc::new(tracer))).await;
        let cost = allocations(&bench).await;
        assert!(cost <= most, "{cost} at {ratio}");
    }
}

/// How many a call of a gateway costs.
async fn allocations(bench: &Bench) -> u64 {
    let bearer = format!("Bearer {}", bench.token(json!({})));
    let peer = Peer { address: ([203, 0, 113, 9], 4711).into(), tls: false };
    // As from our server, whose headers share one buffer: copies of what was copied once allocate nothing.
    let original = Request::get("/petstore/1.0.0/pets?page=2")
        .header("authorization", &bearer)
        .header("host", "api.example")
        .header("user-agent", "test/1")
        .body(())
        .unwrap();
    let request = || original.clone().map(|()| Body::empty());
    let mut counted = Vec::new();
    for _ in 0..200 {
        let mut request = Some(request());
        let mut response = None;
        let cost = measure(|| {
            let handled = bench.gateway.handle(request.take().unwrap(), peer, Worker(1)).now_or_never();
            let handled = handled.unwrap();
            assert_eq!(handled.status(), 200);
            // Its end is a part of it.
            response = Some(handled.map(drop));
        });
        drop(response);
        counted.push(cost.count_total);
    }
    let mut sorted = counted[100..].to_vec();
    sorted.sort_unstable();
    let usual = sorted[50];
    // Pages on which lines are written grow now and then.
    assert!(counted[100..].iter().filter(|count| **count == usual).count() > 75, "{counted:?}");
    usual
}

/// The server moves the future of each request into its place as a whole, and what it moves goes through the
/// processor's first cache, which has room for 32 KiB of everything.
#[tokio::test]
async fn the_future_of_a_call_is_small() {
    let bench = Bench::silent().await;
    let peer = Peer { address: ([203, 0, 113, 9], 4711).into(), tls: false };
    let size = std::mem::size_of_val(&bench.gateway.handle(Request::new(Body::empty()), peer, Worker(0)));
    assert!(size <= 4096, "{size} bytes");
}

fn many(count: usize) -> impl Iterator<Item = Change> {
    (0..count).map(|n| {
        let context = format!("/api-{n}");
        Change::ApiDeployed(Arc::new(pets(json!({"id": format!("api-{n}"), "context": context}))))
    })
}

#[tokio::test]
async fn ten_thousand_apis_are_routed_and_one_change_does_not_cost_ten_thousand() {
    const APIS: usize = 10_000;
    let bench = Bench::silent().await;
    let began = Instant::now();
    let report = bench.gateway.load(Snapshot::new(Revision(10), many(APIS))).await;
    let loading = began.elapsed();
    assert!(report.refused.is_empty());
    for n in [0, APIS / 2, APIS - 1] {
        assert_eq!(bench.get(&format!("/api-{n}/1.0.0/open"), &[]).await.status, 200);
    }
    assert_eq!(bench.get(&format!("/api-{APIS}/1.0.0/open"), &[]).await.status, 404);
    let began = Instant::now();
    for n in 0..100 {
        let api = pets(json!({"id": format!("api-{n}"), "context": format!("/api-{n}"), "revision": n + 1}));
        let change = Change::ApiDeployed(Arc::new(api));
        bench.gateway.apply(Event { revision: Revision(11 + n), at: Timestamp::default(), change }).await;
    }
    // Generous for a debug build on a busy machine; by the whole table it would be far more.
    let each = began.elapsed() / 100;
    assert!(each < loading / 50 && each < Duration::from_millis(100), "{each:?} each, {loading:?} for all");
}
