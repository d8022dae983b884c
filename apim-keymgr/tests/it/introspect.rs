//! `/oauth2/introspect` (ATTACKS 53).

use serde_json::json;

use crate::world::{App, ISSUER, START, World, basic, claims, row};

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &["staff"]).await;
    world.user("root", "secret", &["admin"]).await;
    let app = world.app("shop", &["password", "refresh_token"]).await;
    (world, app)
}

async fn ask(world: &World, authorization: &str, token: &str) -> serde_json::Value {
    world.post("/oauth2/introspect", Some(authorization), &format!("token={token}")).await.ok().json()
}

#[tokio::test]
async fn a_client_sees_its_own_token() {
    let (world, app) = world().await;
    let answer = world.log_in(&app, "ann", "secret").await;
    let seen = ask(&world, &app.basic(), &answer.access_token()).await;
    let expected = json!({
        "active": true, "iss": ISSUER, "sub": "ann", "client_id": *app.id, "aud": *app.id,
        "iat": START, "nbf": START, "exp": START + 3600, "jti": claims(&answer.access_token())["jti"],
        "scope": "default", "aut": "APPLICATION_USER", "username": "ann", "token_type": "Bearer",
    });
    assert_eq!(seen, expected);
    let refresh = ask(&world, &app.basic(), &answer.refresh_token()).await;
    assert_eq!((&refresh["active"], &refresh["token_type"]), (&json!(true), &json!("Refresh")));
}

#[tokio::test]
async fn an_administrator_sees_all_and_nobody_else_does() {
    let (world, app) = world().await;
    let other = world.app("other", &["client_credentials"]).await;
    let answer = world.log_in(&app, "ann", "secret").await;
    for token in [answer.access_token(), answer.refresh_token()] {
        assert_eq!(ask(&world, &basic("root", "secret"), &token).await["active"], true);
        assert_eq!(ask(&world, &other.basic(), &token).await, json!({ "active": false }));
    }
    let body = format!("token={}", answer.access_token());
    for authorization in [basic("ann", "secret"), basic("root", "wrong"), basic("nobody", "x")] {
        let refused = world.post("/oauth2/introspect", Some(&authorization), &body).await;
        assert_eq!(refused.error(), row(401, "invalid_client"));
    }
    let anonymous = world.post("/oauth2/introspect", None, &body).await;
    assert_eq!(anonymous.error(), row(401, "invalid_client"));
}

#[tokio::test]
async fn a_public_client_proves_nothing_and_sees_nothing() {
    let (world, _) = world().await;
    let mut spec = world.spec("spa", &["password"]);
    spec.public = true;
    let spa = world.app_of(spec).await;
    let refused = world.post("/oauth2/introspect", None, &format!("token=x&client_id={}", spa.id)).await;
    assert_eq!(refused.error(), row(401, "invalid_client"));
}

#[tokio::test]
async fn whatever_is_not_in_force_is_inactive_without_a_word_more() {
    let (world, app) = world().await;
    let answer = world.log_in(&app, "ann", "secret").await;
    let revoked = world.log_in(&app, "ann", "secret").await.access_token();
    world.post("/oauth2/revoke", Some(&app.basic()), &format!("token={revoked}")).await.ok();
    for token in ["unknown", "a.b.c", &revoked] {
        assert_eq!(ask(&world, &app.basic(), token).await, json!({ "active": false }), "{token}");
    }
    world.later(3600 + 5);
    assert_eq!(ask(&world, &app.basic(), &answer.access_token()).await, json!({ "active": false }));
    world.later(24 * 3600);
    assert_eq!(ask(&world, &app.basic(), &answer.refresh_token()).await, json!({ "active": false }));
    let missing = world.post("/oauth2/introspect", Some(&app.basic()), "").await;
    assert_eq!(missing.error(), row(400, "invalid_request"));
}
