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
///
/// The smallest that keeps its promises:
///
/// ```
/// use apim_core::model::{Scope, Tenant, UserName};
/// use apim_core::store::{ScopeBinding, StoreError, User, UserStore};
/// use std::sync::Mutex;
///
/// /// Users, and what scopes ask for.
/// #[derive(Default)]
/// struct Users(Mutex<Vec<User>>, Vec<ScopeBinding>);
///
/// #[apim_core::async_trait]
/// impl UserStore for Users {
///     async fn user(&self, tenant: &Tenant, name: &UserName) -> Result<Option<User>, StoreError> {
///         Ok(self.0.lock().unwrap().iter().find(|it| it.tenant == *tenant && it.name == *name).cloned())
///     }
///     async fn insert_user(&self, new: User) -> Result<(), StoreError> {
///         let mut users = self.0.lock().unwrap();
///         if users.iter().any(|it| it.tenant == new.tenant && it.name == new.name) {
///             return Err(StoreError::Exists);
///         }
///         users.push(new);
///         Ok(())
///     }
///     async fn update_user(&self, new: User) -> Result<(), StoreError> {
///         let mut users = self.0.lock().unwrap();
///         let found = users.iter_mut().find(|it| it.tenant == new.tenant && it.name == new.name);
///         *found.ok_or(StoreError::NotFound)? = new;
///         Ok(())
///     }
///     async fn delete_user(&self, tenant: &Tenant, name: &UserName) -> Result<(), StoreError> {
///         let mut users = self.0.lock().unwrap();
///         let found = users.iter().position(|it| it.tenant == *tenant && it.name == *name);
///         users.remove(found.ok_or(StoreError::NotFound)?);
///         Ok(())
///     }
///     async fn users(&self, tenant: &Tenant) -> Result<Vec<User>, StoreError> {
///         let users = self.0.lock().unwrap();
///         let mut users = users.iter().filter(|it| it.tenant == *tenant).cloned().collect::<Vec<_>>();
///         users.sort_by(|a, b| a.name.cmp(&b.name));
///         Ok(users)
///     }
///     async fn scope_bindings(&self, _: &Tenant, scopes: &[Scope]) -> Result<Vec<ScopeBinding>, StoreError> {
///         Ok(self.1.iter().filter(|it| scopes.contains(&it.scope)).cloned().collect())
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// apim_core::testing::stores::users(&Users::default()).await;
/// # });
/// ```
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
