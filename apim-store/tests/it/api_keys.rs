//! API keys of applications.

use std::time::Duration;

use apim_core::event::Change;
use apim_core::model::ApiKey;
use serde_json::json;

use crate::applications::made_id;
use crate::place::Place;

async fn path(place: &Place) -> String {
    format!("/applications/{}/api-keys", made_id(place, "shop").await)
}

async fn known(place: &Place) -> Vec<ApiKey> {
    let changes = place.changes().await.into_iter();
    changes
        .filter_map(|it| if let Change::ApiKeySaved(key) = it { Some((*key).clone()) } else { None })
        .collect()
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_key_is_told_once_and_gateways_know_its_hash() {
    for place in Place::each_seeded().await {
        let path = path(&place).await;
        let portal = place.devportal();
        let body = json!({
            "keyName": "till", "validityPeriod": 3600,
            "additionalProperties": {
                "permittedIP": "10.0.0.1, 10.1.0.0/16 ,2001:db8::/32", "permittedReferer": "shop.example/*",
            },
        });
        let made = portal.post(&format!("{path}/PRODUCTION/generate"), body).await.is(200).json();
        let text = made["apikey"].as_str().unwrap();
        assert!(text.len() >= 43, "256 bits");
        assert_eq!((&made["keyName"], &made["validityPeriod"]), (&json!("till"), &json!(3600)));

        let key = known(&place).await.remove(0);
        assert_eq!(key.hash, sha256(text));
        assert_eq!(key.permitted_ips, ["10.0.0.1", "10.1.0.0/16", "2001:db8::/32"]);
        assert_eq!(key.permitted_referers, ["shop.example/*"]);
        let ends = place.store.now().plus(Duration::from_secs(3600));
        assert_eq!(key.expires_at, Some(ends));

        let list = portal.get(&format!("{path}/PRODUCTION")).await.is(200);
        assert!(!String::from_utf8_lossy(&list.body).contains(text));
        assert_eq!(list.json()["list"][0]["keyUUID"], made["keyUUID"]);
        assert_eq!(portal.get(&format!("{path}/SANDBOX")).await.is(200).json()["count"], 0);
    }
}

#[tokio::test]
async fn a_key_without_an_end_never_ends() {
    let place = Place::each_seeded().await.remove(0);
    let path = path(&place).await;
    for body in [json!({}), json!({ "validityPeriod": -1 })] {
        let made = place.devportal().post(&format!("{path}/SANDBOX/generate"), body).await.is(200).json();
        assert_eq!(made["validityPeriod"], -1);
    }
    assert!(known(&place).await.iter().all(|key| key.expires_at.is_none()));
}

#[tokio::test]
async fn what_would_bind_a_key_to_nothing_is_refused() {
    let place = Place::each_seeded().await.remove(0);
    let path = format!("{}/PRODUCTION/generate", path(&place).await);
    let bound = |ip: &str| json!({ "additionalProperties": { "permittedIP": ip } });
    for body in [
        bound("10.0.0.256"),
        bound("shop.example"),
        bound("10.0.0.0/33"),
        bound(&"10.0.0.1,".repeat(101)),
        json!({ "validityPeriod": 0 }),
        json!({ "validityPeriod": -2 }),
        json!({ "validityPeriod": 9_223_372_036_854_775_807_i64 }),
        json!({ "keyName": "x".repeat(101) }),
    ] {
        place.devportal().post(&path, body).await.refused(400, 400);
    }
    place.devportal().post(&path.replace("PRODUCTION", "OTHER"), json!({})).await.refused(400, 400);
}

#[tokio::test]
async fn keys_are_revoked_by_id_or_by_themselves() {
    for place in Place::each_seeded().await {
        let path = format!("{}/PRODUCTION", path(&place).await);
        let portal = place.devportal();
        let generate = format!("{path}/generate");
        let one = portal.post(&generate, json!({})).await.is(200).json();
        let two = portal.post(&generate, json!({})).await.is(200).json();
        let revoke = format!("{path}/revoke");
        portal.post(&revoke, json!({ "keyUUID": one["keyUUID"] })).await.is(200);
        portal.post(&revoke, json!({ "keyUUID": one["keyUUID"] })).await.refused(404, 900401);
        portal.post(&revoke, json!({ "apikey": "guess" })).await.refused(404, 900401);
        portal.post(&revoke, json!({})).await.refused(400, 400);
        portal.post(&revoke, json!({ "apikey": two["apikey"] })).await.is(200);
        assert!(known(&place).await.is_empty());
    }
}

#[tokio::test]
async fn a_renewed_key_replaces_the_old_one() {
    let place = Place::each_seeded().await.remove(0);
    let path = format!("{}/PRODUCTION", path(&place).await);
    let portal = place.devportal();
    let body = json!({ "keyName": "till", "validityPeriod": 60 });
    let old = portal.post(&format!("{path}/generate"), body).await.is(200).json();
    let renew = json!({ "keyUUID": old["keyUUID"] });
    let new = portal.post(&format!("{path}/regenerate"), renew.clone()).await.is(200).json();
    assert_eq!((&new["keyName"], &new["validityPeriod"]), (&json!("till"), &json!(60)));
    assert_ne!(new["apikey"], old["apikey"]);
    assert_eq!(known(&place).await.len(), 1);
    portal.post(&format!("{path}/regenerate"), renew).await.refused(404, 900401);
}
