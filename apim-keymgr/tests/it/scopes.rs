//! Who gets which scope (spec: key-manager, section 4).

use crate::world::{App, World};

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &["vet"]).await;
    world.user("bob", "secret", &[]).await;
    world.user("olga", "secret", &["owner"]).await;
    world.bind("pets:write", &["vet", "admin"]);
    world.bind("pets:read", &[]);
    world.bind("shop:own", &["owner"]);
    world.bind("apim:api_create", &["creator"]);
    let app = world.app("shop", &["client_credentials", "password"]).await;
    (world, app)
}

async fn granted(world: &World, app: &App, user: &str, scope: &str) -> String {
    let body = format!("grant_type=password&username={user}&password=secret&scope={scope}");
    world.token(app, &body).await.ok().text("scope")
}

#[tokio::test]
async fn a_bound_scope_is_for_those_with_one_of_its_roles() {
    let (world, app) = world().await;
    assert_eq!(granted(&world, &app, "ann", "pets:write+pets:read").await, "pets:write pets:read");
    assert_eq!(granted(&world, &app, "bob", "pets:write+pets:read").await, "pets:read");
}

#[tokio::test]
async fn the_case_of_a_role_does_not_matter() {
    let (world, app) = world().await;
    world.bind("pets:wash", &["VET"]);
    assert_eq!(granted(&world, &app, "ann", "pets:wash").await, "pets:wash");
}

#[tokio::test]
async fn nothing_left_is_default_never_an_error() {
    let (world, app) = world().await;
    assert_eq!(granted(&world, &app, "bob", "pets:write").await, "default");
    assert_eq!(granted(&world, &app, "bob", "").await, "default");
    assert_eq!(granted(&world, &app, "bob", "+++").await, "default");
}

#[tokio::test]
async fn an_unregistered_scope_is_granted_as_it_is_once() {
    let (world, app) = world().await;
    assert_eq!(granted(&world, &app, "bob", "device_1+whatever+device_1").await, "device_1 whatever");
}

#[tokio::test]
async fn the_platforms_own_scopes_are_never_granted_for_want_of_a_registration() {
    let (world, app) = world().await;
    assert_eq!(granted(&world, &app, "ann", "apim:admin+service_catalog:service_write+x").await, "x");
    assert_eq!(granted(&world, &app, "ann", "apim:api_create").await, "default");
}

#[tokio::test]
async fn a_client_for_itself_gets_what_its_owner_may() {
    let (world, app) = world().await;
    let body = "grant_type=client_credentials&scope=shop:own+pets:write";
    assert_eq!(world.token(&app, body).await.ok().text("scope"), "shop:own");
}

#[tokio::test]
async fn a_locked_owners_client_gets_nothing() {
    let (world, app) = world().await;
    world.server.users().set_locked(&"olga".into(), true).await.unwrap();
    let refused = world.token(&app, "grant_type=client_credentials").await;
    assert_eq!(refused.error(), crate::world::row(400, "unauthorized_client"));
}
