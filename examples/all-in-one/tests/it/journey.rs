//! From an OpenAPI document to a call that is answered, limited, revoked.

use http::Method;
use serde_json::{Value, json};

use crate::{PETSTORE, Platform};

#[tokio::test]
async fn an_imported_api_is_called_with_the_token_of_a_subscribed_application() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    let reply = platform.call_until("/pet/1", &token, 200).await;
    assert_eq!(reply.json()["name"], "Rex");
}

#[tokio::test]
async fn each_call_is_counted_with_its_application_and_its_outcome() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    platform.call("/pet/1", "not.a.token").await.expect(401);
    let path = platform.data.path().join("calls.jsonl");
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let text = std::fs::read_to_string(&path).unwrap();
        let calls = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        let served =
            calls.iter().any(|call| call["proxyResponseCode"] == 200 && call["applicationName"] == "shop");
        let refused = calls.iter().any(|call| call["errorCode"] == 900_901 && call["errorType"] == "AUTH");
        if served && refused {
            break;
        }
        assert!(std::time::Instant::now() < patience, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_administrator_looks_at_an_apis_messages_while_everything_runs() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let path = platform.data.path().join("api.jsonl");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");

    let level = format!("/tenant-logs/carbon.super/apis/{}", platform.api);
    let body = serde_json::json!({ "logLevel": "FULL" });
    platform.journey.devops(Method::PUT, &level, body).await.expect(200);
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let text = loop {
        // In force within a second; lines reach the file a quarter of a second later at most.
        platform.call("/pet/1", &token).await.expect(200);
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("RESPONSE_OUT") {
            break text;
        }
        assert!(std::time::Instant::now() < patience, "nothing was written");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let first = |flow: &str| lines.iter().find(|line| line["flow"] == flow).unwrap();
    assert!(first("RESPONSE_OUT")["payload"].as_str().unwrap().contains("Rex"));
    let headers = first("REQUEST_IN")["headers"].to_string();
    assert!(headers.contains("authorization=[redacted]") && !text.contains(&token), "{headers}");
}

#[tokio::test]
async fn the_token_that_comes_with_the_keys_is_good_as_well() {
    let platform = Platform::with_a_published_api().await;
    platform.call_until("/pet/1", &platform.keys.access_token, 200).await;
}

#[tokio::test]
async fn the_same_call_works_in_clear_text_and_with_the_default_version() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    let url = format!("{}/petstore/1.0.0/pet/1", platform.process.gateway_http());
    platform.journey.client.get(&url, &token).await.expect(200);
}

#[tokio::test]
async fn the_users_document_is_served_back_byte_for_byte() {
    let platform = Platform::with_a_published_api().await;
    let path = format!("/apis/{}/swagger", platform.api);
    let served = platform.journey.publisher(Method::GET, &path, Value::Null).await.expect(200);
    assert_eq!(served.text(), PETSTORE);
}

#[tokio::test]
async fn an_api_key_opens_an_api_that_accepts_api_keys() {
    let platform = Platform::with_a_published_api().await;
    let path = format!("/apis/{}", platform.api);
    let mut api = platform.journey.publisher(Method::GET, &path, Value::Null).await.expect(200).json();
    api["securityScheme"] = json!(["oauth2", "api_key", "oauth_basic_auth_api_key_mandatory"]);
    platform.journey.publisher(Method::PUT, &path, api).await.expect(200);
    platform.journey.deploy(&platform.api).await;
    let path = format!("/applications/{}/api-keys/PRODUCTION/generate", platform.application);
    let key =
        platform.journey.devportal(Method::POST, &path, json!({"keyName": "k", "validityPeriod": -1})).await;
    let key = key.expect(200).json()["apikey"].as_str().unwrap().to_owned();
    let url = format!("{}/petstore/1.0.0/pet/1", platform.process.gateway());
    let client = &platform.journey.client;
    let headers = [("apikey", key.as_str())];
    crate::until(200, || client.send(Method::GET, &url, &headers, "")).await;
    client.send(Method::GET, &url, &[("apikey", "guessed")], "").await.expect(401);
}
