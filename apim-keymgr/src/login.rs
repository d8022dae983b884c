//! Whether somebody is who they say.

use std::net::IpAddr;
use std::time::Duration;

use apim_core::model::UserName;
use apim_core::store::{StoreError, User};

use crate::error::{Kind, OAuthError};
use crate::password::Unchecked;
use crate::server::Core;

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// No such user, a wrong password, or a locked account. Which one is nobody's business.
    #[error("wrong user name or password")]
    Wrong,
    #[error("too many wrong passwords")]
    TooMany(Duration),
    #[error(transparent)]
    Unchecked(#[from] Unchecked),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// As an answer; what a wrong password is called depends on who asks.
    pub(crate) fn or_wrong(self, wrong: OAuthError) -> OAuthError {
        match self {
            Self::Wrong => wrong,
            Self::TooMany(wait) => {
                OAuthError::new(Kind::TooManyAttempts(wait), "too many wrong passwords; wait")
            }
            Self::Unchecked(Unchecked::Busy) => {
                OAuthError::new(Kind::TemporarilyUnavailable, "too many logins at once; try again")
            }
            Self::Unchecked(error) => OAuthError::internal(error),
            Self::Store(error) => error.into(),
        }
    }
}

impl Core {
    /// A login name without this server's own tenant behind it: `admin@carbon.super` is `admin`.
    pub(crate) fn user_name(&self, typed: &str) -> UserName {
        let suffix = typed.rsplit_once('@').filter(|(_, domain)| *domain == self.config.tenant.as_str());
        UserName::from(suffix.map_or(typed, |(name, _)| name))
    }

    /// Checks a password. Unknown, locked and mistaken take equally long and look the same.
    ///
    /// Hashing is slow, and what a user was before it may be over afterwards; so the user is read again.
    pub(crate) async fn log_in(
        &self,
        typed: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<User, Refused> {
        let name = self.user_name(typed);
        self.attempts.begin(&name, address, self.clock.now()).map_err(Refused::TooMany)?;
        let user = self.stores.users.user(&self.config.tenant, &name).await?;
        let good = self.hashers.verify(password, user.as_ref().map(|user| user.password.as_str())).await?;
        let checked = user.filter(|_| good).ok_or(Refused::Wrong)?;
        let user = self.stores.users.user(&self.config.tenant, &name).await?;
        let same = |user: &User| user.password == checked.password && !user.locked;
        let user = user.filter(same).ok_or(Refused::Wrong)?;
        self.attempts.succeed(&name, address);
        Ok(user)
    }

    /// A user who may have been locked or deleted since they gave leave.
    pub(crate) async fn active_user(&self, name: &UserName) -> Result<User, OAuthError> {
        let user = self.stores.users.user(&self.config.tenant, name).await?;
        user.filter(|user| !user.locked).ok_or_else(|| OAuthError::grant("the grant is no longer good"))
    }
}
