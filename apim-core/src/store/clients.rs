//! OAuth clients.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::clock::Timestamp;
use crate::model::{ClientId, Tenant, UserName};

/// An OAuth client as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The tenant of its owner.
    pub tenant: Tenant,
    /// Unique for its owner.
    pub name: String,
    /// Who registered it.
    pub owner: UserName,
    /// Hashes of its secrets, oldest first; none for a public client.
    pub secrets: Vec<ClientSecret>,
    /// `grant_type` values it may use.
    pub grant_types: Vec<String>,
    /// Exact redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Whether it has no secret and must use PKCE.
    pub public: bool,
    /// How long its access tokens live; none: the server's default.
    pub token_lifetime: Option<Duration>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// What else was said at registration.
    pub additional: BTreeMap<String, String>,
}

/// One secret of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// Identifies it without being it.
    pub id: String,
    /// Its hash; the key manager knows the scheme.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Keeps OAuth clients.
///
/// The smallest that keeps its promises, which a suite looks after:
///
/// ```
/// use apim_core::model::{ClientId, Tenant, UserName};
/// use apim_core::store::{Client, ClientStore, StoreError};
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct Clients(Mutex<Vec<Client>>);
///
/// #[apim_core::async_trait]
/// impl ClientStore for Clients {
///     async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
///         Ok(self.0.lock().unwrap().iter().find(|it| it.id == *id).cloned())
///     }
///     async fn client_named(&self, tenant: &Tenant, owner: &UserName, name: &str) -> Result<Option<Client>, StoreError> {
///         let clients = self.0.lock().unwrap();
///         Ok(clients.iter().find(|it| (&it.tenant, &it.owner, &*it.name) == (tenant, owner, name)).cloned())
///     }
///     async fn insert_client(&self, new: Client) -> Result<(), StoreError> {
///         let mut clients = self.0.lock().unwrap();
///         let same_name = |it: &Client| (&it.tenant, &it.owner, &it.name) == (&new.tenant, &new.owner, &new.name);
///         if clients.iter().any(|it| it.id == new.id || same_name(it)) {
///             return Err(StoreError::Exists);
///         }
///         clients.push(new);
///         Ok(())
///     }
///     async fn update_client(&self, new: Client) -> Result<(), StoreError> {
///         let mut clients = self.0.lock().unwrap();
///         let same_name = |it: &Client| (&it.tenant, &it.owner, &it.name) == (&new.tenant, &new.owner, &new.name);
///         if clients.iter().any(|it| it.id != new.id && same_name(it)) {
///             return Err(StoreError::Exists);
///         }
///         let found = clients.iter_mut().find(|it| it.id == new.id && it.tenant == new.tenant);
///         *found.ok_or(StoreError::NotFound)? = new;
///         Ok(())
///     }
///     async fn delete_client(&self, tenant: &Tenant, id: &ClientId) -> Result<(), StoreError> {
///         let mut clients = self.0.lock().unwrap();
///         let found = clients.iter().position(|it| it.id == *id && it.tenant == *tenant);
///         clients.remove(found.ok_or(StoreError::NotFound)?);
///         Ok(())
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// apim_core::testing::stores::clients(&Clients::default()).await;
/// # });
/// ```
#[async_trait]
pub trait ClientStore: Send + Sync + 'static {
    /// By id. Ids are unique over all tenants, since a token request says nothing of its tenant.
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// By name, which is unique for an owner.
    async fn client_named(
        &self,
        tenant: &Tenant,
        owner: &UserName,
        name: &str,
    ) -> Result<Option<Client>, StoreError>;

    /// # Errors
    ///
    /// [`StoreError::Exists`] if the id, or the owner's name for it, is taken.
    async fn insert_client(&self, client: Client) -> Result<(), StoreError>;

    /// Replaces all but the id.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    async fn update_client(&self, client: Client) -> Result<(), StoreError>;

    /// Deletes it, with its codes and refresh tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    async fn delete_client(&self, tenant: &Tenant, id: &ClientId) -> Result<(), StoreError>;
}
