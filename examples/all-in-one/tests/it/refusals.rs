//! Whatever is refused is refused with the status, the headers and the whole body that clients look for
//! (spec: gateway-errors).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driver::Reply;
use http::Method;
use serde_json::{Value, json};

use crate::Platform;

const MISSING: &str = r#"{"code":"900902","message":"Missing Credentials","description":"Invalid Credentials. Make sure your API invocation call has a header: 'Authorization : Bearer ACCESS_TOKEN'"}"#;
const MISSING_BOTH: &str = r#"{"code":"900902","message":"Missing Credentials","description":"Invalid Credentials. Make sure your API invocation call has a header: 'Authorization : Bearer ACCESS_TOKEN' or 'ApiKey : API_KEY'"}"#;
const INVALID: &str = r#"{"code":"900901","message":"Invalid Credentials","description":"Make sure you have provided the correct security credentials"}"#;
const EXPIRED: &str = r#"{"code":"900903","message":"Access Token Expired","description":"Renew the access token and try again"}"#;
const REVOKED: &str =
    r#"{"code":"900904","message":"Access Token Inactive","description":"Access token has been revoked"}"#;
const UNSUBSCRIBED: &str = r#"{"code":"900908","message":"Resource forbidden","description":"User is NOT authorized to access the Resource. API Subscription validation failed."}"#;
const UNSCOPED: &str = r#"{"code":"900910","message":"The access token does not allow you to access the requested resource","description":"User is NOT authorized to access the Resource. Scope validation failed."}"#;
const NO_API: &str = r#"{"code":"404","type":"Status report","message":"Not Found","description":"The requested resource is not available."}"#;
const NO_OPERATION: &str = r#"{"code":"404","type":"Status report","message":"Runtime Error","description":"No matching resource found for given API Request"}"#;
const NO_METHOD: &str = r#"{"code":"405","type":"Status report","message":"Runtime Error","description":"Method not allowed for given API resource"}"#;
const BLOCKED: &str =
    r#"{"code":"700700","type":"API blocked","description":"This API has been blocked temporarily"}"#;
const DENIED: &str = r#"{"code":"900805","message":"Message blocked","description":"You have been blocked from accessing the resource"}"#;

const BEARER: &str = r#"Bearer realm="WSO2 API Manager" error="invalid_token", error_description="The provided token is invalid""#;
const BEARER_OR_KEY: &str = r#"Bearer realm="WSO2 API Manager", API Key realm="WSO2 API Manager" error="invalid_token", error_description="The provided token is invalid""#;

/// Compares a refusal with what it has to be, to the last byte; whoever wants to know more finds the
/// request's id in it.
#[track_caller]
fn refused(reply: &Reply, status: u16, body: &str) {
    assert_eq!((reply.status.as_u16(), &*reply.text()), (status, body));
    assert_eq!(reply.header("content-type"), Some("application/json; charset=UTF-8"));
    let id = reply.header("x-request-id").expect("the request's id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

/// The same for 401, which says in addition how one may come in, and for whom alone that is said.
#[track_caller]
fn refused_as_nobody(reply: &Reply, body: &str, challenge: &str) {
    refused(reply, 401, body);
    assert_eq!(reply.header("www-authenticate"), Some(challenge));
    assert_eq!(reply.header("retry-after"), None);
}

/// The same for 403 and 404, which nothing can be done about.
#[track_caller]
fn refused_for_good(reply: &Reply, status: u16, body: &str) {
    refused(reply, status, body);
    for header in ["www-authenticate", "retry-after", "allow"] {
        assert_eq!(reply.header(header), None, "{header}");
    }
}

/// The same token, signed by somebody else.
fn signed_by_a_stranger(token: &str) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn without_a_token_with_a_wrong_one_and_with_a_revoked_one() {
    let platform = Platform::with_a_published_api().await;
    let url = format!("{}/petstore/1.0.0/pet/1", platform.process.gateway());
    let client = &platform.journey.client;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;

    refused_as_nobody(&client.send(Method::GET, &url, &[], "").await, MISSING, BEARER);
    refused_as_nobody(&client.get(&url, "not.a.token").await, INVALID, BEARER);
    refused_as_nobody(&client.get(&url, &signed_by_a_stranger(&token)).await, INVALID, BEARER);

    platform.journey.revoke(&platform.keys, &token).await;
    refused_as_nobody(&platform.call_until("/pet/1", &token, 401).await, REVOKED, BEARER);
}

#[tokio::test]
async fn an_api_that_takes_keys_as_well_says_so() {
    let platform = Platform::with_a_published_api().await;
    let path = format!("/apis/{}", platform.api);
    let mut api = platform.journey.publisher(Method::GET, &path, Value::Null).await.expect(200).json();
    api["securityScheme"] = json!(["oauth2", "api_key", "oauth_basic_auth_api_key_mandatory"]);
    platform.journey.publisher(Method::PUT, &path, api).await.expect(200);
    platform.journey.deploy(&platform.api).await;
    let url = format!("{}/petstore/1.0.0/pet/1", platform.process.gateway());
    let call = || platform.journey.client.send(Method::GET, &url, &[], "");
    let missing = crate::until_it(call, |reply| reply.text() == MISSING_BOTH).await;
    refused_as_nobody(&missing, MISSING_BOTH, BEARER_OR_KEY);
    let wrong = platform.journey.client.send(Method::GET, &url, &[("apikey", "no-such-key")], "").await;
    refused_as_nobody(&wrong, INVALID, BEARER_OR_KEY);
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
    refused_as_nobody(&expired, EXPIRED, BEARER);
}

#[tokio::test]
async fn without_a_subscription_and_without_a_scope() {
    let platform = Platform::with_a_published_api().await;
    let stranger = platform.journey.application("stranger", "Unlimited").await;
    let stranger = platform.journey.keys(&stranger).await;
    let token = platform.journey.token(&stranger, "").await;
    refused_for_good(&platform.call_until("/pet/1", &token, 403).await, 403, UNSUBSCRIBED);

    let token = platform.journey.token(&platform.keys, "").await;
    let url = format!("{}/petstore/1.0.0/pet", platform.process.gateway());
    let pet = json!({"name": "Mia"});
    let unscoped = platform.journey.client.json(Method::POST, &url, &token, &pet).await;
    refused_for_good(&unscoped, 403, UNSCOPED);
    let token = platform.journey.token(&platform.keys, "pets:write").await;
    platform.journey.client.json(Method::POST, &url, &token, &pet).await.expect(200);
}

#[tokio::test]
async fn an_unknown_api_an_unknown_path_and_a_wrong_method() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    let client = &platform.journey.client;
    let gateway = platform.process.gateway();
    let unknown = client.get(&format!("{gateway}/nothing/1.0.0/x"), &token).await;
    refused_for_good(&unknown, 404, NO_API);
    let unknown = client.get(&format!("{gateway}/petstore/1.0.0/no/such/pet"), &token).await;
    refused_for_good(&unknown, 404, NO_OPERATION);
    let pet = format!("{gateway}/petstore/1.0.0/pet/1");
    let wrong = client.json(Method::PATCH, &pet, &token, &Value::Null).await;
    refused(&wrong, 405, NO_METHOD);
    assert_eq!(wrong.header("allow"), Some("GET, DELETE, HEAD"));
}

#[tokio::test]
async fn over_the_applications_tier() {
    let platform = Platform::with_a_published_api().await;
    let application = platform.journey.application("small", "10PerMin").await;
    platform.journey.subscribe(&application, &platform.api).await;
    let keys = platform.journey.keys(&application).await;
    let token = platform.journey.token(&keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    let mut excess = None;
    // Two windows' worth: a minute may end in between.
    for _ in 0..25 {
        let reply = platform.call("/pet/1", &token).await;
        if reply.status == 429 {
            excess = Some(reply);
            break;
        }
        reply.expect(200);
    }
    let excess = excess.expect("the eleventh call of a minute is refused");
    let again = excess.header("retry-after").expect("when to come again");
    let wait = httpdate::parse_http_date(again).unwrap().duration_since(std::time::SystemTime::now());
    assert!(wait.is_ok_and(|wait| wait.as_secs() < 60), "{again}");
    let at = as_wso2_writes_it(again);
    let body = format!(
        "{{\"code\":\"900803\",\"message\":\"Message throttled out\",\"description\":\"You have exceeded your quota \
         .You can access API after {at}\",\"nextAccessTime\":\"{at}\"}}"
    );
    refused(&excess, 429, &body);
}

/// `Tue, 14 Nov 2023 22:13:20 GMT` becomes `2023-Nov-14 22:13:20+0000 UTC`.
fn as_wso2_writes_it(date: &str) -> String {
    let words: Vec<&str> = date.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { panic!("{date:?} is no date") };
    format!("{year}-{month}-{day} {time}+0000 UTC")
}

#[tokio::test]
async fn a_blocked_api() {
    let platform = Platform::with_a_published_api().await;
    let token = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &token, 200).await;
    platform.journey.lifecycle(&platform.api, "Block").await;
    refused_for_good(&platform.call_until("/pet/1", &token, 503).await, 503, BLOCKED);
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
    refused_for_good(&platform.call_until("/pet/1", &token, 403).await, 403, DENIED);
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
