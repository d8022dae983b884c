//! Refresh tokens: rotated, narrowed, and ended when somebody has a copy (ATTACKS 58).

use std::time::Duration;

use crate::world::{Answer, App, World, config, row, verify};

const REVOKED: Result<(), u32> = Err(900904);

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &["vet"]).await;
    world.bind("pets:write", &["vet"]);
    let app = world.app("shop", &["password", "refresh_token"]).await;
    (world, app)
}

async fn first(world: &World, app: &App) -> Answer {
    let body = "grant_type=password&username=ann&password=secret&scope=pets:write+pets:read+openid";
    world.token(app, body).await.ok()
}

async fn refresh(world: &World, app: &App, token: &str, more: &str) -> Answer {
    world.token(app, &format!("grant_type=refresh_token&refresh_token={token}{more}")).await
}

#[tokio::test]
async fn refreshing_gives_a_new_pair_and_ends_the_old_one() {
    let (world, app) = world().await;
    let old = first(&world, &app).await;
    let new = refresh(&world, &app, &old.refresh_token(), "").await.ok();
    assert_ne!(new.access_token(), old.access_token());
    assert_ne!(new.refresh_token(), old.refresh_token());
    assert_eq!(new.text("scope"), "pets:write pets:read openid");
    assert!(new.json()["id_token"].is_string());
    assert_eq!(world.verify(&new.access_token()).await, Ok(()));
    assert_eq!(world.verify(&old.access_token()).await, REVOKED);
}

#[tokio::test]
async fn a_replayed_token_ends_its_whole_family() {
    let (world, app) = world().await;
    let stolen = first(&world, &app).await;
    let current = refresh(&world, &app, &stolen.refresh_token(), "").await.ok();
    let bystander = first(&world, &app).await;

    let replay = refresh(&world, &app, &stolen.refresh_token(), "").await;
    assert_eq!(replay.error(), row(400, "invalid_grant"));
    let after = refresh(&world, &app, &current.refresh_token(), "").await;
    assert_eq!(after.error(), row(400, "invalid_grant"));
    assert_eq!(world.verify(&current.access_token()).await, REVOKED);
    assert_eq!(verify(&world.another_process().await, &current.access_token()).await, REVOKED);
    // Another login of the same user is another family.
    assert_eq!(world.verify(&bystander.access_token()).await, Ok(()));
    refresh(&world, &app, &bystander.refresh_token(), "").await.ok();
}

#[tokio::test]
async fn scope_may_be_narrowed_and_widened_again_to_what_was_granted_only() {
    let (world, app) = world().await;
    let old = first(&world, &app).await;
    let narrow = refresh(&world, &app, &old.refresh_token(), "&scope=pets:read").await.ok();
    assert_eq!(narrow.text("scope"), "pets:read");
    let wide = refresh(&world, &app, &narrow.refresh_token(), "&scope=pets:read+apim:admin").await;
    assert_eq!(wide.error(), row(400, "invalid_scope"));
    let unregistered = refresh(&world, &app, &narrow.refresh_token(), "&scope=something").await;
    assert_eq!(unregistered.error(), row(400, "invalid_scope"));
    // A mistake of the client does not use the token up.
    let full = refresh(&world, &app, &narrow.refresh_token(), "").await.ok();
    assert_eq!(full.text("scope"), "pets:write pets:read openid");
}

#[tokio::test]
async fn another_client_cannot_use_it_nor_spoil_it() {
    let (world, app) = world().await;
    let thief = world.app("thief", &["password", "refresh_token"]).await;
    let old = first(&world, &app).await;
    let stolen = refresh(&world, &thief, &old.refresh_token(), "").await;
    assert_eq!(stolen.error(), row(400, "invalid_grant"));
    refresh(&world, &app, &old.refresh_token(), "").await.ok();
}

#[tokio::test]
async fn it_expires() {
    let (world, app) = world().await;
    let old = first(&world, &app).await;
    world.later(24 * 3600 - 1);
    let new = refresh(&world, &app, &old.refresh_token(), "").await.ok();
    world.later(24 * 3600);
    assert_eq!(refresh(&world, &app, &new.refresh_token(), "").await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn a_role_taken_away_is_missing_from_the_next_token() {
    let (world, app) = world().await;
    let old = first(&world, &app).await;
    // The binding changes, so no token ends by itself.
    world.bind("pets:write", &["admin"]);
    let new = refresh(&world, &app, &old.refresh_token(), "").await.ok();
    assert_eq!(new.text("scope"), "pets:read openid");
}

#[tokio::test]
async fn a_locked_or_deleted_user_cannot_refresh() {
    let (world, app) = world().await;
    let old = first(&world, &app).await;
    world.server.users().set_locked(&"ann".into(), true).await.unwrap();
    assert_eq!(refresh(&world, &app, &old.refresh_token(), "").await.error(), row(400, "invalid_grant"));
    world.server.users().set_locked(&"ann".into(), false).await.unwrap();
    assert_eq!(refresh(&world, &app, &old.refresh_token(), "").await.error(), row(400, "invalid_grant"));

    let again = first(&world, &app).await;
    world.server.users().delete(&"ann".into()).await.unwrap();
    assert_eq!(refresh(&world, &app, &again.refresh_token(), "").await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn a_client_that_may_not_refresh_gets_no_refresh_token() {
    let (world, _) = world().await;
    let app = world.app("plain", &["password"]).await;
    let answer = world.log_in(&app, "ann", "secret").await;
    assert!(answer.json().get("refresh_token").is_none());
}

#[tokio::test]
async fn of_many_at_once_only_one_gets_a_pair() {
    let (world, app) = world().await;
    let token = first(&world, &app).await.refresh_token();
    let calls = (0..8).map(|_| refresh(&world, &app, &token, ""));
    let mut good = 0;
    for answer in futures(calls).await {
        good += usize::from(answer.status == 200);
    }
    assert!(good <= 1, "{good} pairs for one token");
}

async fn futures<F: Future>(calls: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = calls.map(|call| Some(Box::pin(call))).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        for slot in &mut running {
            if let Some(std::task::Poll::Ready(out)) = slot.as_mut().map(|call| call.as_mut().poll(cx)) {
                done.push(out);
                *slot = None;
            }
        }
        if running.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}

#[tokio::test]
async fn lifetimes_are_as_configured() {
    let mut short = config();
    short.refresh_token = Duration::from_secs(10);
    short.access_token = Duration::from_secs(7);
    let world = World::with(short).await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password", "refresh_token"]).await;
    let answer = world.log_in(&app, "ann", "secret").await;
    assert_eq!(answer.json()["expires_in"], 7);
    world.later(10);
    let late = refresh(&world, &app, &answer.refresh_token(), "").await;
    assert_eq!(late.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn what_somebody_else_wrote_into_the_store_ends_refresh_tokens_at_once() {
    let (world, app) = world().await;
    let old = first(&world, &app).await;
    end_all_of_ann(&world).await;
    assert_eq!(refresh(&world, &app, &old.refresh_token(), "").await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn a_login_right_after_somebody_else_ended_everything_is_good() {
    let (world, app) = world().await;
    end_all_of_ann(&world).await;
    let new = first(&world, &app).await;
    // By then, everybody has read of it.
    world.later(2);
    assert_eq!(world.verify(&new.access_token()).await, Ok(()));
    refresh(&world, &app, &new.refresh_token(), "").await.ok();
}

/// As the control plane does when a password changes: no event, no call to this server.
async fn end_all_of_ann(world: &World) {
    use apim_core::store::RevocationStore as _;
    let before = apim_core::Timestamp::from_secs(crate::world::START).plus(Duration::from_millis(1));
    let all = apim_core::model::Revocation::User { user: "ann".into(), before };
    world.memory.revoke(&Default::default(), all).await.unwrap();
}
