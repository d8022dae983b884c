//! What two who come at the same moment may not achieve: the stores here stop where it hurts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apim_core::event::Change;
use apim_core::model::{KeyManagerConfig, Scope, Tenant, UserName};
use apim_core::store::{
    AuthorizationCode, GrantStore, Redeemed, RefreshToken, ScopeBinding, SigningKey, SigningKeyStore,
    StoreError, User, UserStore,
};
use apim_core::testing::{ManualClock, Memory};
use apim_core::{Body, Timestamp};
use apim_keymgr::{Server, Stores};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::world::{App, ISSUER, START, World, basic, config, post, row, send, verify};

/// Lets nobody put a refresh token in while the gate is closed.
struct Gated {
    memory: Arc<Memory>,
    gate: Semaphore,
    arrived: Semaphore,
}

#[async_trait]
impl GrantStore for Gated {
    async fn insert_code(&self, code: AuthorizationCode) -> Result<(), StoreError> {
        self.memory.insert_code(code).await
    }
    async fn redeem_code(&self, hash: &str) -> Result<Redeemed<AuthorizationCode>, StoreError> {
        self.memory.redeem_code(hash).await
    }
    async fn insert_refresh(&self, token: RefreshToken) -> Result<(), StoreError> {
        self.arrived.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        self.memory.insert_refresh(token).await
    }
    async fn refresh(&self, hash: &str) -> Result<Option<RefreshToken>, StoreError> {
        self.memory.refresh(hash).await
    }
    async fn redeem_refresh(&self, hash: &str) -> Result<Redeemed<RefreshToken>, StoreError> {
        self.memory.redeem_refresh(hash).await
    }
    async fn end_family(&self, tenant: &Tenant, family: &str) -> Result<Vec<RefreshToken>, StoreError> {
        self.memory.end_family(tenant, family).await
    }
    async fn forget_expired_grants(&self, before: Timestamp) -> Result<(), StoreError> {
        self.memory.forget_expired_grants(before).await
    }
}

async fn refresh(server: Server, app: App, token: String) -> crate::world::Answer {
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    send(&server, post("/oauth2/token", Some(&app.basic()), &body)).await
}

#[tokio::test]
async fn a_replay_while_the_new_pair_is_being_made_ends_the_new_pair_too() {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password", "refresh_token"]).await;
    let token = world.log_in(&app, "ann", "secret").await.refresh_token();

    let gated =
        Arc::new(Gated { memory: world.memory.clone(), gate: Semaphore::new(0), arrived: Semaphore::new(0) });
    let stores = Stores { grants: gated.clone(), ..Stores::all(world.memory.clone()) };
    let server = Server::builder(stores).issuer(ISSUER).clock(world.clock.clone()).config(config());
    let server = server.build().await.unwrap();

    let first = tokio::spawn(refresh(server.clone(), app.clone(), token.clone()));
    gated.arrived.acquire().await.unwrap().forget();
    let second = refresh(server, app, token).await;
    assert_eq!(second.error(), row(400, "invalid_grant"));
    gated.gate.add_permits(1);
    assert_eq!(first.await.unwrap().error(), row(400, "invalid_grant"));
}

/// Before the first key goes in, another process's does.
struct Overtaken {
    memory: Arc<Memory>,
    theirs: SigningKey,
    done: AtomicBool,
}

fn published(jwks: serde_json::Value) -> KeyManagerConfig {
    KeyManagerConfig {
        name: "Resident Key Manager".into(),
        issuer: ISSUER.to_owned(),
        jwks,
        client_claim: KeyManagerConfig::usual_client_claim(),
        scopes_claim: KeyManagerConfig::usual_scopes_claim(),
    }
}

#[async_trait]
impl SigningKeyStore for Overtaken {
    async fn signing_keys(&self, tenant: &Tenant) -> Result<Vec<SigningKey>, StoreError> {
        self.memory.signing_keys(tenant).await
    }
    async fn insert_signing_key(
        &self,
        tenant: &Tenant,
        key: SigningKey,
        config: KeyManagerConfig,
    ) -> Result<(), StoreError> {
        if !self.done.swap(true, Ordering::SeqCst) {
            let theirs = published(serde_json::json!({ "keys": [{ "kid": self.theirs.id }] }));
            self.memory.insert_signing_key(tenant, self.theirs.clone(), theirs).await?;
        }
        self.memory.insert_signing_key(tenant, key, config).await
    }
    async fn publish(&self, tenant: &Tenant, config: KeyManagerConfig) -> Result<(), StoreError> {
        self.memory.publish(tenant, config).await
    }
    async fn delete_signing_key(
        &self,
        tenant: &Tenant,
        id: &str,
        config: KeyManagerConfig,
    ) -> Result<(), StoreError> {
        self.memory.delete_signing_key(tenant, id, config).await
    }
}

#[tokio::test]
async fn of_two_first_keys_the_earlier_one_stays_and_is_published() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
    let other = World::new().await;
    let theirs = other.memory.signing_keys(&Tenant::default()).await.unwrap().remove(0);
    let memory = Arc::new(Memory::default());
    let overtaken =
        Arc::new(Overtaken { memory: memory.clone(), theirs: theirs.clone(), done: AtomicBool::new(false) });
    let stores = Stores { signing_keys: overtaken, ..Stores::all(memory.clone()) };
    let server = Server::builder(stores).issuer(ISSUER).clock(clock).config(config()).build().await.unwrap();

    let kept = memory.signing_keys(&Tenant::default()).await.unwrap();
    assert_eq!(kept.iter().map(|key| &key.id).collect::<Vec<_>>(), [&theirs.id]);
    match memory.changes().pop() {
        Some(Change::KeyManagerSaved(config)) => {
            assert_eq!(config.jwks["keys"].as_array().unwrap().len(), 1);
            assert_eq!(config.jwks["keys"][0]["kid"], theirs.id);
            assert!(config.jwks["keys"][0]["n"].is_string(), "a whole key");
        }
        change => panic!("{change:?}"),
    }
    // Their tokens are ours, since the issuer is the same: both are one server.
    other.user("ann", "secret", &[]).await;
    let app = other.app("shop", &["password"]).await;
    let token = other.log_in(&app, "ann", "secret").await.access_token();
    assert_eq!(verify(&server, &token).await, Ok(()));
}

#[tokio::test]
async fn a_registration_and_a_rotation_at_once_lose_neither() {
    let world = World::new().await;
    world.user("olga", "secret", &["Internal/subscriber"]).await;
    let app = world.app("shop", &["client_credentials"]).await;
    let adding = (0..5).map(|_| {
        // The same name again: the same client, with one more secret.
        let request = http::Request::post("/client-registration/v0.17/register")
            .header("content-type", "application/json")
            .header("authorization", basic("olga", "secret"))
            .body(Body::from(r#"{"clientName":"shop"}"#))
            .unwrap();
        let server = world.server.clone();
        tokio::spawn(async move { send(&server, request).await.ok().text("clientSecret") })
    });
    let adding: Vec<_> = adding.collect();
    world.server.rotate().await.unwrap();
    for secret in adding {
        let app = App { id: app.id.clone(), secret: secret.await.unwrap() };
        world.token(&app, "grant_type=client_credentials").await.ok();
    }
    let keys = http::Request::get("/oauth2/jwks").body(Body::empty()).unwrap();
    assert_eq!(world.send(keys).await.ok().json()["keys"].as_array().unwrap().len(), 2);
}

/// Locks each user out between their password's being read and its being found right.
struct LockedMeanwhile(Arc<Memory>);

#[async_trait]
impl UserStore for LockedMeanwhile {
    async fn user(&self, tenant: &Tenant, name: &UserName) -> Result<Option<User>, StoreError> {
        let found = self.0.user(tenant, name).await?;
        if let Some(user) = found.clone() {
            self.0.update_user(User { locked: true, ..user }).await?;
        }
        Ok(found)
    }
    async fn insert_user(&self, user: User) -> Result<(), StoreError> {
        self.0.insert_user(user).await
    }
    async fn update_user(&self, user: User) -> Result<(), StoreError> {
        self.0.update_user(user).await
    }
    async fn delete_user(&self, tenant: &Tenant, name: &UserName) -> Result<(), StoreError> {
        self.0.delete_user(tenant, name).await
    }
    async fn users(&self, tenant: &Tenant) -> Result<Vec<User>, StoreError> {
        self.0.users(tenant).await
    }
    async fn scope_bindings(
        &self,
        tenant: &Tenant,
        scopes: &[Scope],
    ) -> Result<Vec<ScopeBinding>, StoreError> {
        self.0.scope_bindings(tenant, scopes).await
    }
}

#[tokio::test]
async fn a_login_that_is_under_way_while_the_user_is_locked_out_comes_to_nothing() {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password"]).await;
    let stores = Stores {
        users: Arc::new(LockedMeanwhile(world.memory.clone())),
        ..Stores::all(world.memory.clone())
    };
    let server = Server::builder(stores).issuer(ISSUER).clock(world.clock.clone()).config(config());
    let server = server.build().await.unwrap();
    let body = "grant_type=password&username=ann&password=secret";
    let answer = send(&server, post("/oauth2/token", Some(&app.basic()), body)).await;
    assert_eq!(answer.error(), row(400, "invalid_grant"));
}
