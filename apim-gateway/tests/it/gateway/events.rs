//! The event of each call, member by member as the spec has it (gateway-observability, section 1).

use std::collections::BTreeSet;
use std::sync::Arc;

use apim_core::{Clock as _, SystemClock};
use apim_gateway::analytics::Lines;
use apim_gateway::config::File;
use serde_json::{Value, json};

use super::sockets::Running;
use super::watched::lines;
use crate::bench::{Wire, answering};

/// Members of either kind of event.
const COMMON: [&str; 18] = [
    "eventType",
    "requestTimestamp",
    "correlationId",
    "keyType",
    "apiId",
    "apiType",
    "apiName",
    "apiVersion",
    "apiCreator",
    "apiCreatorTenantDomain",
    "applicationId",
    "applicationName",
    "applicationOwner",
    "regionId",
    "gatewayType",
    "proxyResponseCode",
    "targetResponseCode",
    "properties",
];

const RESPONSE: [&str; 12] = [
    "apiContext",
    "apiMethod",
    "apiResourceTemplate",
    "destination",
    "userAgentHeader",
    "userName",
    "userIp",
    "responseCacheHit",
    "responseLatency",
    "backendLatency",
    "requestMediationLatency",
    "responseMediationLatency",
];

const FAULT: [&str; 3] = ["errorType", "errorCode", "errorMessage"];

const PROPERTIES: [&str; 7] =
    ["userName", "apiContext", "responseSize", "responseContentType", "commonName", "isEgress", "subtype"];

fn members(event: &Value) -> BTreeSet<&str> {
    event.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(event: &Value, expected: &Value) {
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&event[member], value, "{member}");
    }
}

#[tokio::test]
async fn each_kind_of_event_has_the_members_that_the_spec_lists_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let file = Arc::new(Lines::append(&path, u64::MAX, 2).unwrap());
    let config = File::parse("region: eu-1").unwrap().resolve().unwrap();
    let backend = answering(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/x-pets; v=1\r\nContent-Length: 5\r\n\r\nnopet",
    );
    let backend = format!("http://{}/base", backend.await);
    let before = SystemClock.now().to_string();
    let api = json!({"provider": "bob", "tenant": "acme.com"});
    let running =
        Running::start_with(backend.clone(), api, |builder| builder.analytics(file).config(config)).await;
    let mut client = Wire::connect(running.address).await;
    let answered = client
        .ask(&format!(
            "GET /petstore/1.0.0/pets/7?page=2 HTTP/1.1\r\nHost: a\r\nUser-Agent: test/1 (\"x\")\r\n\
             activityid: order-1\r\nAuthorization: Bearer {}\r\n\r\n",
            running.token
        ))
        .await;
    assert_eq!(answered.status(), "404");
    let refused = client.ask("POST /petstore/1.0.0/pets HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(refused.status(), "401");

    let told = lines(&path, 2).await;
    let after = SystemClock.now().to_string();
    let of_kind = |kind: &str| told.iter().find(|event| event["eventType"] == kind).unwrap();
    for event in &told {
        // Of one form, texts are in the order of time.
        let at = event["requestTimestamp"].as_str().unwrap();
        assert!(at.len() == before.len() && (before.as_str()..=after.as_str()).contains(&at), "{at}");
        assert_eq!(members(&event["properties"]), BTreeSet::from(PROPERTIES));
        has(
            event,
            &json!({
                "keyType": "PRODUCTION", "apiId": "pets", "apiType": "HTTP", "apiName": "PetStore",
                "apiVersion": "1.0.0", "apiCreator": "bob", "apiCreatorTenantDomain": "acme.com",
                "regionId": "eu-1", "gatewayType": "APIM",
            }),
        );
    }

    // What a backend answers is no fault of a call, whatever it is.
    let event = of_kind("response");
    assert_eq!(members(event), COMMON.into_iter().chain(RESPONSE).collect());
    has(
        event,
        &json!({
            "correlationId": "order-1", "applicationId": "app-1", "applicationName": "shop",
            "applicationOwner": "ann", "proxyResponseCode": 404, "targetResponseCode": 404,
            "apiContext": "/petstore/1.0.0", "apiMethod": "GET", "apiResourceTemplate": "/pets/{id}",
            "destination": backend, "userAgentHeader": "test/1 (\"x\")", "userName": "ann",
            "userIp": "127.0.0.1", "responseCacheHit": false,
        }),
    );
    assert_eq!(
        event["properties"],
        json!({
            "userName": "ann", "apiContext": "/petstore/1.0.0", "responseSize": 5,
            "responseContentType": "text/x-pets; v=1", "commonName": "N/A", "isEgress": false,
            "subtype": "DEFAULT",
        })
    );
    let latency = |name: &str| event[name].as_u64().unwrap();
    let parts = ["backendLatency", "requestMediationLatency", "responseMediationLatency"].map(latency);
    // Each of the three is rounded down.
    let whole = latency("responseLatency");
    assert!((whole.saturating_sub(2)..=whole).contains(&parts.iter().sum()), "{event}");

    let event = of_kind("fault");
    assert_eq!(members(event), COMMON.into_iter().chain(FAULT).collect());
    has(
        event,
        &json!({
            "correlationId": refused.header("x-request-id").unwrap(), "applicationId": "UNKNOWN",
            "applicationName": "UNKNOWN", "applicationOwner": "UNKNOWN", "proxyResponseCode": 401,
            "targetResponseCode": -1, "errorType": "AUTH", "errorCode": 900_902,
            "errorMessage": "AUTHENTICATION_FAILURE",
        }),
    );
    has(
        &event["properties"],
        &json!({
            "userName": "UNKNOWN", "apiContext": "/petstore/1.0.0", "responseSize": refused.body.len(),
            "responseContentType": "application/json; charset=UTF-8",
        }),
    );
}

#[test]
fn a_region_without_a_name_is_refused() {
    for region in ["\"\"", "\"a\\nb\"", &"x".repeat(65)] {
        let wrong = File::parse(&format!("region: {region}")).unwrap().resolve().unwrap_err();
        assert!(wrong.to_string().starts_with("region: "), "{wrong}");
    }
}
