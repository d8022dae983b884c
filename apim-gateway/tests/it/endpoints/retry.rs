//! What is sent again, and what is not.

use std::time::Duration;

use apim_core::model::Retry;
use serde_json::json;

use super::{GET, HANGS_UP, Named, POST, SILENT, Scene, endpoint, nobody, pair};

#[tokio::test]
async fn a_status_that_is_worth_it_is_tried_again_at_another_member() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    a.answers(503);
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url()], json!({"retry": {}}))).await;
    assert_eq!(scene.texts(3).await.concat(), "bbb");
    a.answers(500);
    assert_eq!(scene.texts(2).await.concat(), "ab", "of 500 nothing was said");
}

#[tokio::test]
async fn a_backend_that_hangs_up_is_tried_again_but_not_with_a_post() {
    let a = Named::new("a").await;
    a.answers(HANGS_UP);
    let mut scene = Scene::of(endpoint(&[&a.url()], json!({"retry": {"retries": 2}}))).await;
    assert_eq!(scene.get().await, pair("502", "101505"));
    assert_eq!(a.asked(), 3);
    let got = scene.ask(POST).await;
    assert_eq!((got.status(), got.text()), ("502", "101505"));
    assert_eq!(a.asked(), 4);
}

#[tokio::test]
async fn a_body_that_is_still_a_stream_is_not_sent_twice() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    a.answers(503);
    let rule = json!({"retry": {"methods": ["POST"]}});
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url()], rule)).await;
    let got = scene.stream().await;
    assert_eq!((got.status(), got.text()), ("503", "a"));
}

#[tokio::test]
async fn a_body_that_came_with_its_head_is_sent_again() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    a.answers(503);
    let rule = json!({"retry": {"methods": ["POST"]}});
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url()], rule)).await;
    let got = scene.ask(POST).await;
    assert_eq!((got.status(), got.text()), ("200", "b"));
}

#[tokio::test]
async fn retries_keep_to_their_budget() {
    let a = Named::new("a").await;
    a.answers(503);
    let rule = json!({"retry": {"budget": 0.5, "least_per_second": 1}});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    for _ in 0..10 {
        assert_eq!(scene.get().await, pair("503", "a"));
    }
    assert_eq!(a.asked(), 10 + 5 + 1);
    scene.clock.advance(Duration::from_secs(1));
    scene.get().await;
    assert_eq!(a.asked(), 18, "another second has another one");
}

#[tokio::test]
async fn each_try_has_its_own_timeout() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    a.answers(SILENT);
    let rule = json!({"timeout_ms": 10_000, "retry": {"errors": [101_504], "try_timeout_ms": 50}});
    let mut scene = Scene::of(endpoint(&[&a.url(), &b.url()], rule)).await;
    let began = std::time::Instant::now();
    assert_eq!(scene.get().await, pair("200", "b"));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_tries_together_do_not_take_longer_than_the_endpoint_may() {
    let a = Named::new("a").await;
    a.answers(SILENT);
    let rule = json!({"timeout_ms": 300, "retry": {
        "retries": 10, "least_per_second": 100, "errors": [101_504], "try_timeout_ms": 200,
    }});
    let mut scene = Scene::of(endpoint(&[&a.url()], rule)).await;
    assert_eq!(scene.get().await, pair("504", "101504"));
    assert!(a.asked() <= 2, "{}", a.asked());
}

#[tokio::test]
async fn what_never_left_is_sent_elsewhere_whatever_it_is() {
    let b = Named::new("b").await;
    let rule = json!({"retry": {}});
    let mut scene = Scene::of(endpoint(&[&nobody().await, &b.url()], rule)).await;
    let got = scene.ask(POST).await;
    assert_eq!((got.status(), got.text()), ("200", "b"));
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_of_retries_has_none() {
    let a = Named::new("a").await;
    a.answers(503);
    let mut scene = Scene::of(endpoint(&[&a.url()], json!({}))).await;
    assert_eq!(scene.ask(GET).await.status(), "503");
    assert_eq!(a.asked(), 1);
    assert_eq!(Retry::default().retries, 1);
}
