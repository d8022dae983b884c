//! The suites of [`SigningKeyStore`] and [`RevocationStore`].

use std::time::Duration;

use super::{at, one, two};
use crate::clock::Timestamp;
use crate::model::{KeyManagerConfig, Revocation, Tenant};
use crate::secret::Secret;
use crate::store::{RevocationStore, SigningKey, SigningKeyStore, StoreError};

fn key(id: &str, created_at: Timestamp) -> SigningKey {
    let private = format!("-----BEGIN PRIVATE KEY-----\n{id}\n-----END PRIVATE KEY-----\n");
    SigningKey { id: id.to_owned(), private: Secret::from(private), created_at, retired_at: None }
}

fn published(keys: &[&str]) -> KeyManagerConfig {
    KeyManagerConfig {
        name: "Resident Key Manager".into(),
        issuer: "https://one.example/oauth2/token".to_owned(),
        jwks: serde_json::json!({ "keys": keys }),
        client_claim: KeyManagerConfig::usual_client_claim(),
        scopes_claim: KeyManagerConfig::usual_scopes_claim(),
    }
}

/// What every [`SigningKeyStore`] promises. That the published configuration reaches gateways is for the
/// implementation's own tests to show.
///
/// # Panics
///
/// At the first promise that is broken.
pub async fn signing_keys(store: &dyn SigningKeyStore) {
    assert_eq!(ids(store, &one()).await, [], "a store begins without keys");
    for (id, created) in [("k1", 10), ("k2", 20), ("k3", 30)] {
        let insert = store.insert_signing_key(&one(), key(id, at(created)), published(&[id])).await;
        insert.expect("a new key");
    }
    store.insert_signing_key(&two(), key("k1", at(5)), published(&["k1"])).await.expect("a new key");

    let keys = store.signing_keys(&one()).await.expect("the keys");
    let seen: Vec<_> = keys.iter().map(|k| (k.id.as_str(), k.created_at, k.retired_at)).collect();
    let expected = [("k1", at(10), Some(at(20))), ("k2", at(20), Some(at(30))), ("k3", at(30), None)];
    assert_eq!(seen, expected, "oldest first; each retired when the next came, and not again later");
    assert_eq!(keys[0].private.expose(), key("k1", at(10)).private.expose());

    let again = store.insert_signing_key(&one(), key("k3", at(40)), published(&[])).await;
    assert!(matches!(again, Err(StoreError::Exists)));
    assert_eq!(ids(store, &one()).await, [("k1", true), ("k2", true), ("k3", false)]);

    store.publish(&one(), published(&["k1", "k2", "k3"])).await.expect("a publication");
    assert_eq!(ids(store, &one()).await, [("k1", true), ("k2", true), ("k3", false)]);

    store.delete_signing_key(&one(), "k1", published(&["k2", "k3"])).await.expect("a deletion");
    assert_eq!(ids(store, &one()).await, [("k2", true), ("k3", false)]);
    assert_eq!(ids(store, &two()).await, [("k1", false)], "tenants were mixed");
    let again = store.delete_signing_key(&one(), "k1", published(&[])).await;
    assert!(matches!(again, Err(StoreError::NotFound)));
}

async fn ids(store: &dyn SigningKeyStore, tenant: &Tenant) -> Vec<(&'static str, bool)> {
    let known = ["k1", "k2", "k3"];
    let keys = store.signing_keys(tenant).await.expect("the keys");
    let name = |id: &str| known.into_iter().find(|k| *k == id).unwrap_or("a stranger");
    keys.iter().map(|key| (name(&key.id), key.retired_at.is_some())).collect()
}

/// What every [`RevocationStore`] promises. That revocations reach gateways is for the implementation's own
/// tests to show.
///
/// # Panics
///
/// At the first promise that is broken.
pub async fn revocations(store: &dyn RevocationStore) {
    let token = |id: &str, expires| Revocation::Token { id: id.into(), expires_at: at(expires) };
    let client = |before| Revocation::Client { client: "shop".into(), before: at(before) };
    let user = |before| Revocation::User { user: "ann".into(), before: at(before) };

    assert!(!store.is_revoked(&"t1".into()).await.expect("a look-up"));
    for revocation in [token("t1", 100), token("t1", 100), token("t2", 200), client(50), user(60)] {
        store.revoke(&one(), revocation).await.expect("a revocation");
    }
    store.revoke(&two(), token("t3", 300)).await.expect("a revocation");
    assert!(store.is_revoked(&"t1".into()).await.expect("a look-up"));
    assert!(store.is_revoked(&"t3".into()).await.expect("a look-up"));
    assert!(!store.is_revoked(&"T1".into()).await.expect("a look-up"));
    same_set(store, &[token("t1", 100), token("t2", 200), client(50), user(60)]).await;

    // A second revocation of all tokens refuses more; an old one that comes late must not refuse less.
    for revocation in [client(55), client(40), user(70)] {
        store.revoke(&one(), revocation).await.expect("a revocation");
    }
    same_set(store, &[token("t1", 100), token("t2", 200), client(55), user(70)]).await;

    for (client, user, moment) in [("shop", "ann", 70), ("shop", "bob", 55), ("else", "bob", 0)] {
        let ended = store.ended_before(&one(), &client.into(), &user.into()).await;
        assert_eq!(ended.expect("a moment"), at(moment), "{client} {user}");
    }
    let elsewhere = store.ended_before(&two(), &"shop".into(), &"ann".into()).await;
    assert_eq!(elsewhere.expect("a moment"), at(0), "tenants were mixed");

    store.forget_expired_revocations(at(100)).await.expect("a clean-up");
    assert!(store.is_revoked(&"t1".into()).await.expect("a look-up"), "it expires then, not before");
    store.forget_expired_revocations(at(101)).await.expect("a clean-up");
    assert!(!store.is_revoked(&"t1".into()).await.expect("a look-up"));
    same_set(store, &[token("t2", 200), client(55), user(70)]).await;

    // Of all tokens, each expires by itself one day.
    store
        .forget_expired_revocations(client(55).moot_at().plus(Duration::from_millis(1)))
        .await
        .expect("a clean-up");
    same_set(store, &[user(70)]).await;
}

async fn same_set(store: &dyn RevocationStore, expected: &[Revocation]) {
    let found = store.revocations(&one()).await.expect("the revocations");
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for revocation in expected {
        assert!(found.contains(revocation), "{revocation:?} is not in {found:?}");
    }
}
