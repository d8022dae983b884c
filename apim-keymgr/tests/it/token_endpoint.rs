//! What `/oauth2/token` says, in the table of RFC 6749 section 5.2.

use apim_core::Body;
use http::{Request, header};

use crate::world::{App, World, form, post, row};

const ALL: &[&str] = &["client_credentials", "password", "refresh_token", "authorization_code"];

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &["staff"]).await;
    let app = world.app("shop", ALL).await;
    (world, app)
}

#[tokio::test]
async fn a_token_answer_has_what_clients_read_and_is_not_cached() {
    let (world, app) = world().await;
    let answer = world.log_in(&app, "ann", "secret").await;
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600, "a number, not text");
    assert_eq!(body["scope"], "default");
    assert!(body["access_token"].is_string() && body["refresh_token"].is_string());
    assert!(body.get("id_token").is_none());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
}

#[tokio::test]
async fn client_credentials_bring_neither_a_refresh_token_nor_an_id_token() {
    let (world, app) = world().await;
    let answer = world.token(&app, "grant_type=client_credentials&scope=openid").await.ok();
    assert!(answer.json().get("refresh_token").is_none());
    assert!(answer.json().get("id_token").is_none());
}

#[tokio::test]
async fn every_row_of_the_error_table() {
    let (world, app) = world().await;
    let limited = world.app("limited", &["client_credentials"]).await;
    let rows = [
        ("", row(400, "invalid_request")),
        ("grant_type=", row(400, "invalid_request")),
        ("grant_type=password", row(400, "invalid_request")),
        ("grant_type=password&username=ann", row(400, "invalid_request")),
        ("grant_type=refresh_token", row(400, "invalid_request")),
        ("grant_type=authorization_code", row(400, "invalid_request")),
        ("grant_type=authorization_code&code=x", row(400, "invalid_request")),
        ("grant_type=implicit", row(400, "unsupported_grant_type")),
        ("grant_type=urn:ietf:params:oauth:grant-type:device_code", row(400, "unsupported_grant_type")),
        ("grant_type=password&username=ann&password=wrong", row(400, "invalid_grant")),
        ("grant_type=password&username=nobody&password=secret", row(400, "invalid_grant")),
        ("grant_type=refresh_token&refresh_token=made-up", row(400, "invalid_grant")),
        ("grant_type=authorization_code&code=made-up&redirect_uri=x", row(400, "invalid_grant")),
        ("grant_type=client_credentials&scope=a%22b", row(400, "invalid_scope")),
        ("grant_type=client_credentials&scope=k%C3%BCche", row(400, "invalid_scope")),
        ("grant_type=client_credentials&grant_type=client_credentials", row(400, "invalid_request")),
        ("grant_type=client_credentials&scope=a&scope=b", row(400, "invalid_request")),
        ("grant_type=client_credentials&scope=%00", row(400, "invalid_request")),
    ];
    for (body, expected) in rows {
        assert_eq!(world.token(&app, body).await.error(), expected, "{body}");
    }
    let long = format!("grant_type=client_credentials&scope={}", "a".repeat(8 * 1024 + 1));
    assert_eq!(world.token(&app, &long).await.error(), row(400, "invalid_scope"));
    let many: String = (0..257).map(|n| format!("+s{n}")).collect();
    let many = format!("grant_type=client_credentials&scope={many}");
    assert_eq!(world.token(&app, &many).await.error(), row(400, "invalid_scope"));
    let refused = world.token(&limited, "grant_type=password&username=ann&password=secret").await;
    assert_eq!(refused.error(), row(400, "unauthorized_client"));
}

#[tokio::test]
async fn the_store_being_away_is_the_servers_fault_and_tells_nothing() {
    let (world, app) = world().await;
    world.memory.break_down(true);
    let answer = world.token(&app, "grant_type=client_credentials").await;
    assert_eq!(answer.error(), row(500, "server_error"));
    assert!(!String::from_utf8_lossy(&answer.body).contains("memory"), "{answer:?}");
    world.memory.break_down(false);
    world.token(&app, "grant_type=client_credentials").await.ok();
}

#[tokio::test]
async fn what_apictl_sends_is_understood() {
    let (world, app) = world().await;
    world.user("a@b.com", "p w&", &["admin"]).await;
    world.bind("apim:api_view", &["admin"]);
    // The user's name raw, the password escaped, scopes joined with plus, colons literal.
    let body =
        "grant_type=password&username=a@b.com@carbon.super&password=p+w%26&scope=apim:api_view+apim:admin";
    assert_eq!(world.token(&app, body).await.ok().text("scope"), "apim:api_view");
    // Scopes joined with literal spaces, and an empty scope.
    let body = "grant_type=client_credentials&scope=one two";
    assert_eq!(world.token(&app, body).await.ok().text("scope"), "one two");
    assert_eq!(world.token(&app, "grant_type=client_credentials&scope=").await.ok().text("scope"), "default");
}

#[tokio::test]
async fn a_body_is_bounded_and_must_be_a_form() {
    let (world, app) = world().await;
    let huge = format!("grant_type=client_credentials&x={}", "a".repeat(64 * 1024));
    assert_eq!(world.token(&app, &huge).await.error(), row(413, "invalid_request"));
    let many: String = (0..100).map(|n| format!("p{n}=1&")).collect();
    assert_eq!(world.token(&app, &many).await.error(), row(400, "invalid_request"));

    let json = Request::post("/oauth2/token")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, app.basic())
        .body(Body::from(r#"{"grant_type":"client_credentials"}"#))
        .unwrap();
    assert_eq!(world.send(json).await.error(), row(400, "invalid_request"));

    let mut charset = post("/oauth2/token", Some(&app.basic()), "grant_type=client_credentials");
    let value = "Application/X-WWW-Form-Urlencoded; charset=UTF-8".parse().unwrap();
    charset.headers_mut().insert(header::CONTENT_TYPE, value);
    world.send(charset).await.ok();
}

#[tokio::test]
async fn parameters_in_the_query_do_not_count() {
    let (world, app) = world().await;
    let body = form(&[("client_id", &app.id), ("client_secret", &app.secret)]);
    let answer = world.post(&format!("/oauth2/token?grant_type=client_credentials&{body}"), None, "").await;
    assert_eq!(answer.error(), row(401, "invalid_client"));
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told() {
    let (world, _) = world().await;
    assert_eq!(world.get("/oauth2/nothing").await.status, 404);
    let answer = world.get("/oauth2/token").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_client_decides_how_long_its_tokens_live_within_reason() {
    let (world, _) = world().await;
    let mut spec = world.spec("short", &["client_credentials"]);
    spec.token_lifetime = Some(std::time::Duration::from_secs(60));
    let short = world.app_of(spec).await;
    let answer = world.token(&short, "grant_type=client_credentials").await.ok();
    assert_eq!(answer.json()["expires_in"], 60);

    let mut spec = world.spec("eternal", &["client_credentials"]);
    spec.token_lifetime = Some(std::time::Duration::MAX);
    let eternal = world.app_of(spec).await;
    let answer = world.token(&eternal, "grant_type=client_credentials").await.ok();
    assert_eq!(answer.json()["expires_in"], 30 * 24 * 3600);
}
