//! Who has used up his share waits.

use std::sync::Arc;

use apim_core::Timestamp;
use apim_core::event::Change;
use apim_core::testing::ManualClock;
use apim_core::throttle::Level;
use apim_gateway::metrics::Metrics;
use apim_throttle::LocalEngine;
use serde_json::{Value, json};

use crate::gateway::page::Page;
use crate::gateway::world::{Bench, NOW, application, change, pets, policy};

fn quota(kind: &str, name: &str, requests: u64) -> Change {
    policy(json!({"kind": kind, "name": name, "quota": {"requests": requests, "window_ms": 60_000}}))
}

async fn pass(bench: &Bench, token: &str, times: usize) {
    for n in 0..times {
        assert_eq!(bench.with_token(token).await.verdict().0, 200, "call {n}");
    }
}

#[tokio::test]
async fn the_call_after_the_quota_is_told_when_to_come_again() {
    let bench = Bench::new().await;
    bench.apply(application("app-1", "10PerMin")).await;
    let token = bench.token(json!({}));
    pass(&bench, &token, 10).await;
    let reply = bench.with_token(&token).await;
    assert_eq!(reply.status, 429);
    assert_eq!(
        reply.text,
        "{\"code\":\"900803\",\"message\":\"Message throttled out\",\"description\":\"You have exceeded your quota \
         .You can access API after 2023-Nov-14 22:14:00+0000 UTC\",\"nextAccessTime\":\"2023-Nov-14 22:14:00+0000 \
         UTC\"}"
    );
    assert_eq!(reply.headers["retry-after"], "Tue, 14 Nov 2023 22:14:00 GMT");
    // Another user of the application has a share of his own, and a new minute brings a new one.
    pass(&bench, &bench.token(json!({"sub": "bob", "jti": "token-2"})), 1).await;
    bench.advance(40);
    pass(&bench, &token, 10).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (429, "900803".into()));
}

#[tokio::test]
async fn each_level_has_its_code() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    bench.apply(quota("advanced", "Two", 2)).await;
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"policy": "Two", "revision": 2}))))).await;
    pass(&bench, &token, 2).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (429, "900800".into()));

    let operations =
        json!([{"method": "GET", "path": "/pets", "policy": "Two"}, {"method": "GET", "path": "/pets/{id}"}]);
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"operations": operations, "revision": 3}))))).await;
    pass(&bench, &token, 2).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (429, "900802".into()));
    let bearer = format!("Bearer {token}");
    assert_eq!(bench.get("/petstore/1.0.0/pets/1", &[("authorization", &bearer)]).await.verdict().0, 200);

    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"revision": 4}))))).await;
    bench.apply(quota("subscription", "Gold", 3)).await;
    bench.advance(60);
    pass(&bench, &token, 3).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (429, "900804".into()));

    let burst = json!({"kind": "subscription", "name": "Gold", "burst": {"requests": 1, "window_ms": 1000}});
    bench.apply(policy(burst)).await;
    pass(&bench, &token, 1).await;
    let reply = bench.with_token(&token).await;
    assert_eq!(reply.verdict(), (429, "900807".into()));
    assert_eq!(reply.json()["description"], "You have exceeded your quota");
    assert_eq!(reply.json().get("nextAccessTime"), None::<&Value>);

    bench.apply(policy(json!({"kind": "subscription", "name": "Gold"}))).await;
    let burst = json!({"kind": "application", "name": "Brief", "burst": {"requests": 1, "window_ms": 1000}});
    bench.apply(policy(burst)).await;
    bench.apply(application("app-1", "Brief")).await;
    pass(&bench, &token, 1).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (429, "900807".into()));
}

#[tokio::test]
async fn calls_without_a_credential_are_counted_by_address() {
    let bench = Bench::new().await;
    bench.apply(quota("subscription", "Unauthenticated", 2)).await;
    for _ in 0..2 {
        assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.verdict().0, 200);
    }
    // Nobody gets another share by claiming another address.
    let claims = [("x-forwarded-for", "1.2.3.4")];
    assert_eq!(bench.get("/petstore/1.0.0/open", &claims).await.verdict(), (429, "900804".into()));
}

#[tokio::test]
async fn a_plan_that_does_not_stop_only_counts() {
    let bench = Bench::new().await;
    let lenient = json!({"kind": "subscription", "name": "Gold", "quota": {"requests": 1, "window_ms": 60_000}, "stop_on_quota_reach": false});
    bench.apply(policy(lenient)).await;
    pass(&bench, &bench.token(json!({})), 3).await;
}

#[tokio::test]
async fn a_limit_that_is_not_known_is_no_leave_to_go_without() {
    let bench = Bench::new().await;
    bench.apply(application("app-1", "Platinum")).await;
    assert_eq!(bench.with_token(&bench.token(json!({}))).await.verdict(), (503, "503".into()));
}

#[tokio::test]
async fn who_was_denied_is_refused_whatever_he_presents() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    for condition in [
        json!({"type": "api", "context": "/petstore/1.0.0"}),
        json!({"type": "application", "owner": "ann", "name": "shop"}),
        json!({"type": "user", "name": "ann"}),
        json!({"type": "ip", "first": "203.0.113.9", "last": "203.0.113.9"}),
        json!({"type": "ip", "first": "10.0.0.0", "last": "10.255.255.255", "invert": true}),
    ] {
        bench.apply(change("DenySaved", json!({"id": "1", "condition": condition}))).await;
        let reply = bench.with_token(&token).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text.as_str()),
            (
                403,
                "{\"code\":\"900805\",\"message\":\"Message blocked\",\"description\":\"You have been blocked from \
                 accessing the resource\"}"
            ),
            "{condition}"
        );
        bench.apply(change("DenyRemoved", json!("1"))).await;
        assert_eq!(bench.with_token(&token).await.verdict().0, 200, "{condition}");
    }
}

#[tokio::test]
async fn who_has_a_name_is_counted_by_it_and_the_others_as_anonymous() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    let engine = Arc::new(LocalEngine::new(clock));
    let bench = Bench::with(|builder| builder.throttle(engine.clone())).await;
    pass(&bench, &bench.token(json!({})), 1).await;
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.status, 200);
    let mut counted: Vec<_> =
        engine.snapshot().into_iter().map(|usage| (usage.level, usage.subject[0].clone())).collect();
    counted.sort();
    assert_eq!(counted, [(Level::Subscription, "app-1".into()), (Level::Anonymous, "203.0.113.9".into())]);
}

#[tokio::test]
async fn decisions_are_counted_by_level() {
    let metrics = Metrics::new(2, 10);
    let given = metrics.clone();
    let bench = Bench::with(|builder| builder.metrics(given)).await;
    bench.apply(application("app-1", "10PerMin")).await;
    let token = bench.token(json!({}));
    pass(&bench, &token, 10).await;
    for _ in 0..3 {
        assert_eq!(bench.with_token(&token).await.verdict(), (429, "900803".into()));
    }
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.verdict().0, 200);
    let page = Page::read(&metrics.exposition(&bench.gateway));
    let name = "apim_gateway_throttle_decisions_total";
    let counted = page.samples.iter().filter(|(series, _)| series.starts_with(name));
    let counted: Vec<_> =
        counted.map(|(series, count)| (series.strip_prefix(name).unwrap(), *count)).collect();
    assert_eq!(
        counted,
        [
            ("{level=\"anonymous\",decision=\"allowed\"}", 1.0),
            ("{level=\"application\",decision=\"allowed\"}", 10.0),
            ("{level=\"application\",decision=\"refused\"}", 3.0),
            ("{level=\"subscription\",decision=\"allowed\"}", 10.0),
        ]
    );
}
