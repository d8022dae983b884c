//! `/oauth2/revoke` (RFC 7009).

use apim_core::event::Change;
use apim_core::model::Revocation;

use crate::world::{App, START, World, claims, row};

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password", "refresh_token"]).await;
    (world, app)
}

async fn revoke(world: &World, app: &App, body: &str) {
    let answer = world.post("/oauth2/revoke", Some(&app.basic()), body).await.ok();
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_revoked_access_token_is_refused_and_gateways_are_told() {
    let (world, app) = world().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    revoke(&world, &app, &format!("token={token}&token_type_hint=access_token")).await;
    assert_eq!(world.verify(&token).await, Err(900904));
    let id = claims(&token)["jti"].as_str().unwrap().into();
    match world.memory.changes().pop() {
        Some(Change::Revoked(Revocation::Token { id: told, expires_at })) => {
            assert_eq!(told, id);
            assert!(expires_at.as_secs() >= START + 3600, "it lasts until the token is over");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_access_token_along() {
    let (world, app) = world().await;
    let answer = world.log_in(&app, "ann", "secret").await;
    revoke(&world, &app, &format!("token={}", answer.refresh_token())).await;
    assert_eq!(world.verify(&answer.access_token()).await, Err(900904));
    let refresh = format!("grant_type=refresh_token&refresh_token={}", answer.refresh_token());
    assert_eq!(world.token(&app, &refresh).await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn anything_else_is_answered_the_same_and_nothing_happens() {
    let (world, app) = world().await;
    let thief = world.app("thief", &["password"]).await;
    let answer = world.log_in(&app, "ann", "secret").await;
    let before = world.memory.changes().len();
    revoke(&world, &app, "token=unknown&token_type_hint=nonsense").await;
    revoke(&world, &thief, &format!("token={}", answer.access_token())).await;
    revoke(&world, &thief, &format!("token={}", answer.refresh_token())).await;
    assert_eq!(world.verify(&answer.access_token()).await, Ok(()));
    assert_eq!(world.memory.changes().len(), before);
}

#[tokio::test]
async fn who_does_not_say_who_they_are_revokes_nothing() {
    let (world, app) = world().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    let answer = world.post("/oauth2/revoke", None, &format!("token={token}")).await;
    assert_eq!(answer.error(), row(401, "invalid_client"));
    let missing = world.post("/oauth2/revoke", Some(&app.basic()), "").await;
    assert_eq!(missing.error(), row(400, "invalid_request"));
}

#[tokio::test]
async fn a_public_client_revokes_by_its_id() {
    let (world, _) = world().await;
    let mut spec = world.spec("spa", &["password"]);
    spec.public = true;
    let spa = world.app_of(spec).await;
    let body = format!("grant_type=password&username=ann&password=secret&client_id={}", spa.id);
    let token = world.post("/oauth2/token", None, &body).await.ok().access_token();
    world.post("/oauth2/revoke", None, &format!("token={token}&client_id={}", spa.id)).await.ok();
    assert_eq!(world.verify(&token).await, Err(900904));
}
