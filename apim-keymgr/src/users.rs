//! Making and changing users, with what follows for their tokens.

use std::fmt;
use std::sync::Arc;

use apim_core::model::{Role, UserName};
use apim_core::store::{StoreError, User};
use apim_core::{BoxError, Secret};

use crate::password::Unchecked;
use crate::server::Core;

const LONGEST_NAME: usize = 255;
const LONGEST_PASSWORD: usize = 1024;

/// Changes users of a server's tenant. Made by [`Server::users`](crate::Server::users).
///
/// Whatever makes a user less than they were ends all their tokens. Names may carry the server's own tenant
/// behind an `@`, as at a login; it is taken off.
#[derive(Clone)]
pub struct Users(Arc<Core>);

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Users").field(&self.0.config.tenant).finish()
    }
}

/// Why a user was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The name is taken.
    #[error("a user of that name exists")]
    Exists,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// The text says why, and may be shown.
    #[error("{0}")]
    Invalid(&'static str),
    /// The old password is not the user's, or too many were tried.
    #[error("the password is wrong")]
    WrongPassword,
    /// Not the caller's doing.
    #[error("the user store failed")]
    Failed(#[source] BoxError),
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists => Self::Exists,
            StoreError::NotFound => Self::NotFound,
            other => Self::Failed(other.into()),
        }
    }
}

impl From<Unchecked> for UserError {
    fn from(error: Unchecked) -> Self {
        Self::Failed(error.into())
    }
}

impl Users {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(core)
    }

    /// Makes the first administrator, with the roles given besides the administrator's own. With any user
    /// there already it does nothing, and answers that.
    ///
    /// # Errors
    ///
    /// The name or password will not do, or the store fails.
    pub async fn ensure_administrator(
        &self,
        name: &UserName,
        password: &Secret,
        roles: &[Role],
    ) -> Result<bool, UserError> {
        let core = &self.0;
        if !core.stores.users.users(&core.config.tenant).await?.is_empty() {
            return Ok(false);
        }
        let mut all = vec![core.config.admin_role.clone()];
        all.extend(roles.iter().filter(|role| **role != core.config.admin_role).cloned());
        match self.create(name, password, all).await {
            // Another process was faster.
            Err(UserError::Exists) => Ok(false),
            created => created.map(|()| true),
        }
    }

    /// Makes a user.
    ///
    /// # Errors
    ///
    /// [`UserError::Exists`], [`UserError::Invalid`], or the store fails.
    pub async fn create(
        &self,
        name: &UserName,
        password: &Secret,
        roles: Vec<Role>,
    ) -> Result<(), UserError> {
        let name = self.0.user_name(name);
        // A colon would end the name in Basic authentication (RFC 7617 section 2).
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains([':']) {
            return Err(UserError::Invalid("a user name must not be empty, long, or hold a colon"));
        }
        if name.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(UserError::Invalid("a user name must not hold spaces or control characters"));
        }
        let core = &self.0;
        let user = User {
            tenant: core.config.tenant.clone(),
            name,
            password: self.hash(password).await?,
            roles,
            locked: false,
            created_at: core.clock.now(),
        };
        Ok(core.stores.users.insert_user(user).await?)
    }

    /// Sets a password, as an administrator does. The user's tokens end.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`], [`UserError::Invalid`], or the store fails.
    pub async fn set_password(&self, name: &UserName, password: &Secret) -> Result<(), UserError> {
        let password = self.hash(password).await?;
        self.change(name, move |user| {
            user.password = password;
            true
        })
        .await
    }

    /// Changes a password, as the user does. Their tokens end.
    ///
    /// # Errors
    ///
    /// [`UserError::WrongPassword`], [`UserError::Invalid`], or the store fails.
    pub async fn change_password(
        &self,
        name: &UserName,
        old: &Secret,
        new: &Secret,
    ) -> Result<(), UserError> {
        use crate::login::Refused;
        match self.0.log_in(name, old.expose(), None).await {
            Ok(user) => self.set_password(&user.name, new).await,
            Err(Refused::Wrong | Refused::TooMany(_)) => Err(UserError::WrongPassword),
            Err(Refused::Unchecked(error)) => Err(error.into()),
            Err(Refused::Store(error)) => Err(error.into()),
        }
    }

    /// Replaces a user's roles. If one is taken away, the user's tokens end.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`], or the store fails.
    pub async fn set_roles(&self, name: &UserName, roles: Vec<Role>) -> Result<(), UserError> {
        self.change(name, move |user| {
            let lost = user.roles.iter().any(|role| !roles.contains(role));
            user.roles = roles;
            lost
        })
        .await
    }

    /// Locks a user out, or lets them in again. Locking ends their tokens.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`], or the store fails.
    pub async fn set_locked(&self, name: &UserName, locked: bool) -> Result<(), UserError> {
        self.change(name, |user| {
            user.locked = locked;
            locked
        })
        .await
    }

    /// Deletes a user. Their tokens end.
    ///
    /// # Errors
    ///
    /// [`UserError::NotFound`], or the store fails.
    pub async fn delete(&self, name: &UserName) -> Result<(), UserError> {
        let (core, name) = (&self.0, self.0.user_name(name));
        core.stores.users.delete_user(&core.config.tenant, &name).await?;
        Ok(core.revoke_user(&name).await?)
    }

    /// Reads, edits and writes a user; if the edit says so, their tokens end.
    async fn change(
        &self,
        name: &UserName,
        edit: impl FnOnce(&mut User) -> bool + Send,
    ) -> Result<(), UserError> {
        let (core, name) = (&self.0, self.0.user_name(name));
        let _turn = core.edits.lock().await;
        let user = core.stores.users.user(&core.config.tenant, &name).await?;
        let mut user = user.ok_or(UserError::NotFound)?;
        let ends_tokens = edit(&mut user);
        core.stores.users.update_user(user).await?;
        if ends_tokens {
            // After the change, so that nobody gets a new token by the old state in between.
            core.revoke_user(&name).await?;
        }
        Ok(())
    }

    async fn hash(&self, password: &Secret) -> Result<String, UserError> {
        let text = password.expose();
        if text.is_empty() || text.len() > LONGEST_PASSWORD || text.contains('\0') {
            return Err(UserError::Invalid("a password must not be empty or longer than 1024 bytes"));
        }
        Ok(self.0.hashers.hash(password).await?)
    }
}
