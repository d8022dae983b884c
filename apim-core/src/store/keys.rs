//! Signing keys, and what has been revoked.

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;
use crate::model::{ClientId, Revocation, Tenant, TokenId, UserName};
use crate::secret::Secret;

/// A key pair that signs tokens.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its `kid`.
    pub id: String,
    /// The private key: PKCS #8, PEM. Stores seal it.
    pub private: Secret,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs nothing new; none: it signs. Its public half stays published until the last
    /// token it signed has expired.
    pub retired_at: Option<Timestamp>,
}

/// Keeps signing keys.
///
/// The smallest one keeps them in memory and has nobody to tell of them:
///
/// ```
/// use apim_core::model::{KeyManagerConfig, Tenant};
/// use apim_core::store::{SigningKey, SigningKeyStore, StoreError};
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct Keys(Mutex<Vec<(Tenant, SigningKey)>>);
///
/// #[apim_core::async_trait]
/// impl SigningKeyStore for Keys {
///     async fn signing_keys(&self, tenant: &Tenant) -> Result<Vec<SigningKey>, StoreError> {
///         let keys = self.0.lock().unwrap();
///         Ok(keys.iter().filter(|(of, _)| of == tenant).map(|(_, key)| key.clone()).collect())
///     }
///     async fn insert_signing_key(
///         &self,
///         tenant: &Tenant,
///         key: SigningKey,
///         _published: KeyManagerConfig,
///     ) -> Result<(), StoreError> {
///         let mut keys = self.0.lock().unwrap();
///         for (_, old) in keys.iter_mut().filter(|(of, _)| of == tenant) {
///             old.retired_at.get_or_insert(key.created_at);
///         }
///         keys.push((tenant.clone(), key));
///         Ok(())
///     }
///     async fn publish(&self, _: &Tenant, _published: KeyManagerConfig) -> Result<(), StoreError> {
///         Ok(())
///     }
///     async fn delete_signing_key(
///         &self,
///         tenant: &Tenant,
///         id: &str,
///         _published: KeyManagerConfig,
///     ) -> Result<(), StoreError> {
///         self.0.lock().unwrap().retain(|(of, key)| of != tenant || key.id != id);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait SigningKeyStore: Send + Sync + 'static {
    /// All keys of a tenant, oldest first, retired ones too.
    async fn signing_keys(&self, tenant: &Tenant) -> Result<Vec<SigningKey>, StoreError>;

    /// Keeps a new key, and retires all others at its `created_at`. `published` is the key manager's
    /// configuration for gateways with the new set of public keys; it goes out as an event in the same
    /// transaction.
    async fn insert_signing_key(
        &self,
        tenant: &Tenant,
        key: SigningKey,
        published: crate::model::KeyManagerConfig,
    ) -> Result<(), StoreError>;

    /// Sends the key manager's configuration out anew although no key changed: it may have been given
    /// another issuer since. Called at each start.
    async fn publish(
        &self,
        tenant: &Tenant,
        published: crate::model::KeyManagerConfig,
    ) -> Result<(), StoreError>;

    /// Deletes a key; `published` as above.
    async fn delete_signing_key(
        &self,
        tenant: &Tenant,
        id: &str,
        published: crate::model::KeyManagerConfig,
    ) -> Result<(), StoreError>;
}

/// Keeps revocations until they are moot. Each one goes out to gateways as an event.
///
/// The smallest one keeps them in memory, where no gateway learns of them:
///
/// ```
/// use apim_core::Timestamp;
/// use apim_core::model::{ClientId, Revocation, Tenant, TokenId, UserName};
/// use apim_core::store::{RevocationStore, StoreError};
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct Revoked(Mutex<Vec<(Tenant, Revocation)>>);
///
/// #[apim_core::async_trait]
/// impl RevocationStore for Revoked {
///     async fn revoke(&self, tenant: &Tenant, revocation: Revocation) -> Result<(), StoreError> {
///         self.0.lock().unwrap().push((tenant.clone(), revocation));
///         Ok(())
///     }
///     async fn is_revoked(&self, wanted: &TokenId) -> Result<bool, StoreError> {
///         let is_it = |it: &Revocation| matches!(it, Revocation::Token { id, .. } if id == wanted);
///         Ok(self.0.lock().unwrap().iter().any(|(_, it)| is_it(it)))
///     }
///     async fn ended_before(
///         &self,
///         tenant: &Tenant,
///         client: &ClientId,
///         user: &UserName,
///     ) -> Result<Timestamp, StoreError> {
///         let of_these = self.revocations(tenant).await?.into_iter().filter_map(|it| match it {
///             Revocation::Client { client: one, before } if one == *client => Some(before),
///             Revocation::User { user: one, before } if one == *user => Some(before),
///             _ => None,
///         });
///         Ok(of_these.max().unwrap_or_default())
///     }
///     async fn revocations(&self, tenant: &Tenant) -> Result<Vec<Revocation>, StoreError> {
///         let revoked = self.0.lock().unwrap();
///         Ok(revoked.iter().filter(|(of, _)| of == tenant).map(|(_, it)| it.clone()).collect())
///     }
///     async fn forget_expired_revocations(&self, before: Timestamp) -> Result<(), StoreError> {
///         self.0.lock().unwrap().retain(|(_, it)| it.moot_at() >= before);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait RevocationStore: Send + Sync + 'static {
    /// Remembers a revocation. Repeating one does no harm.
    async fn revoke(&self, tenant: &Tenant, revocation: Revocation) -> Result<(), StoreError>;

    /// Whether a token has been revoked by its id.
    async fn is_revoked(&self, id: &TokenId) -> Result<bool, StoreError>;

    /// The moment before which all tokens of a client or of a user were ended; the later of the two.
    async fn ended_before(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        user: &UserName,
    ) -> Result<Timestamp, StoreError>;

    /// All revocations in force.
    async fn revocations(&self, tenant: &Tenant) -> Result<Vec<Revocation>, StoreError>;

    /// Forgets revocations that were moot before a moment, see [`Revocation::moot_at`].
    async fn forget_expired_revocations(&self, before: Timestamp) -> Result<(), StoreError>;
}
