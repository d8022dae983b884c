//! Members that fail are left alone: suspension, ejection, breaker.

use std::time::Duration;

use serde_json::json;

use super::{GET, HANGS_UP, Named, Scene, endpoint, nobody, pair};

#[tokio::test]
async fn a_suspended_endpoint_is_not_called_until_its_time_is_over() {
    let a = Named::new("a").await;
    let rule = json!({"suspension": {"initial_ms": 1000, "factor": 2, "max_ms": 60_000}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    a.answers(HANGS_UP);
    assert_eq!(scene.get().await, pair("502", "101505"));
    a.answers(200);
    let asked = a.asked();
    let got = scene.ask(GET).await;
    assert_eq!((got.status(), got.text()), ("503", "303001"));
    assert_eq!(a.asked(), asked);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.get().await, pair("200", "a"));
}

#[tokio::test]
async fn each_suspension_is_longer_than_the_one_before() {
    let rule = json!({"suspension": {"initial_ms": 1000, "factor": 3}});
    let mut scene = Scene::of(endpoint(&[&nobody().await], rule)).await;
    assert_eq!(scene.get().await, pair("502", "101503"));
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.get().await, pair("502", "101503"));
    scene.clock.advance(Duration::from_millis(2_999));
    assert_eq!(scene.get().await, pair("503", "303001"));
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.get().await, pair("502", "101503"));
}

#[tokio::test]
async fn only_errors_that_are_named_suspend_and_statuses_never_do() {
    let a = Named::new("a").await;
    let rule = json!({"suspension": {"errors": [101_503], "patient_errors": []}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    for status in [500, HANGS_UP, 503, HANGS_UP, 200] {
        a.answers(status);
        assert_ne!(scene.get().await.1, "303001");
    }
}

#[tokio::test]
async fn timeouts_are_borne_with_before_they_suspend() {
    let a = Named::new("a").await;
    a.answers(super::SILENT);
    let rule = json!({"timeout_ms": 1, "suspension": {"patience": 1, "patience_delay_ms": 100}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    assert_eq!(scene.get().await, pair("504", "101504"));
    assert_eq!(scene.get().await, pair("503", "303001"));
    scene.clock.advance(Duration::from_millis(100));
    assert_eq!(scene.get().await, pair("504", "101504"));
    scene.clock.advance(Duration::from_millis(29_999));
    assert_eq!(scene.get().await, pair("503", "303001"));
}

#[tokio::test]
async fn a_group_of_which_no_member_is_ready_says_so() {
    let members = [nobody().await, nobody().await];
    let members: Vec<_> = members.iter().map(String::as_str).collect();
    let mut scene = Scene::of(endpoint(&members, json!({"suspension": {}}))).await;
    assert_eq!(scene.get().await, pair("502", "101503"));
    assert_eq!(scene.get().await, pair("503", "303000"));
}

#[tokio::test]
async fn a_member_that_fails_where_others_do_not_is_left_out_for_a_time() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    let rule = json!({"ejection": {"failures": 2, "base_ms": 1000}});
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url()], rule)).await;
    a.answers(500);
    assert_eq!(scene.texts(4).await.concat(), "abab");
    assert_eq!(scene.texts(4).await.concat(), "bbbb");
    b.answers(500);
    assert_eq!(scene.texts(4).await.concat(), "bbbb", "half of two may be out at once");
    a.answers(200);
    scene.clock.advance(Duration::from_secs(1));
    assert!(scene.texts(4).await.concat().contains('a'));
}

#[tokio::test]
async fn a_breaker_opens_half_opens_and_closes() {
    let a = Named::new("a").await;
    let rule = json!({"breaker": {"failures": 3, "open_ms": 1000}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    a.answers(503);
    for _ in 0..3 {
        assert_eq!(scene.get().await, pair("503", "a"));
    }
    assert_eq!(scene.get().await, pair("503", "303001"));
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.get().await, pair("503", "a"), "half open: one is let through");
    assert_eq!(scene.get().await, pair("503", "303001"));
    assert_eq!(a.asked(), 4);
    a.answers(200);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.texts(3).await.concat(), "aaa");
}

#[tokio::test]
async fn a_breaker_opens_by_the_share_of_failures_over_all_workers() {
    let a = Named::new("a").await;
    let rule = json!({"breaker": {"failures": 0, "ratio": 0.5, "least_requests": 4}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    for status in [500, 200, 200, 500] {
        a.answers(status);
        assert_eq!(scene.get().await.1, "a");
    }
    assert_eq!(scene.get().await, pair("503", "303001"));
}
