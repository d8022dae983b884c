//! Active health checks take members out and bring them back, once for the whole gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use apim_core::SystemClock;
use apim_core::model::Api;
use apim_gateway::upstream::{Upstream, UpstreamConfig};
use serde_json::json;

use super::{Named, Scene, endpoint, pair};
use crate::bench::{LIMIT, Number, backend};

/// Waits until GETs get this answer.
async fn until(scene: &mut Scene, wanted: (String, String)) {
    let began = Instant::now();
    loop {
        let got = scene.get().await;
        if got == wanted {
            return;
        }
        assert!(began.elapsed() < LIMIT, "still {got:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_member_that_says_it_is_unwell_is_not_called_until_it_says_it_is_well() {
    let a = Named::new("a").await;
    let rule = json!({"health": {"path": "/health", "interval_ms": 100, "unhealthy": 2, "healthy": 2}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    assert_eq!(scene.get().await, pair("200", "a"), "taken for well until shown otherwise");
    a.answers(503);
    until(&mut scene, pair("503", "303001")).await;
    a.answers(200);
    until(&mut scene, pair("200", "a")).await;
}

#[tokio::test]
async fn what_means_well_can_be_said() {
    let a = Named::new("a").await;
    a.answers(418);
    let rule = json!({"health": {"interval_ms": 100, "unhealthy": 1, "statuses": [418]}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    while a.asked() < 3 {
        assert_eq!(scene.get().await, pair("418", "a"));
    }
    a.answers(200);
    until(&mut scene, pair("503", "303001")).await;
}

#[tokio::test]
async fn members_are_asked_once_for_all_workers_and_no_more_once_the_api_is_gone() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let address = backend(move |_, mut wire| {
        let count = count.clone();
        async move {
            let got = wire.message().await;
            assert!(got.head.starts_with("GET /up HTTP/1.1\r\n"), "{}", got.head);
            count.fetch_add(1, SeqCst);
            wire.send("HTTP/1.1 204 -\r\n\r\n").await;
        }
    })
    .await;
    let upstream = Upstream::new(UpstreamConfig::default(), 8, Arc::new(SystemClock), Arc::new(Number));
    let api = json!({"name": "a", "version": "1", "context": "/a", "endpoints": {"production": {
        "url": format!("http://{address}"), "health": {"path": "/up", "interval_ms": 100},
    }}});
    let api: Api = serde_json::from_value(api).unwrap();
    let served = upstream.serve(&api).unwrap();
    let began = Instant::now();
    while asked.load(SeqCst) < 5 {
        assert!(began.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(400), "eight workers do not ask eight times");
    drop(served);
    // One may have been under way.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let last = asked.load(SeqCst);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(asked.load(SeqCst), last);
}
