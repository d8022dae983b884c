//! Change reaches the gateway without a request being lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::Platform;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deployments_under_load_lose_no_request() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let url: Arc<str> = format!("{}/petstore/1.0.0/pet/1", platform.process.gateway_http()).into();
    let authorization: Arc<str> = format!("Bearer {token}").into();
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let load = (0..4).map(|_| {
        let (client, url, authorization) =
            (platform.journey.client.clone(), url.clone(), authorization.clone());
        let (stop, served) = (stop.clone(), served.clone());
        tokio::spawn(async move {
            let mut lost = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let headers = [("authorization", &*authorization)];
                match client.try_send(Method::GET, &url, &headers, Bytes::new()).await {
                    Ok(reply) if reply.status == 200 => drop(served.fetch_add(1, Ordering::Relaxed)),
                    Ok(reply) => lost.push(format!("{} {}", reply.status, reply.text())),
                    Err(error) => lost.push(error.to_string()),
                }
            }
            lost
        })
    });
    let load = load.collect::<Vec<_>>();
    let mut previous: Option<String> = None;
    for _ in 0..50 {
        let revision = platform.journey.deploy(&platform.api).await;
        // Five revisions are the most an API may have.
        if let Some(old) = previous.replace(revision) {
            let path = format!("/apis/{}/revisions/{old}", platform.api);
            let deleted = platform.journey.publisher(Method::DELETE, &path, Value::Null).await;
            assert!(deleted.status.is_success(), "{}", deleted.text());
        }
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        assert_eq!(task.await.unwrap(), Vec::<String>::new());
    }
    assert!(served.load(Ordering::Relaxed) > 100, "there was next to no load");
}

#[tokio::test]
async fn a_revoked_token_is_refused_within_a_second() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    platform.journey.revoke(&platform.keys, &token).await;
    let revoked = Instant::now();
    while platform.call("/pet/1", &token).await.status == 200 {
        assert!(revoked.elapsed() < Duration::from_secs(1), "still accepted after a second");
    }
}

#[tokio::test]
async fn a_new_backend_serves_once_its_revision_is_deployed_and_not_before() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let path = format!("/apis/{}", platform.api);
    let mut api = platform.journey.publisher(Method::GET, &path, Value::Null).await.expect(200).json();
    // Nobody listens there.
    api["endpointConfig"] =
        json!({"endpoint_type": "http", "production_endpoints": {"url": "http://127.0.0.1:1"}});
    platform.journey.publisher(Method::PUT, &path, api).await.expect(200);
    platform.call("/pet/1", &token).await.expect(200);
    platform.journey.deploy(&platform.api).await;
    let failed = platform.call("/pet/1", &token).await.expect(502);
    assert_eq!(failed.json()["code"], "101503");
}

#[tokio::test]
async fn an_undeployed_api_is_gone_and_a_removed_subscription_forbids() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let path = format!("/subscriptions?applicationId={}", platform.application);
    let list = platform.journey.devportal(Method::GET, &path, Value::Null).await.expect(200).json();
    let subscription = list["list"][0]["subscriptionId"].as_str().unwrap().to_owned();
    let path = format!("/subscriptions/{subscription}");
    platform.journey.devportal(Method::DELETE, &path, Value::Null).await.expect(200);
    platform.call_until("/pet/1", &token, 403).await;

    let path = format!("/apis/{}/undeploy-revision?revisionNumber=1&allEnvironments=true", platform.api);
    platform.journey.publisher(Method::POST, &path, Value::Null).await.expect(201);
    platform.call_until("/pet/1", &token, 404).await;
}
