//! Making users, and what changing them does to their tokens (ATTACKS 50, 79).

use apim_core::Secret;
use apim_core::store::UserStore as _;
use apim_keymgr::UserError;

use crate::world::{App, World, form, row};

const REVOKED: Result<(), u32> = Err(900904);

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &["vet", "staff"]).await;
    let app = world.app("shop", &["password", "refresh_token"]).await;
    (world, app)
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let world = World::new().await;
    let users = world.server.users();
    let (name, password) = ("admin".into(), Secret::from("first"));
    assert!(users.ensure_administrator(&name, &password, &["Internal/creator".into()]).await.unwrap());
    assert!(!users.ensure_administrator(&name, &"second".into(), &[]).await.unwrap());
    let kept = world.memory.user(&Default::default(), &name).await.unwrap().unwrap();
    assert_eq!(kept.roles, ["admin".into(), "Internal/creator".into()]);
    assert!(kept.password.starts_with("$argon2id$v=19$"));
    assert!(apim_keymgr::password::verify("first", &kept.password));
}

#[tokio::test]
async fn a_changed_password_ends_old_tokens_and_lets_new_ones_live() {
    let (world, app) = world().await;
    let before = world.log_in(&app, "ann", "secret").await;
    let users = world.server.users();
    let wrong = users.change_password(&"ann".into(), &"guess".into(), &"better".into()).await;
    assert!(matches!(wrong, Err(UserError::WrongPassword)));
    assert_eq!(world.verify(&before.access_token()).await, Ok(()));

    users.change_password(&"ann".into(), &"secret".into(), &"better".into()).await.unwrap();
    assert_eq!(world.verify(&before.access_token()).await, REVOKED);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", before.refresh_token());
    assert_eq!(world.token(&app, &refresh).await.error(), row(400, "invalid_grant"));
    let old = form(&[("grant_type", "password"), ("username", "ann"), ("password", "secret")]);
    assert_eq!(world.token(&app, &old).await.error(), row(400, "invalid_grant"));
    // In the very same moment: a token that is new must not look old for having been rounded down.
    let after = world.log_in(&app, "ann", "better").await;
    assert_eq!(world.verify(&after.access_token()).await, Ok(()));
    let refresh = format!("grant_type=refresh_token&refresh_token={}", after.refresh_token());
    let refreshed = world.token(&app, &refresh).await.ok();
    assert_eq!(world.verify(&refreshed.access_token()).await, Ok(()));
}

#[tokio::test]
async fn a_role_taken_away_ends_tokens_and_a_role_given_does_not() {
    let (world, app) = world().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    let users = world.server.users();
    let roles = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    users.set_roles(&"ann".into(), roles(&["staff", "vet", "admin"])).await.unwrap();
    assert_eq!(world.verify(&token).await, Ok(()));
    users.set_roles(&"ann".into(), roles(&["staff"])).await.unwrap();
    assert_eq!(world.verify(&token).await, REVOKED);
}

#[tokio::test]
async fn locking_and_deleting_end_tokens_for_good() {
    let (world, app) = world().await;
    let users = world.server.users();
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    users.set_locked(&"ann".into(), true).await.unwrap();
    assert_eq!(world.verify(&token).await, REVOKED);
    users.set_locked(&"ann".into(), false).await.unwrap();
    assert_eq!(world.verify(&token).await, REVOKED, "unlocking brings nothing back");
    let again = world.log_in(&app, "ann", "secret").await.access_token();
    users.delete(&"ann".into()).await.unwrap();
    assert_eq!(world.verify(&again).await, REVOKED);
    assert!(matches!(users.delete(&"ann".into()).await, Err(UserError::NotFound)));
}

#[tokio::test]
async fn names_and_passwords_that_would_make_trouble_are_refused() {
    let (world, app) = world().await;
    let users = world.server.users();
    for name in ["", "a:b", "a b", "a\nb", "a\0b", &"a".repeat(256)] {
        let made = users.create(&name.into(), &"secret".into(), vec![]).await;
        assert!(matches!(made, Err(UserError::Invalid(_))), "{name:?}");
    }
    for password in ["", "a\0b", &"a".repeat(1025)] {
        let made = users.create(&"carl".into(), &password.into(), vec![]).await;
        assert!(matches!(made, Err(UserError::Invalid(_))), "{password:?}");
    }
    let again = users.create(&"ann".into(), &"x".into(), vec![]).await;
    assert!(matches!(again, Err(UserError::Exists)));
    users.create(&"dora@carbon.super".into(), &"pw".into(), vec![]).await.unwrap();
    users.set_password(&"dora@carbon.super".into(), &"better".into()).await.unwrap();
    world.log_in(&app, "dora", "better").await;
    users.create(&"müller@example.com".into(), &"pässwort".into(), vec![]).await.unwrap();
}
