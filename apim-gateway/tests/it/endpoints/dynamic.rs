//! Requests and mediators name the backend, among those that are allowed.

use serde_json::json;

use super::{HANGS_UP, Named, Whole};

#[tokio::test]
async fn a_header_names_the_backend_and_is_not_sent_on() {
    let a = Named::new("a").await;
    let echo = format!("http://{}", crate::bench::echoing_heads().await);
    let dynamic = json!({"header": "X-Backend", "allow": [format!("{echo}/v1")]});
    let whole = Whole::of(json!({"endpoints": {"production": {"url": a.url(), "dynamic": dynamic}}})).await;
    assert_eq!(whole.get("/pets/1/x", &[]).await.text, "a", "without the header the endpoint's own");
    for _ in 0..2 {
        let reply = whole.get("/pets/1/x", &[("x-backend", &format!("{echo}/v1/cats"))]).await;
        assert!(reply.text.starts_with("GET /v1/cats/x HTTP/1.1\r\n"), "{}", reply.text);
        assert!(!reply.text.contains("x-backend"), "{}", reply.text);
    }
}

#[tokio::test]
async fn nothing_is_called_that_is_not_allowed() {
    let (a, secret) = (Named::new("a").await, Named::new("secret").await);
    let dynamic = json!({"header": "X-Backend", "allow": [format!("{}/v1", a.url())]});
    let whole = Whole::of(json!({"endpoints": {"production": {"dynamic": dynamic}}})).await;
    let allowed = format!("{}/v1", a.url());
    assert_eq!(whole.get("/pets/1/x", &[("x-backend", &allowed)]).await.text, "a");
    for url in [
        secret.url(),
        a.url(),
        format!("{}/v10", a.url()),
        format!("{}/v1/../admin", a.url()),
        format!("{}/v1/%2e%2e/admin", a.url()),
        "http://169.254.169.254/".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let reply = whole.get("/pets/1/x", &[("x-backend", &url)]).await;
        assert_eq!(reply.status, 403, "{url}");
        assert!(url.is_empty() || !reply.text.contains(&url), "the URL is not echoed: {}", reply.text);
    }
    let twice = [("x-backend", allowed.as_str()), ("x-backend", allowed.as_str())];
    assert_eq!(whole.get("/pets/1/x", &twice).await.status, 400);
    assert_eq!(whole.get("/pets/1/x", &[]).await.status, 400, "it has no backend of its own");
    assert_eq!((a.asked(), secret.asked()), (1, 0));
}

#[tokio::test]
async fn a_mediator_chooses_by_name() {
    let (a, b) = (Named::new("a").await, Named::new("b").await);
    let whole = Whole::of(json!({
        "endpoints": {"production": {"url": a.url()}, "named": {"blue": {"url": b.url()}}},
        "operations": [
            {"method": "GET", "path": "/a", "auth": "none"},
            {"method": "GET", "path": "/b", "auth": "none", "request": [{"use": "set-endpoint", "name": "blue"}]},
        ],
    }))
    .await;
    assert_eq!(whole.get("/pets/1/a", &[]).await.text, "a");
    assert_eq!(whole.get("/pets/1/b", &[]).await.text, "b");
}

#[tokio::test]
async fn a_mediator_chooses_by_url_within_what_is_allowed() {
    let a = Named::new("a").await;
    let dynamic = json!({"allow": [format!("{}/eu", a.url())]});
    let whole = Whole::of(json!({
        "endpoints": {"production": {"dynamic": dynamic}},
        "request": [{"use": "set-endpoint", "url": format!("{}/${{header.x-region}}", a.url())}],
    }))
    .await;
    assert_eq!(whole.get("/pets/1/a", &[("x-region", "eu")]).await.text, "a");
    assert_eq!(whole.get("/pets/1/a", &[("x-region", "us")]).await.status, 403);
    assert_eq!(whole.get("/pets/1/a", &[("x-region", "eu/../us")]).await.status, 403);
}

#[tokio::test]
async fn what_could_never_be_chosen_refuses_the_deployment() {
    let one = json!({"production": {"url": "http://a"}});
    for (with, place) in [
        (
            json!({"endpoints": {"production": {"dynamic": {"allow": []}}}}),
            "endpoints.production.dynamic.allow",
        ),
        (
            json!({"endpoints": {"sandbox": {"dynamic": {"allow": ["http://a", "nowhere"]}}}}),
            "endpoints.sandbox.dynamic.allow[1]",
        ),
        (
            json!({"endpoints": {"sandbox": {"dynamic": {"header": "a b", "allow": ["http://a"]}}}}),
            "endpoints.sandbox.dynamic.header",
        ),
        (json!({"endpoints": {"production": {"url": "http://a", "mock": true}}}), "endpoints.production"),
        (json!({"endpoints": {"named": {"blue": {"url": "x"}}}}), "endpoints.named.blue.url"),
        (
            json!({"endpoints": one, "request": [{"use": "set-endpoint", "name": "red"}]}),
            "request[0].set-endpoint.name",
        ),
        (
            json!({"endpoints": one, "request": [{"use": "set-endpoint", "url": "http://b"}]}),
            "request[0].set-endpoint.url",
        ),
        (json!({"endpoints": one, "request": [{"use": "set-endpoint"}]}), "request[0].set-endpoint"),
    ] {
        let refusal = Whole::refusal(with.clone()).await;
        assert!(refusal.contains(place), "{with}: {refusal}");
    }
}

#[tokio::test]
async fn a_thousand_backends_are_remembered_and_with_one_more_all_are_forgotten() {
    let a = Named::new("a").await;
    let dynamic = json!({"header": "X-Backend", "allow": [a.url()]});
    let endpoint = |timeout: u64| json!({"dynamic": dynamic, "suspension": {}, "timeout_ms": timeout});
    let whole = Whole::of(json!({"endpoints": {"production": endpoint(5_000)}})).await;
    let status = async |number: usize| {
        whole.get("/pets/1/x", &[("x-backend", &format!("{}/{number}", a.url()))]).await.status
    };
    a.answers(HANGS_UP);
    assert_eq!(status(0).await, 502);
    a.answers(200);
    for number in 1..1_000 {
        assert_eq!(status(number).await, 200);
    }
    assert_eq!(status(0).await, 503, "it is left alone, and that is known");
    // Another revision neither forgets nor adds to them.
    whole.deploy(json!({"endpoints": {"production": endpoint(7_000)}})).await;
    assert_eq!(status(1).await, 200);
    assert_eq!(status(0).await, 503);
    assert_eq!(status(1_000).await, 200);
    assert_eq!(status(0).await, 200, "there were too many");
}
