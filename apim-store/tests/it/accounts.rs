//! Users and roles.

use std::time::Duration;

use apim_core::Timestamp;
use apim_core::event::Change;
use apim_core::model::Revocation;
use apim_core::store::{RevocationStore as _, UserStore as _};
use serde_json::json;

use crate::place::Place;

const PASSWORD: &str = "correct horse battery";

async fn ended(place: &Place, user: &str) -> bool {
    place
        .changes()
        .await
        .into_iter()
        .any(|it| matches!(it, Change::Revoked(Revocation::User { user: name, .. }) if name.as_str() == user))
}

async fn hash(place: &Place, user: &str) -> String {
    place.store.user(&Default::default(), &user.into()).await.unwrap().unwrap().password
}

#[tokio::test]
async fn a_user_is_made_with_roles_that_exist() {
    for place in Place::each_seeded().await {
        let admin = place.admin();
        let body = json!({ "name": "carol", "password": PASSWORD, "roles": ["Internal/subscriber"] });
        let made = admin.post("/users", body.clone()).await.is(201);
        assert!(!String::from_utf8_lossy(&made.body).contains("argon2"), "not even the hash is told");
        assert!(hash(&place, "carol").await.starts_with("$argon2id$"));
        admin.post("/users", body).await.refused(409, 409);
        let unknown = json!({ "name": "dave", "password": PASSWORD, "roles": ["Internal/king"] });
        admin.post("/users", unknown).await.refused(412, 900986);
        let short = json!({ "name": "dave", "password": "short" });
        admin.post("/users", short).await.refused(400, 400);
        let twice = "bob@carbon.super@carbon.super";
        for odd in ["a<b", "", "@carbon.super", "anonymous", "APIM.platform", twice] {
            let odd = json!({ "name": odd, "password": PASSWORD });
            admin.post("/users", odd).await.refused(400, 400);
        }
        let with_tenant = json!({ "name": "carol@carbon.super", "password": PASSWORD });
        admin.post("/users", with_tenant).await.refused(409, 409);
        assert_eq!(admin.get("/users/carol@carbon.super").await.is(200).json()["name"], "carol");
        let list = admin.get("/users?limit=2").await.is(200).json();
        assert_eq!((&list["list"][0]["name"], &list["pagination"]["total"]), (&json!("admin"), &json!(6)));
        admin.by(crate::place::DEVELOPER).get("/users").await.refused(401, 900910);
    }
}

#[tokio::test]
async fn roles_are_made_and_given() {
    for place in Place::each_seeded().await {
        let admin = place.admin();
        admin.post("/roles", json!({ "name": "pets/owner" })).await.is(201);
        admin.post("/roles", json!({ "name": "pets/owner" })).await.refused(409, 409);
        admin.post("/roles", json!({ "name": "Admin" })).await.refused(409, 409);
        let more = json!({ "roles": ["Internal/subscriber", "pets/owner"] });
        let user = admin.put("/users/dev/roles", more).await.is(200).json();
        assert_eq!(user["roles"], json!(["Internal/subscriber", "pets/owner"]));
        assert!(!ended(&place, "dev").await, "nothing was taken away");
        admin.put("/users/dev/roles", json!({ "roles": ["pets/owner"] })).await.is(200);
        assert!(ended(&place, "dev").await);
        admin.put("/users/nobody/roles", json!({ "roles": [] })).await.refused(404, 900401);
        let roles = admin.get("/roles").await.is(200).json();
        assert!(roles["list"].as_array().unwrap().contains(&json!({ "name": "pets/owner" })));
    }
}

#[tokio::test]
async fn somebody_remains_who_can_administer() {
    let place = Place::each_seeded().await.remove(0);
    let admin = place.admin();
    admin.put("/users/admin/roles", json!({ "roles": [] })).await.refused(400, 400);
    admin.put("/users/admin/locked", json!({ "locked": true })).await.refused(400, 400);
    admin.put("/users/dev/roles", json!({ "roles": ["admin"] })).await.is(200);
    admin.put("/users/admin/locked", json!({ "locked": true })).await.is(200);
    assert!(ended(&place, "admin").await);
}

#[tokio::test]
async fn a_new_password_ends_old_tokens() {
    for place in Place::each_seeded().await {
        let before = hash(&place, "dev").await;
        place.admin().put("/users/dev/password", json!({ "password": PASSWORD })).await.is(200);
        assert_ne!(hash(&place, "dev").await, before);
        assert!(ended(&place, "dev").await);

        let portal = place.devportal();
        let wrong = json!({ "currentPassword": "wrong", "newPassword": "another password" });
        portal.post("/me/change-password", wrong).await.refused(400, 400);
        let held = hash(&place, "dev").await;
        let right = json!({ "currentPassword": PASSWORD, "newPassword": "another password" });
        portal.post("/me/change-password", right).await.is(200);
        assert_ne!(hash(&place, "dev").await, held);
    }
}

/// The moment before which all of a user's tokens are over.
async fn ended_before(place: &Place, user: &str) -> Timestamp {
    place.store.ended_before(&Default::default(), &"no-client".into(), &user.into()).await.unwrap()
}

#[tokio::test]
async fn each_change_ends_what_was_issued_in_the_same_second_too() {
    for place in Place::each_seeded().await {
        place.database.clock.advance(Duration::from_millis(300));
        let admin = place.admin();
        let lock = json!({ "locked": true });
        let mut earlier = place.store.now();
        for _ in 0..3 {
            admin.put("/users/dev/locked", lock.clone()).await.is(200);
            let before = ended_before(&place, "dev").await;
            // A token says when in whole seconds, rounded up after an earlier change.
            assert!(before > Timestamp::from_secs(earlier.as_millis().div_ceil(1000)), "{before:?}");
            earlier = before;
        }
    }
}

#[tokio::test]
async fn the_end_of_a_users_tokens_is_forgotten_when_none_of_them_is_left() {
    for place in Place::each_seeded().await {
        place.admin().put("/users/dev/locked", json!({ "locked": true })).await.is(200);
        place.database.clock.advance(Duration::from_secs(30 * 24 * 3600));
        place.store.forget_expired_revocations(place.store.now()).await.unwrap();
        assert!(ended(&place, "dev").await, "the longest tokens are not over yet");
        place.database.clock.advance(Duration::from_secs(2 * 24 * 3600));
        assert!(!ended(&place, "dev").await, "no gateway needs it");
        place.store.forget_expired_revocations(place.store.now()).await.unwrap();
        assert_eq!(ended_before(&place, "dev").await, Timestamp::default());
    }
}

#[tokio::test]
async fn guessing_ones_own_password_is_stopped_for_five_minutes() {
    for place in Place::each_seeded().await {
        place.admin().put("/users/dev/password", json!({ "password": PASSWORD })).await.is(200);
        let portal = place.devportal();
        let attempt =
            |current: &str| json!({ "currentPassword": current, "newPassword": "another password" });
        for _ in 0..10 {
            portal.post("/me/change-password", attempt("guessed")).await.refused(400, 400);
        }
        place.database.clock.advance(Duration::from_millis(59_500));
        let stopped = portal.post("/me/change-password", attempt(PASSWORD)).await;
        assert_eq!(stopped.header("retry-after"), "241", "the rest of the window, in whole seconds");
        stopped.refused(429, 429);
        place.database.clock.advance(Duration::from_millis(240_500));
        portal.post("/me/change-password", attempt(PASSWORD)).await.is(200);
    }
}
