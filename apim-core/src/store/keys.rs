//! Signing keys, and what has been revoked.

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;
use crate::model::{Revocation, Tenant, TokenId};
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
#[async_trait]
pub trait RevocationStore: Send + Sync + 'static {
    /// Remembers a revocation. Repeating one does no harm.
    async fn revoke(&self, tenant: &Tenant, revocation: Revocation) -> Result<(), StoreError>;

    /// Whether a token has been revoked by its id.
    async fn is_revoked(&self, id: &TokenId) -> Result<bool, StoreError>;

    /// All revocations in force.
    async fn revocations(&self, tenant: &Tenant) -> Result<Vec<Revocation>, StoreError>;

    /// Forgets revocations of tokens that expired before a moment.
    async fn forget_expired_revocations(&self, before: Timestamp) -> Result<(), StoreError>;
}
