//! What has been revoked, remembered.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use apim_core::key_manager::Claims;
use apim_core::model::{ClientId, Revocation, Tenant, TokenId, UserName};
use apim_core::store::{RevocationStore, StoreError};
use apim_core::{Clock, Timestamp};
use tokio::sync::Mutex;

/// Revocations that others made are read this often, unless that takes long; those that an event tells of
/// are known at once.
const FRESH: Duration = Duration::from_secs(1);
/// Reading may take the fiftieth part of the time, so with very many revocations it happens less often.
const SHARE: u32 = 50;

/// Revocations in force: loaded at the start, kept by own writes and by what others tell, looked up in the
/// store for single tokens that it does not know.
pub(crate) struct Revoked {
    tenant: Tenant,
    store: Arc<dyn RevocationStore>,
    clock: Arc<dyn Clock>,
    memory: RwLock<Memory>,
    /// One reading at a time.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Memory {
    /// By `jti`, with the moment from which on nobody asks any more.
    tokens: HashMap<TokenId, Timestamp>,
    clients: HashMap<ClientId, Timestamp>,
    users: HashMap<UserName, Timestamp>,
    read_at: Timestamp,
    /// How long what was read then counts as fresh.
    fresh_for: Duration,
}

impl Memory {
    fn learn(&mut self, revocation: &Revocation) {
        let raise = |known: &mut Timestamp, new: Timestamp| *known = (*known).max(new);
        match revocation {
            Revocation::Token { id, expires_at } => {
                self.tokens.insert(id.clone(), *expires_at);
            }
            Revocation::Client { client, before } => {
                raise(self.clients.entry(client.clone()).or_default(), *before);
            }
            Revocation::User { user, before } => raise(self.users.entry(user.clone()).or_default(), *before),
        }
    }

    fn of_client(&self, client: &ClientId) -> Timestamp {
        self.clients.get(client).copied().unwrap_or_default()
    }

    fn of_user(&self, user: &UserName) -> Timestamp {
        self.users.get(user).copied().unwrap_or_default()
    }
}

impl Revoked {
    /// Loads what is in force.
    pub(crate) async fn open(
        tenant: Tenant,
        store: Arc<dyn RevocationStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let revoked = Self { tenant, store, clock, memory: RwLock::default(), turn: Mutex::default() };
        revoked.read().await?;
        Ok(revoked)
    }

    /// Revokes, here and for everybody. It is in force here before the store has answered.
    pub(crate) async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.learn(&revocation);
        self.store.revoke(&self.tenant, revocation).await
    }

    /// Remembers what another process revoked.
    pub(crate) fn learn(&self, revocation: &Revocation) {
        self.memory.write().unwrap_or_else(PoisonError::into_inner).learn(revocation);
    }

    /// The same as [`latest`](Self::latest), and as the store knows it this moment: what ends a grant may
    /// have been done by another process, or by the control plane in the same one.
    pub(crate) async fn current(&self, client: &ClientId, user: &UserName) -> Result<Timestamp, StoreError> {
        let known = self.store.ended_before(&self.tenant, client, user).await?;
        Ok(known.max(self.latest(client, user)))
    }

    /// Everything of this client and user that was issued before this moment is revoked, as far as is
    /// remembered here.
    fn latest(&self, client: &ClientId, user: &UserName) -> Timestamp {
        let memory = self.memory();
        memory.of_client(client).max(memory.of_user(user))
    }

    /// Everything of this client that was issued before this moment is revoked.
    pub(crate) fn of_client(&self, client: &ClientId) -> Timestamp {
        self.memory().of_client(client)
    }

    /// Everything of this user that was issued before this moment is revoked.
    pub(crate) fn of_user(&self, user: &UserName) -> Timestamp {
        self.memory().of_user(user)
    }

    /// Whether a token is revoked, by itself or with others.
    pub(crate) async fn contains(&self, claims: &Claims) -> Result<bool, StoreError> {
        self.refresh().await?;
        let issued = claims.issued_at.unwrap_or_default();
        if issued < self.latest(&claims.client, &claims.subject) {
            return Ok(true);
        }
        let Some(id) = &claims.id else {
            return Ok(false);
        };
        Ok(self.knows(id) || self.store.is_revoked(id).await?)
    }

    /// Forgets what has become moot.
    pub(crate) async fn tidy(&self, before: Timestamp) -> Result<(), StoreError> {
        self.store.forget_expired_revocations(before).await?;
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.tokens.retain(|_, expires_at| *expires_at >= before);
        let in_force = |moment: &Timestamp| moment.plus(Revocation::LONGEST_GRANT) >= before;
        memory.clients.retain(|_, moment| in_force(moment));
        memory.users.retain(|_, moment| in_force(moment));
        Ok(())
    }

    fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, id: &TokenId) -> bool {
        self.memory().tokens.contains_key(id)
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        if !self.is_stale() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.is_stale() { self.read().await } else { Ok(()) }
    }

    fn is_stale(&self) -> bool {
        let memory = self.memory();
        let now = self.clock.now();
        now < memory.read_at || now.since(memory.read_at) >= memory.fresh_for
    }

    /// Adds what the store knows; takes nothing away, since an own write may be on its way there.
    async fn read(&self) -> Result<(), StoreError> {
        let (now, begun) = (self.clock.now(), Instant::now());
        let all = self.store.revocations(&self.tenant).await?;
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(|revocation| memory.learn(revocation));
        memory.read_at = now;
        memory.fresh_for = FRESH.max(begun.elapsed() * SHARE);
        Ok(())
    }
}
