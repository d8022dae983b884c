//! All stores of the key manager, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::event::Change;
use crate::model::{ClientId, KeyManagerConfig, Revocation, Scope, Tenant, TokenId, UserName};
use crate::store::{
    AuthorizationCode, Client, ClientStore, GrantStore, Redeemed, RefreshToken, RevocationStore,
    ScopeBinding, SigningKey, SigningKeyStore, StoreError, User, UserStore,
};

/// Everything a key manager remembers, for tests and for servers that may forget on restart.
///
/// Each call is one lock, so each is a transaction.
///
/// ```
/// use apim_core::testing::Memory;
/// use apim_core::store::{ClientStore, UserStore};
/// use std::sync::Arc;
///
/// let memory = Arc::new(Memory::default());
/// let clients: Arc<dyn ClientStore> = memory.clone();
/// let users: Arc<dyn UserStore> = memory;
/// ```
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    broken: bool,
    clients: BTreeMap<ClientId, Client>,
    users: BTreeMap<(Tenant, UserName), User>,
    bindings: BTreeMap<(Tenant, Scope), ScopeBinding>,
    codes: BTreeMap<String, Kept<AuthorizationCode>>,
    refresh: BTreeMap<String, Kept<RefreshToken>>,
    keys: Vec<(Tenant, SigningKey)>,
    revocations: Vec<(Tenant, Revocation)>,
    changes: Vec<Change>,
}

/// A one-time grant, and whether it has been used or ended.
#[derive(Debug)]
struct Kept<T> {
    grant: T,
    spent: bool,
}

impl<T: Clone> Kept<T> {
    fn new(grant: T) -> Self {
        Self { grant, spent: false }
    }

    fn redeem(kept: Option<&mut Self>) -> Redeemed<T> {
        match kept {
            Some(kept) if kept.spent => Redeemed::Reused(kept.grant.clone()),
            Some(kept) => {
                kept.spent = true;
                Redeemed::Good(kept.grant.clone())
            }
            None => Redeemed::Unknown,
        }
    }
}

impl Memory {
    /// Registers a scope, or replaces which roles may have it.
    pub fn bind_scope(&self, tenant: &Tenant, binding: ScopeBinding) {
        self.state().bindings.insert((tenant.clone(), binding.scope.clone()), binding);
    }

    /// From now on every call fails, or no longer does: to see what happens when the database is away.
    pub fn break_down(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// What a control plane would have published so far, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.broken { Err(StoreError::failed("the memory was told to fail")) } else { Ok(state) }
    }
}

#[async_trait]
impl ClientStore for Memory {
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.working()?.clients.get(id).cloned())
    }

    async fn client_named(
        &self,
        tenant: &Tenant,
        owner: &UserName,
        name: &str,
    ) -> Result<Option<Client>, StoreError> {
        let state = self.working()?;
        let same = |c: &&Client| c.tenant == *tenant && c.owner == *owner && c.name == name;
        Ok(state.clients.values().find(same).cloned())
    }

    async fn insert_client(&self, client: Client) -> Result<(), StoreError> {
        let mut state = self.working()?;
        if state.clients.contains_key(&client.id) || name_taken(&state, &client) {
            return Err(StoreError::Exists);
        }
        state.clients.insert(client.id.clone(), client);
        Ok(())
    }

    async fn update_client(&self, client: Client) -> Result<(), StoreError> {
        let mut state = self.working()?;
        if !state.clients.contains_key(&client.id) {
            return Err(StoreError::NotFound);
        }
        if name_taken(&state, &client) {
            return Err(StoreError::Exists);
        }
        state.clients.insert(client.id.clone(), client);
        Ok(())
    }

    async fn delete_client(&self, tenant: &Tenant, id: &ClientId) -> Result<(), StoreError> {
        let mut state = self.working()?;
        if state.clients.get(id).is_none_or(|client| client.tenant != *tenant) {
            return Err(StoreError::NotFound);
        }
        state.clients.remove(id);
        state.codes.retain(|_, kept| kept.grant.client != *id);
        state.refresh.retain(|_, kept| kept.grant.client != *id);
        Ok(())
    }
}

fn name_taken(state: &State, client: &Client) -> bool {
    state.clients.values().any(|other| {
        other.id != client.id
            && other.tenant == client.tenant
            && other.owner == client.owner
            && other.name == client.name
    })
}

#[async_trait]
impl UserStore for Memory {
    async fn user(&self, tenant: &Tenant, name: &UserName) -> Result<Option<User>, StoreError> {
        Ok(self.working()?.users.get(&(tenant.clone(), name.clone())).cloned())
    }

    async fn insert_user(&self, user: User) -> Result<(), StoreError> {
        let mut state = self.working()?;
        let key = (user.tenant.clone(), user.name.clone());
        if state.users.contains_key(&key) {
            return Err(StoreError::Exists);
        }
        state.users.insert(key, user);
        Ok(())
    }

    async fn update_user(&self, user: User) -> Result<(), StoreError> {
        let mut state = self.working()?;
        let kept =
            state.users.get_mut(&(user.tenant.clone(), user.name.clone())).ok_or(StoreError::NotFound)?;
        *kept = user;
        Ok(())
    }

    async fn delete_user(&self, tenant: &Tenant, name: &UserName) -> Result<(), StoreError> {
        let removed = self.working()?.users.remove(&(tenant.clone(), name.clone()));
        removed.map(drop).ok_or(StoreError::NotFound)
    }

    async fn users(&self, tenant: &Tenant) -> Result<Vec<User>, StoreError> {
        Ok(self.working()?.users.values().filter(|user| user.tenant == *tenant).cloned().collect())
    }

    async fn scope_bindings(
        &self,
        tenant: &Tenant,
        scopes: &[Scope],
    ) -> Result<Vec<ScopeBinding>, StoreError> {
        let state = self.working()?;
        let found = scopes.iter().filter_map(|scope| state.bindings.get(&(tenant.clone(), scope.clone())));
        Ok(found.cloned().collect())
    }
}

#[async_trait]
impl GrantStore for Memory {
    async fn insert_code(&self, code: AuthorizationCode) -> Result<(), StoreError> {
        self.working()?.codes.insert(code.hash.clone(), Kept::new(code));
        Ok(())
    }

    async fn redeem_code(&self, hash: &str) -> Result<Redeemed<AuthorizationCode>, StoreError> {
        Ok(Kept::redeem(self.working()?.codes.get_mut(hash)))
    }

    async fn insert_refresh(&self, token: RefreshToken) -> Result<(), StoreError> {
        self.working()?.refresh.insert(token.hash.clone(), Kept::new(token));
        Ok(())
    }

    async fn refresh(&self, hash: &str) -> Result<Option<RefreshToken>, StoreError> {
        let state = self.working()?;
        Ok(state.refresh.get(hash).filter(|kept| !kept.spent).map(|kept| kept.grant.clone()))
    }

    async fn redeem_refresh(&self, hash: &str) -> Result<Redeemed<RefreshToken>, StoreError> {
        Ok(Kept::redeem(self.working()?.refresh.get_mut(hash)))
    }

    async fn end_family(&self, tenant: &Tenant, family: &str) -> Result<Vec<RefreshToken>, StoreError> {
        let mut state = self.working()?;
        let good = state
            .refresh
            .values_mut()
            .filter(|kept| !kept.spent && kept.grant.tenant == *tenant && kept.grant.family == family);
        Ok(good
            .map(|kept| {
                kept.spent = true;
                kept.grant.clone()
            })
            .collect())
    }

    async fn forget_expired_grants(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut state = self.working()?;
        state.codes.retain(|_, kept| kept.grant.expires_at >= before);
        state.refresh.retain(|_, kept| kept.grant.expires_at >= before);
        Ok(())
    }
}

#[async_trait]
impl SigningKeyStore for Memory {
    async fn signing_keys(&self, tenant: &Tenant) -> Result<Vec<SigningKey>, StoreError> {
        let state = self.working()?;
        Ok(state.keys.iter().filter(|(owner, _)| owner == tenant).map(|(_, key)| key.clone()).collect())
    }

    async fn insert_signing_key(
        &self,
        tenant: &Tenant,
        key: SigningKey,
        published: KeyManagerConfig,
    ) -> Result<(), StoreError> {
        let mut state = self.working()?;
        if state.keys.iter().any(|(owner, other)| owner == tenant && other.id == key.id) {
            return Err(StoreError::Exists);
        }
        for (_, other) in state.keys.iter_mut().filter(|(owner, _)| owner == tenant) {
            other.retired_at.get_or_insert(key.created_at);
        }
        state.keys.push((tenant.clone(), key));
        state.changes.push(Change::KeyManagerSaved(published.into()));
        Ok(())
    }

    async fn publish(&self, _: &Tenant, published: KeyManagerConfig) -> Result<(), StoreError> {
        self.working()?.changes.push(Change::KeyManagerSaved(published.into()));
        Ok(())
    }

    async fn delete_signing_key(
        &self,
        tenant: &Tenant,
        id: &str,
        published: KeyManagerConfig,
    ) -> Result<(), StoreError> {
        let mut state = self.working()?;
        let position = state.keys.iter().position(|(owner, key)| owner == tenant && key.id == id);
        state.keys.remove(position.ok_or(StoreError::NotFound)?);
        state.changes.push(Change::KeyManagerSaved(published.into()));
        Ok(())
    }
}

#[async_trait]
impl RevocationStore for Memory {
    async fn revoke(&self, tenant: &Tenant, revocation: Revocation) -> Result<(), StoreError> {
        let mut state = self.working()?;
        let earlier = state.revocations.iter_mut().find(|(owner, r)| owner == tenant && same(r, &revocation));
        match earlier {
            Some((_, kept)) => *kept = later(kept.clone(), revocation.clone()),
            None => state.revocations.push((tenant.clone(), revocation.clone())),
        }
        state.changes.push(Change::Revoked(revocation));
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, StoreError> {
        let state = self.working()?;
        Ok(state.revocations.iter().any(|(_, r)| matches!(r, Revocation::Token { id: one, .. } if one == id)))
    }

    async fn ended_before(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        user: &UserName,
    ) -> Result<Timestamp, StoreError> {
        let state = self.working()?;
        let moments = state.revocations.iter().filter(|(owner, _)| owner == tenant).map(|(_, r)| match r {
            Revocation::Client { client: one, before } if one == client => *before,
            Revocation::User { user: one, before } if one == user => *before,
            _ => Timestamp::default(),
        });
        Ok(moments.max().unwrap_or_default())
    }

    async fn revocations(&self, tenant: &Tenant) -> Result<Vec<Revocation>, StoreError> {
        let state = self.working()?;
        Ok(state.revocations.iter().filter(|(owner, _)| owner == tenant).map(|(_, r)| r.clone()).collect())
    }

    async fn forget_expired_revocations(&self, before: Timestamp) -> Result<(), StoreError> {
        self.working()?.revocations.retain(|(_, revocation)| revocation.moot_at() >= before);
        Ok(())
    }
}

/// Whether two revocations are about the same thing.
fn same(one: &Revocation, other: &Revocation) -> bool {
    match (one, other) {
        (Revocation::Token { id: a, .. }, Revocation::Token { id: b, .. }) => a == b,
        (Revocation::Client { client: a, .. }, Revocation::Client { client: b, .. }) => a == b,
        (Revocation::User { user: a, .. }, Revocation::User { user: b, .. }) => a == b,
        _ => false,
    }
}

/// Of two revocations of the same thing, the one that refuses more.
fn later(one: Revocation, other: Revocation) -> Revocation {
    let moment = |r: &Revocation| match r {
        Revocation::Token { expires_at, .. } => *expires_at,
        Revocation::Client { before, .. } | Revocation::User { before, .. } => *before,
    };
    if moment(&one) > moment(&other) { one } else { other }
}
