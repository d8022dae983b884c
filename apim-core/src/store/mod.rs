//! What a key manager must remember, one trait per aggregate.
//!
//! They stand here because the key manager needs storage without knowing whose; the control plane
//! implements them on its database. The control plane's own aggregates need no trait: its SQL serves both
//! databases (see ARCHITECTURE.md).
//!
//! All are cold and object-safe. Every call names the tenant. Dropping a future leaves it unknown whether
//! a write took effect. Every write that gateways must learn of (revocations, signing keys) is one
//! transaction together with its [`Event`](crate::Event); that is the implementation's duty.
//!
//! With the feature `testing`, `testing::Memory` implements them all, and `testing::stores` is the suite that
//! every implementation must pass.

mod clients;
mod grants;
mod keys;
mod users;

pub use clients::{Client, ClientSecret, ClientStore};
pub use grants::{AuthorizationCode, GrantStore, Redeemed, RefreshToken};
pub use keys::{RevocationStore, SigningKey, SigningKeyStore};
pub use users::{ScopeBinding, User, UserStore};

use crate::BoxError;

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something of that name or id exists.
    #[error("it exists already")]
    Exists,
    /// There is no such thing.
    #[error("there is no such thing")]
    NotFound,
    /// The database failed.
    #[error("the database failed")]
    Failed(#[source] BoxError),
}

impl StoreError {
    /// Wraps whatever the database said.
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed(error.into())
    }
}
