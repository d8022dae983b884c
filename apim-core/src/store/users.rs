//! Users, and which roles a scope asks for.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::clock::Timestamp;
use crate::model::{Role, Scope, Tenant, UserName};

/// A user as they are kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The tenant they belong to.
    pub tenant: Tenant,
    /// Their login name.
    pub name: UserName,
    /// Their password's hash, in PHC form (`$argon2id$…`).
    pub password: String,
    /// Their roles.
    pub roles: Vec<Role>,
    /// Whether they may not log in.
    pub locked: bool,
    /// When they were made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("roles", &self.roles)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}

/// Which roles may have a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeBinding {
    /// The scope.
    pub scope: Scope,
    /// Roles of which a user must have one. Empty: everybody may have it.
    pub roles: Vec<Role>,
}

/// Keeps users, and knows scopes.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// By login name.
    async fn user(&self, tenant: &Tenant, name: &UserName) -> Result<Option<User>, StoreError>;

    /// # Errors
    ///
    /// [`StoreError::Exists`] if the name is taken.
    async fn insert_user(&self, user: User) -> Result<(), StoreError>;

    /// Replaces all but the name. Changing the password, locking, or taking a role away revokes the user's
    /// tokens: that is the caller's doing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    async fn update_user(&self, user: User) -> Result<(), StoreError>;

    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    async fn delete_user(&self, tenant: &Tenant, name: &UserName) -> Result<(), StoreError>;

    /// All users of a tenant, by name.
    async fn users(&self, tenant: &Tenant) -> Result<Vec<User>, StoreError>;

    /// The bindings of those scopes that are registered; of the others nothing.
    async fn scope_bindings(
        &self,
        tenant: &Tenant,
        scopes: &[Scope],
    ) -> Result<Vec<ScopeBinding>, StoreError>;
}
