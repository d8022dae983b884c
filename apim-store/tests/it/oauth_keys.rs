//! OAuth keys of applications.

use std::sync::atomic::Ordering;

use apim_core::event::Change;
use serde_json::{Value, json};

use crate::applications::made_id;
use crate::place::Place;

fn wanted(key_type: &str) -> Value {
    json!({ "keyType": key_type, "grantTypesToBeSupported": ["refresh_token", "password", "client_credentials"] })
}

async fn application(place: &Place) -> String {
    format!("/applications/{}", made_id(place, "shop").await)
}

#[tokio::test]
async fn generated_keys_hold_their_secret_and_a_token_once() {
    for place in Place::each_seeded().await {
        let path = application(&place).await;
        let portal = place.devportal();
        let mut body = wanted("PRODUCTION");
        body["validityTime"] = json!(3600);
        body["scopes"] = json!(["pets:read"]);
        let made = portal.post(&format!("{path}/generate-keys"), body).await.is(200).json();
        assert_eq!(made["keyState"], "COMPLETED");
        assert_eq!(made["mode"], "CREATED");
        assert_eq!(made["keyManager"], "Resident Key Manager");
        assert_eq!(made["consumerSecret"], "secret-2");
        assert_eq!(made["token"]["accessToken"], "token-of-client-1");
        assert_eq!(made["token"]["validityTime"], 3600);
        assert_eq!(made["token"]["tokenScopes"], json!(["pets:read"]));

        let list = portal.get(&format!("{path}/keys")).await.is(200).json();
        assert_eq!(list["count"], 1);
        assert_eq!(list["list"][0]["consumerKey"], "client-1");
        assert!(list["list"][0].get("consumerSecret").is_none(), "only a hash of it is kept");
        assert_eq!(portal.get(&format!("{path}/oauth-keys")).await.is(200).json(), list);
        assert_eq!(portal.get(&path).await.json()["keys"], list["list"]);
        let id = made["keyMappingId"].as_str().unwrap();
        let one = portal.get(&format!("{path}/oauth-keys/{id}")).await.is(200).json();
        assert_eq!(portal.get(&format!("{path}/keys/PRODUCTION")).await.is(200).json(), one);
        portal.get(&format!("{path}/keys/SANDBOX")).await.refused(404, 900401);
        portal.get(&format!("{path}/keys/STAGING")).await.refused(400, 400);

        let spec = place.keys.spec("client-1").unwrap();
        assert!(spec.name.starts_with("dev_") && spec.name.ends_with("_PRODUCTION"), "{}", spec.name);
        let mapped =
            place.changes().await.into_iter().any(
                |change| matches!(change, Change::KeyMappingSaved(it) if it.client.as_str() == "client-1"),
            );
        assert!(mapped);
    }
}

#[tokio::test]
async fn lifetimes_may_be_text_and_must_be_sensible() {
    let place = Place::each_seeded().await.remove(0);
    let path = application(&place).await;
    for bad in [json!("soon"), json!(-5), json!(0), json!("99999999999999999999")] {
        let mut body = wanted("PRODUCTION");
        body["validityTime"] = bad;
        place.devportal().post(&format!("{path}/generate-keys"), body).await.refused(400, 400);
    }
    let mut body = wanted("PRODUCTION");
    body["validityTime"] = json!("120");
    let made = place.devportal().post(&format!("{path}/generate-keys"), body).await.is(200).json();
    assert_eq!(made["token"]["validityTime"], 120);
}

#[tokio::test]
async fn a_type_has_its_keys_once() {
    for place in Place::each_seeded().await {
        let path = format!("{}/generate-keys", application(&place).await);
        let portal = place.devportal();
        portal.post(&path, wanted("PRODUCTION")).await.is(200);
        portal.post(&path, wanted("PRODUCTION")).await.refused(409, 901408);
        portal.post(&path, wanted("SANDBOX")).await.is(200);
        assert_eq!(place.keys.ids().len(), 2);
    }
}

#[tokio::test]
async fn of_two_who_generate_at_once_one_wins_and_no_client_is_left_behind() {
    for place in Place::each_seeded().await {
        let path = format!("{}/generate-keys", application(&place).await);
        let (one, two) = (place.devportal(), place.devportal());
        let (a, b) =
            tokio::join!(one.post(&path, wanted("PRODUCTION")), two.post(&path, wanted("PRODUCTION")));
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        assert_eq!(place.keys.ids().len(), 1);
    }
}

#[tokio::test]
async fn grants_that_redirect_need_to_know_where() {
    let place = Place::each_seeded().await.remove(0);
    let path = format!("{}/generate-keys", application(&place).await);
    let mut body = json!({ "keyType": "PRODUCTION", "grantTypesToBeSupported": ["authorization_code"] });
    place.devportal().post(&path, body.clone()).await.refused(400, 400);
    body["callbackUrl"] = json!("https://shop.example/back");
    let made = place.devportal().post(&path, body).await.is(200).json();
    assert!(made.get("token").is_none(), "nothing was asked for that needs no user");
    assert_eq!(place.keys.spec("client-1").unwrap().redirect_uris, ["https://shop.example/back"]);
}

#[tokio::test]
async fn only_the_key_manager_that_there_is_can_be_named() {
    let place = Place::each_seeded().await.remove(0);
    let path = format!("{}/generate-keys", application(&place).await);
    let mut body = wanted("PRODUCTION");
    body["keyManager"] = json!("Okta");
    place.devportal().post(&path, body.clone()).await.refused(400, 901403);
    body["keyManager"] = json!("Resident Key Manager");
    place.devportal().post(&path, body).await.is(200);
}

#[tokio::test]
async fn a_key_manager_that_is_away_is_our_failure_and_tells_nothing() {
    let place = Place::each_seeded().await.remove(0);
    let path = format!("{}/generate-keys", application(&place).await);
    place.keys.away.store(true, Ordering::SeqCst);
    let reply = place.devportal().post(&path, wanted("PRODUCTION")).await.refused(500, 900967);
    assert!(!String::from_utf8_lossy(&reply.body).contains("10.0.0.7"));
    place.keys.away.store(false, Ordering::SeqCst);
    place.devportal().post(&path, wanted("PRODUCTION")).await.is(200);
}

#[tokio::test]
async fn keys_that_get_no_token_are_told_all_the_same() {
    let place = Place::each_seeded().await.remove(0);
    let path = application(&place).await;
    place.keys.dry.store(true, Ordering::SeqCst);
    let made =
        place.devportal().post(&format!("{path}/generate-keys"), wanted("PRODUCTION")).await.is(200).json();
    assert_eq!(made["consumerSecret"], "secret-2");
    assert!(made.get("token").is_none());
    let token = format!("{path}/keys/PRODUCTION/generate-token");
    place.devportal().post(&token, json!({})).await.refused(400, 400);
}

#[tokio::test]
async fn a_client_left_behind_by_a_crash_does_not_stand_in_the_way() {
    let place = Place::each_seeded().await.remove(0);
    let id = made_id(&place, "shop").await;
    place.keys.registered_as("dev", "left-behind", &format!("dev_{id}_PRODUCTION"));
    let path = format!("/applications/{id}/generate-keys");
    let made = place.devportal().post(&path, wanted("PRODUCTION")).await.is(200).json();
    assert_ne!(made["consumerKey"], "left-behind");
}

#[tokio::test]
async fn a_client_from_elsewhere_is_mapped_by_its_owner_only() {
    for place in Place::each_seeded().await {
        let path = application(&place).await;
        let portal = place.devportal();
        place.keys.registered("ann", "anns");
        place.keys.registered("dev", "devs");
        let body = |client: &str| json!({ "consumerKey": client, "keyType": "PRODUCTION" });
        portal.post(&format!("{path}/map-keys"), body("anns")).await.refused(400, 901407);
        portal.post(&format!("{path}/map-keys"), body("nobodys")).await.refused(400, 901407);
        let mapped = portal.post(&format!("{path}/map-keys"), body("devs")).await.is(200).json();
        assert_eq!(mapped["mode"], "MAPPED");
        portal.post(&format!("{path}/map-keys"), body("devs")).await.refused(409, 901408);

        let other = format!("/applications/{}", made_id(&place, "other").await);
        portal.post(&format!("{other}/map-keys"), body("devs")).await.refused(409, 901408);
        let token = format!("{path}/keys/PRODUCTION/generate-token");
        portal.post(&token, json!({})).await.refused(400, 901405);
        portal.post(&format!("{path}/keys/PRODUCTION/clean-up"), json!(null)).await.is(200);
        assert!(place.keys.ids().contains(&"devs".to_owned()), "it is not ours to delete");
    }
}

#[tokio::test]
async fn keys_are_changed_renewed_used_and_taken_away() {
    for place in Place::each_seeded().await {
        let path = application(&place).await;
        let portal = place.devportal();
        let made = portal.post(&format!("{path}/generate-keys"), wanted("PRODUCTION")).await.is(200).json();
        let keys = format!("{path}/oauth-keys/{}", made["keyMappingId"].as_str().unwrap());

        let body =
            json!({ "supportedGrantTypes": ["authorization_code"], "callbackUrl": "https://a.example" });
        let changed = portal.put(&keys, body).await.is(200).json();
        assert_eq!(changed["supportedGrantTypes"], json!(["authorization_code"]));
        assert_eq!(place.keys.spec("client-1").unwrap().grant_types, ["authorization_code"]);
        let bad = json!({ "supportedGrantTypes": ["implicit"] });
        portal.put(&format!("{path}/keys/PRODUCTION"), bad).await.refused(400, 400);

        let renewed = portal.post(&format!("{keys}/regenerate-secret"), json!(null)).await.is(200).json();
        assert_eq!(renewed, json!({ "consumerKey": "client-1", "consumerSecret": "secret-3" }));
        let wanted =
            json!({ "validityPeriod": 60, "scopes": ["a"], "revokeToken": "old", "consumerSecret": "s" });
        let token = portal.post(&format!("{keys}/generate-token"), wanted).await.is(200).json();
        assert_eq!(
            token,
            json!({ "accessToken": "token-of-client-1", "tokenScopes": ["a"], "validityTime": 60 })
        );
        let revoked = place.keys.revoked.lock().unwrap().clone();
        assert_eq!(revoked, [("client-1".to_owned(), "old".to_owned())], "nobody else's token");
        let exchange = json!({ "grantType": "TOKEN_EXCHANGE" });
        portal.post(&format!("{keys}/generate-token"), exchange).await.refused(501, 501);

        portal.post(&format!("{keys}/clean-up"), json!(null)).await.is(200);
        portal.get(&keys).await.refused(404, 900401);
        assert!(place.keys.ids().is_empty());
        assert!(!place.changes().await.iter().any(|it| matches!(it, Change::KeyMappingSaved(_))));
    }
}

#[tokio::test]
async fn a_scope_with_a_space_in_it_is_refused_before_anybody_is_asked() {
    let place = Place::each_seeded().await.remove(0);
    let path = application(&place).await;
    let portal = place.devportal();
    let mut body = wanted("PRODUCTION");
    body["scopes"] = json!(["x apim:admin"]);
    portal.post(&format!("{path}/generate-keys"), body).await.refused(400, 400);
    assert!(place.keys.ids().is_empty());
    portal.post(&format!("{path}/generate-keys"), wanted("PRODUCTION")).await.is(200);
    let smuggled = json!({ "scopes": ["x apim:admin"] });
    portal.post(&format!("{path}/keys/PRODUCTION/generate-token"), smuggled).await.refused(400, 400);
}
