//! All keys of a server: which one signs, which ones still verify, and how several processes agree on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apim_core::model::{KeyManagerConfig, KeyManagerName, Tenant};
use apim_core::store::{SigningKey, SigningKeyStore, StoreError};
use apim_core::{BoxError, Clock, Timestamp};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Key, KeyError};

/// The store is read again when the last reading is older, since another process may have rotated.
const FRESH: Duration = Duration::from_secs(30);
/// An unknown `kid` causes a reading at most this often: random ones must not become a storm.
const RUSHED: Duration = Duration::from_secs(1);

/// Keys as the store has them, parsed, oldest first.
pub(crate) struct KeyRing {
    tenant: Tenant,
    name: KeyManagerName,
    issuer: String,
    /// How long a key is published before it signs, and after it has signed for the last time.
    lead: Duration,
    tail: Duration,
    store: Arc<dyn SigningKeyStore>,
    clock: Arc<dyn Clock>,
    keys: ArcSwap<Vec<Arc<Key>>>,
    read_at: AtomicU64,
    /// One reading or rotation at a time.
    turn: Mutex<()>,
}

/// What a [`KeyRing`] is made of.
pub(crate) struct Settings {
    pub(crate) tenant: Tenant,
    pub(crate) name: KeyManagerName,
    pub(crate) issuer: String,
    pub(crate) lead: Duration,
    pub(crate) longest_token: Duration,
}

/// Why a key is added.
enum Adding {
    /// Because there is none; not needed if another process has made one meanwhile.
    First,
    /// Because somebody wants another.
    Next,
    /// Because the newest is older than this; not needed if somebody else has made one meanwhile.
    Due(Duration),
}

/// Why keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("a task of the runtime failed")]
    Task(#[source] BoxError),
}

impl KeyRing {
    /// Reads the keys; the first process ever makes one.
    pub(crate) async fn open(
        settings: Settings,
        store: Arc<dyn SigningKeyStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RingError> {
        let ring = Self {
            tenant: settings.tenant,
            name: settings.name,
            issuer: settings.issuer,
            lead: settings.lead,
            // Until others have read the new key they go on signing with the old one.
            tail: settings.longest_token + FRESH + FRESH,
            store,
            clock,
            keys: ArcSwap::default(),
            read_at: AtomicU64::new(0),
            turn: Mutex::new(()),
        };
        ring.read().await?;
        if ring.keys.load().is_empty() {
            ring.add(ring.clock.now(), Adding::First).await?;
        } else {
            // The issuer may be another than at the last start; gateways would refuse every token.
            let jwks = jwks(ring.keys.load().iter().map(|key| &key.jwk));
            ring.store.publish(&ring.tenant, ring.published(jwks)).await?;
        }
        Ok(ring)
    }

    /// The key that signs now: the newest that has been published for long enough.
    pub(crate) async fn signing(&self) -> Result<Arc<Key>, RingError> {
        self.refresh(FRESH).await?;
        let (keys, now) = (self.keys.load(), self.clock.now());
        let ready = keys.iter().rev().find(|key| key.created_at <= now).or(keys.first());
        ready.cloned().ok_or(KeyError("found").into())
    }

    /// A key by its `kid`, retired ones too. Unknown ones may be another process's newest.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Arc<Key>>, RingError> {
        if let Some(key) = self.known(id) {
            return Ok(Some(key));
        }
        self.refresh(RUSHED).await?;
        Ok(self.known(id))
    }

    /// The public halves (RFC 7517 section 5).
    pub(crate) async fn jwks(&self) -> Result<Value, RingError> {
        self.refresh(FRESH).await?;
        Ok(jwks(self.keys.load().iter().map(|key| &key.jwk)))
    }

    /// Makes a new key, which signs as soon as gateways have had the time to learn of it.
    pub(crate) async fn rotate(&self) -> Result<(), RingError> {
        self.add(self.clock.now().plus(self.lead), Adding::Next).await
    }

    /// Makes a new key if the newest is older than this.
    pub(crate) async fn rotate_after(&self, age: Duration) -> Result<(), RingError> {
        self.refresh(FRESH).await?;
        match self.is_due(age) {
            true => self.add(self.clock.now().plus(self.lead), Adding::Due(age)).await,
            false => Ok(()),
        }
    }

    fn is_due(&self, age: Duration) -> bool {
        let (now, keys) = (self.clock.now(), self.keys.load());
        keys.last().is_some_and(|newest| now.since(newest.created_at) >= age)
    }

    /// Deletes keys whose last token has expired.
    pub(crate) async fn tidy(&self) -> Result<(), RingError> {
        let _turn = self.turn.lock().await;
        self.read().await?;
        let now = self.clock.now();
        let over = |key: &Key| key.retired_at.is_some_and(|retired| retired.plus(self.tail) < now);
        loop {
            let keys = self.keys.load_full();
            // The newest is never over, whatever the store says of it: something must sign.
            let Some(old) = keys.split_last().and_then(|(_, older)| older.iter().find(|key| over(key)))
            else {
                return Ok(());
            };
            let rest = keys.iter().filter(|key| key.id != old.id).map(|key| &key.jwk);
            let published = self.published(jwks(rest));
            match self.store.delete_signing_key(&self.tenant, &old.id, published).await {
                // Another process was faster.
                Ok(()) | Err(StoreError::NotFound) => self.read().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn add(&self, created_at: Timestamp, adding: Adding) -> Result<(), RingError> {
        let made = tokio::task::spawn_blocking(move || Key::generate(created_at)).await;
        let made = made.map_err(|error| RingError::Task(error.into()))??;
        let _turn = self.turn.lock().await;
        self.read().await?;
        let id = made.id.clone();
        let before = self.keys.load_full();
        let needed = match adding {
            Adding::First => before.is_empty(),
            Adding::Next => true,
            Adding::Due(age) => self.is_due(age),
        };
        if !needed {
            return Ok(());
        }
        let jwk = Key::read(&made)?.jwk;
        let all = self.published(jwks(before.iter().map(|key| &key.jwk).chain([&jwk])));
        self.store.insert_signing_key(&self.tenant, made, all).await?;
        self.read().await?;
        self.yield_to_an_earlier(&id, &before).await
    }

    /// Two processes may add a key at once, neither publishing the other's. The later one takes its own
    /// back, and publishes what remains while doing so.
    async fn yield_to_an_earlier(&self, id: &str, before: &[Arc<Key>]) -> Result<(), RingError> {
        let keys = self.keys.load_full();
        let new = |key: &&Arc<Key>| !before.iter().any(|known| known.id == key.id);
        if keys.iter().find(new).is_none_or(|first| first.id == id) {
            return Ok(());
        }
        let rest = jwks(keys.iter().filter(|key| key.id != id).map(|key| &key.jwk));
        self.store.delete_signing_key(&self.tenant, id, self.published(rest)).await?;
        self.read().await
    }

    fn known(&self, id: &str) -> Option<Arc<Key>> {
        self.keys.load().iter().find(|key| key.id == id).cloned()
    }

    async fn refresh(&self, after: Duration) -> Result<(), RingError> {
        if !self.is_stale(after) {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.is_stale(after) { self.read().await } else { Ok(()) }
    }

    fn is_stale(&self, after: Duration) -> bool {
        let (now, read) = (self.clock.now(), Timestamp::from_millis(self.read_at.load(Ordering::Acquire)));
        now < read || now.since(read) >= after
    }

    /// Parses only what is new: the others are as they were, but for having been retired.
    async fn read(&self) -> Result<(), RingError> {
        let kept = self.store.signing_keys(&self.tenant).await?;
        let same = |key: &SigningKey| self.known(&key.id).filter(|known| known.retired_at == key.retired_at);
        let keys: Result<Vec<_>, KeyError> =
            kept.iter().map(|key| same(key).map_or_else(|| Key::read(key).map(Arc::new), Ok)).collect();
        self.keys.store(Arc::new(keys?));
        self.read_at.store(self.clock.now().as_millis(), Ordering::Release);
        Ok(())
    }

    fn published(&self, jwks: Value) -> KeyManagerConfig {
        KeyManagerConfig {
            name: self.name.clone(),
            issuer: self.issuer.clone(),
            jwks,
            client_claim: KeyManagerConfig::usual_client_claim(),
            scopes_claim: KeyManagerConfig::usual_scopes_claim(),
        }
    }
}

fn jwks<'a>(keys: impl Iterator<Item = &'a Value>) -> Value {
    json!({ "keys": keys.collect::<Vec<_>>() })
}
