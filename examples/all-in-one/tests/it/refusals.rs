//! Whatever is refused is refused with the status, the code and the body that clients look for.

use http::Method;
use serde_json::{Value, json};

use crate::Platform;

fn code(reply: &driver::Reply) -> String {
    reply.json()["code"].as_str().unwrap_or_else(|| panic!("no code in {}", reply.text())).to_owned()
}

#[tokio::test]
async fn without_a_token_with_a_wrong_one_and_with_a_revoked_one() {
    let platform = Platform::with_a_published_api().await;
    let url = format!("{}/petstore/1.0.0/pet/1", platform.process.gateway());
    let client = &platform.journey.client;
    let missing = client.send(Method::GET, &url, &[], "").await.expect(401);
    assert_eq!(code(&missing), "900902");
    assert!(missing.header("www-authenticate").is_some());

    let wrong = client.get(&url, "not.a.token").await.expect(401);
    assert_eq!(code(&wrong), "900901");

    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    platform.journey.revoke(&platform.keys, &token).await;
    let revoked = platform.call_until("/pet/1", &token, 401).await;
    assert!(["900901", "900904"].contains(&&*code(&revoked)), "{}", revoked.text());
}

#[tokio::test]
async fn with_an_expired_token() {
    let platform = Platform::with_a_published_api().await;
    let application = platform.journey.application("hasty", "Unlimited").await;
    platform.journey.subscribe(&application, &platform.api).await;
    let body = json!({
        "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"], "validityTime": 1,
    });
    let path = format!("/applications/{application}/generate-keys");
    let keys = platform.journey.devportal(Method::POST, &path, body).await.expect(200).json();
    let token = keys["token"]["accessToken"].as_str().unwrap().to_owned();
    platform.call_until("/pet/1", &token, 200).await;
    // One second of life and five of leeway.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let expired = loop {
        let reply = platform.call("/pet/1", &token).await;
        if reply.status == 401 {
            break reply;
        }
        assert!(std::time::Instant::now() < patience, "the token is still good");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let body = json!({
        "code": "900903", "message": "Access Token Expired",
        "description": "Renew the access token and try again",
    });
    assert_eq!(expired.json(), body);
}

#[tokio::test]
async fn without_a_subscription_and_without_a_scope() {
    let platform = Platform::with_a_published_api().await;
    let stranger = platform.journey.application("stranger", "Unlimited").await;
    let stranger = platform.journey.keys(&stranger).await;
    let token = platform.journey.token(&stranger, "").await;
    let forbidden = platform.call_until("/pet/1", &token, 403).await;
    assert_eq!(code(&forbidden), "900908");

    let token = platform.journey.token(&platform.keys, "").await;
    let url = format!("{}/petstore/1.0.0/pet", platform.process.gateway());
    let scoped = platform.journey.client.json(Method::POST, &url, &token, &json!({"name": "Mia"})).await;
    assert_eq!(code(&scoped.expect(403)), "900910");
    let token = platform.journey.token(&platform.keys, "pets:write").await;
    platform.journey.client.json(Method::POST, &url, &token, &json!({"name": "Mia"})).await.expect(200);
}

#[tokio::test]
async fn an_unknown_api_an_unknown_path_and_a_wrong_method() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    let client = &platform.journey.client;
    let gateway = platform.process.gateway();
    let unknown = client.get(&format!("{gateway}/nothing/1.0.0/x"), &token).await.expect(404);
    let body = json!({
        "code": "404", "type": "Status report", "message": "Not Found",
        "description": "The requested resource is not available.",
    });
    assert_eq!(unknown.json(), body);
    let wrong =
        client.json(Method::PATCH, &format!("{gateway}/petstore/1.0.0/pet/1"), &token, &Value::Null).await;
    assert_eq!(code(&wrong.expect(405)), "405");
}

#[tokio::test]
async fn over_the_applications_tier() {
    let platform = Platform::with_a_published_api().await;
    let application = platform.journey.application("small", "10PerMin").await;
    platform.journey.subscribe(&application, &platform.api).await;
    let keys = platform.journey.keys(&application).await;
    let token = platform.journey.token(&keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let mut refused = None;
    // Two windows' worth: a minute may end in between.
    for _ in 0..25 {
        let reply = platform.call("/pet/1", &token).await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        reply.expect(200);
    }
    let refused = refused.expect("the eleventh call of a minute is refused");
    assert_eq!(code(&refused), "900803");
    assert_eq!(refused.json()["message"], "Message throttled out");
    assert!(refused.json()["nextAccessTime"].is_string());
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn a_blocked_api() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    platform.journey.lifecycle(&platform.api, "Block").await;
    let blocked = platform.call_until("/pet/1", &token, 503).await;
    assert_eq!(code(&blocked), "700700");
    assert_eq!(blocked.json()["type"], "API blocked");
    platform.journey.lifecycle(&platform.api, "Re-Publish").await;
    platform.call_until("/pet/1", &token, 200).await;
}

#[tokio::test]
async fn a_denied_application() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let deny =
        json!({"conditionType": "APPLICATION", "conditionValue": "admin:shop", "conditionStatus": true});
    let deny = platform.journey.admin(Method::POST, "/throttling/deny-policies", deny).await.expect(201);
    let denied = platform.call_until("/pet/1", &token, 403).await;
    assert_eq!(code(&denied), "900805");
    let id = deny.json()["conditionId"].as_str().unwrap().to_owned();
    let path = format!("/throttling/deny-policy/{id}");
    platform.journey.admin(Method::DELETE, &path, Value::Null).await.expect(200);
    platform.call_until("/pet/1", &token, 200).await;
}

#[tokio::test]
async fn a_subscriber_does_not_become_an_administrator_by_a_scope_with_a_space_in_it() {
    let (_process, _data, admin) = crate::empty().await;
    let user = json!({
        "name": "sue", "password": "sue-of-the-test", "roles": ["Internal/subscriber"],
    });
    admin.admin(Method::POST, "/users", user).await.expect(201);
    let sue = admin.by("sue", "sue-of-the-test", "apim:subscribe apim:app_manage").await;
    let application = sue.application("ladder", "Unlimited").await;
    let body = json!({
        "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"],
        "scopes": ["x apim:admin"],
    });
    let keys = format!("/applications/{application}/generate-keys");
    sue.devportal(Method::POST, &keys, body).await.expect(400);

    sue.keys(&application).await;
    let path = format!("/applications/{application}/keys/PRODUCTION/generate-token");
    sue.devportal(Method::POST, &path, json!({"scopes": ["x apim:admin"]})).await.expect(400);
    // Asked for by its name, the scope is left out.
    let token = sue.devportal(Method::POST, &path, json!({"scopes": ["x", "apim:admin"]})).await.expect(200);
    let token = token.json()["accessToken"].as_str().unwrap().to_owned();
    let users = format!("{}/api/am/admin/v4/users", admin.control);
    admin.client.get(&users, &token).await.expect(401);
    admin.client.get(&users, &admin.token).await.expect(200);
}

#[tokio::test]
async fn the_former_owner_of_an_application_knows_no_secret_of_it_any_more() {
    let (_process, _data, admin) = crate::empty().await;
    let user = json!({ "name": "sue", "password": "sue-of-the-test", "roles": ["Internal/subscriber"] });
    admin.admin(Method::POST, "/users", user).await.expect(201);
    let sue = admin.by("sue", "sue-of-the-test", "apim:subscribe apim:app_manage").await;
    let application = sue.application("gift", "Unlimited").await;
    let keys = sue.keys(&application).await;
    sue.token(&keys, "").await;
    let path = format!("/applications/{application}/change-owner?owner=admin");
    admin.admin(Method::POST, &path, Value::Null).await.expect(200);
    let url = format!("{}/oauth2/token", admin.control);
    let form = "grant_type=client_credentials&scope=apim:admin";
    admin.client.form(&url, &keys.consumer_key, &keys.consumer_secret, form).await.expect(401);
}
