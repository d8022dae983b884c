//! Which member a call goes to.

use serde_json::json;

use super::{Named, Scene, endpoint, pair};
use crate::bench::{Plan, backend};

#[tokio::test]
async fn members_are_called_in_turn() {
    let (a, b, c) = (Named::new("a").await, Named::new("b").await, Named::new("c").await);
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url(), &c.url()], json!({}))).await;
    assert_eq!(scene.texts(6).await.concat(), "abcabc");
}

#[tokio::test]
async fn weights_share_the_calls_out() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    let members = json!({"policy": "weighted", "members": [
        {"url": a.url(), "weight": 30}, {"url": b.url(), "weight": 10},
    ]});
    let mut scene = Scene::of(serde_json::from_value(members).unwrap()).await;
    assert_eq!(scene.texts(8).await.concat(), "aabaaaba");
}

#[tokio::test]
async fn the_slower_member_gets_fewer_calls() {
    let slow = backend(|_, mut wire| async move {
        while wire.next().await.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ns").await;
        }
    })
    .await;
    let fast = Named::new("f").await;
    let members = [format!("http://{slow}"), fast.url(), fast.url()];
    let members: Vec<_> = members.iter().map(String::as_str).collect();
    let mut plan = Plan::to("");
    plan.endpoint = endpoint(&members, json!({"policy": "least_loaded"}));
    plan.upstream.seed = 7;
    let texts = Scene::with(plan).await.texts(40).await.concat();
    // Two of three are fast, so of two at random one always is; the slow one is only found out once.
    assert!(texts.matches('s').count() <= 2, "{texts}");
    assert!(texts.contains('s'), "{texts}");
}

#[tokio::test]
async fn the_first_is_called_as_long_as_it_is_able_and_the_second_when_it_is_not() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    let failover = json!({"policy": "failover", "suspension": {"initial_ms": 1000}});
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url()], failover)).await;
    assert_eq!(scene.texts(2).await.concat(), "aa");
    a.answers(super::HANGS_UP);
    assert_eq!(scene.texts(3).await.concat(), "bbb", "what failed at the first was answered by the second");
    let asked = a.asked();
    a.answers(200);
    assert_eq!(scene.get().await.1, "b");
    assert_eq!(a.asked(), asked, "suspended");
    scene.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(scene.texts(2).await.concat(), "aa");
}

#[tokio::test]
async fn a_member_that_nobody_listens_at_is_passed_over_whatever_the_policy_and_the_method() {
    let b = Named::new("b").await;
    let mut scene = Scene::of(endpoint(&[&super::nobody().await, &b.url()], json!({}))).await;
    for _ in 0..4 {
        let got = scene.ask(super::POST).await;
        assert_eq!((got.status(), got.text()), ("200", "b"));
    }
}

#[tokio::test]
async fn no_more_requests_are_in_hand_than_a_member_may_have() {
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let (release, _) = tokio::sync::broadcast::channel::<()>(4);
    let releases = release.clone();
    let address = backend(move |_, mut wire| {
        let (started, mut release) = (started.clone(), releases.subscribe());
        async move {
            while wire.next().await.is_some() {
                started.send(()).unwrap();
                release.recv().await.unwrap();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.endpoint.max_requests = Some(2);
    let gateway = plan.start();
    let (mut one, mut two, mut three) =
        (gateway.connect().await, gateway.connect().await, gateway.connect().await);
    one.send(super::GET).await;
    two.send(super::GET).await;
    starts.recv().await.unwrap();
    starts.recv().await.unwrap();
    let got = three.ask(super::GET).await;
    assert_eq!((got.status(), got.text()), ("503", "303001"), "over all workers together");
    release.send(()).unwrap();
    assert_eq!((one.message().await.text(), two.message().await.text()), ("ok", "ok"));
    three.send(super::GET).await;
    starts.recv().await.unwrap();
    release.send(()).unwrap();
    assert_eq!(three.message().await.text(), "ok");
}

#[tokio::test]
async fn settings_that_cannot_be_meant_refuse_the_deployment_with_their_place() {
    for (given, place) in [
        (json!({"url": "ftp://a"}), "url"),
        (json!({"url": ""}), "url"),
        (json!({"url": "http://a", "members": [{"url": "http://b"}]}), "members"),
        (json!({"members": [{"url": "http://b"}, {"url": "gopher://c"}]}), "members[1].url"),
        (json!({"members": [{"url": "http://b", "weight": 2}]}), "members[0].weight"),
        (json!({"policy": "weighted", "members": [{"url": "http://b", "weight": 0}]}), "members[0].weight"),
        (json!({"url": "http://a", "timeout_status": 7}), "timeout_status"),
        (json!({"url": "http://a", "max_requests": 0}), "max_requests"),
        (json!({"url": "http://a", "retry": {"retries": 11}}), "retry.retries"),
        (json!({"url": "http://a", "retry": {"statuses": [200]}}), "retry.statuses"),
        (json!({"url": "http://a", "suspension": {"factor": 0.5}}), "suspension.factor"),
        (json!({"url": "http://a", "ejection": {}}), "ejection"),
        (json!({"url": "http://a", "breaker": {"ratio": 1.5}}), "breaker.ratio"),
        (json!({"url": "http://a", "tls": {"ca": "no PEM"}}), "tls.ca"),
        (json!({"url": "http://a", "tls": {"verify_hostname": false}}), "tls.verify_hostname"),
    ] {
        let endpoint = serde_json::from_value(given.clone()).unwrap();
        let error = apim_gateway::upstream::check(&endpoint).unwrap_err();
        assert_eq!(error.path(), place, "{given}: {error}");
    }
}

#[tokio::test]
async fn a_single_url_is_all_it_takes() {
    let a = Named::new("a").await;
    let mut scene = Scene::of(serde_json::from_value(json!({"url": a.url()})).unwrap()).await;
    assert_eq!(scene.get().await, pair("200", "a"));
}
