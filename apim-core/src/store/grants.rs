//! What stands between a user's leave and a token: authorization codes and refresh tokens.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::clock::Timestamp;
use crate::model::{ClientId, Scope, Tenant, TokenId, UserName};

/// An authorization code (RFC 6749 section 4.1.2), known by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// SHA-256 of the code, hexadecimal.
    pub hash: String,
    /// The tenant of the user.
    pub tenant: Tenant,
    /// For whom it was made.
    pub client: ClientId,
    /// Who gave leave.
    pub user: UserName,
    /// For what.
    pub scopes: Vec<Scope>,
    /// Where the user was sent; the token request must repeat it.
    pub redirect_uri: String,
    /// The PKCE challenge, S256 (RFC 7636 section 4.2).
    pub challenge: Option<String>,
    /// The OIDC nonce.
    pub nonce: Option<String>,
    /// The family its tokens will belong to.
    pub family: String,
    /// When it was made; a [`Revocation`](crate::model::Revocation) of its user or client that came later
    /// ends it.
    pub issued_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// A refresh token, known by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// The tenant of the user.
    pub tenant: Tenant,
    /// For whom it was made.
    pub client: ClientId,
    /// On whose behalf.
    pub user: UserName,
    /// For what; refreshing may narrow, never widen.
    pub scopes: Vec<Scope>,
    /// All refresh tokens that descend from one leave; reuse of one ends all (RFC 9700 section 4.14.2).
    pub family: String,
    /// The `jti` of the access token that was issued with it, and when that expires.
    pub access_token: (TokenId, Timestamp),
    /// When it was made; a [`Revocation`](crate::model::Revocation) of its user or client that came later
    /// ends it.
    pub issued_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// What became of a one-time grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed<T> {
    /// It was good, and is used up now.
    Good(T),
    /// It had been used before: somebody has a copy.
    Reused(T),
    /// There is no such grant.
    Unknown,
}

/// Keeps authorization codes and refresh tokens. Used-up ones are kept until they expire, so that reuse is
/// noticed.
///
/// The smallest one keeps them in memory, each with whether it is used up:
///
/// ```
/// use apim_core::Timestamp;
/// use apim_core::model::Tenant;
/// use apim_core::store::{AuthorizationCode, GrantStore, Redeemed, RefreshToken, StoreError};
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct Grants {
///     codes: Mutex<HashMap<String, (AuthorizationCode, bool)>>,
///     refresh: Mutex<HashMap<String, (RefreshToken, bool)>>,
/// }
///
/// /// One lock is held from the look to the mark, so that only one of two callers finds it good.
/// fn redeem<T: Clone>(kept: &mut HashMap<String, (T, bool)>, hash: &str) -> Redeemed<T> {
///     match kept.get_mut(hash) {
///         None => Redeemed::Unknown,
///         Some((grant, true)) => Redeemed::Reused(grant.clone()),
///         Some((grant, used)) => {
///             *used = true;
///             Redeemed::Good(grant.clone())
///         }
///     }
/// }
///
/// #[apim_core::async_trait]
/// impl GrantStore for Grants {
///     async fn insert_code(&self, code: AuthorizationCode) -> Result<(), StoreError> {
///         self.codes.lock().unwrap().insert(code.hash.clone(), (code, false));
///         Ok(())
///     }
///     async fn redeem_code(&self, hash: &str) -> Result<Redeemed<AuthorizationCode>, StoreError> {
///         Ok(redeem(&mut self.codes.lock().unwrap(), hash))
///     }
///     async fn insert_refresh(&self, token: RefreshToken) -> Result<(), StoreError> {
///         self.refresh.lock().unwrap().insert(token.hash.clone(), (token, false));
///         Ok(())
///     }
///     async fn refresh(&self, hash: &str) -> Result<Option<RefreshToken>, StoreError> {
///         let kept = self.refresh.lock().unwrap();
///         Ok(kept.get(hash).filter(|(_, used)| !used).map(|(token, _)| token.clone()))
///     }
///     async fn redeem_refresh(&self, hash: &str) -> Result<Redeemed<RefreshToken>, StoreError> {
///         Ok(redeem(&mut self.refresh.lock().unwrap(), hash))
///     }
///     async fn end_family(&self, tenant: &Tenant, family: &str) -> Result<Vec<RefreshToken>, StoreError> {
///         let mut kept = self.refresh.lock().unwrap();
///         let of_it = kept.values_mut().filter(|(it, used)| !used && it.tenant == *tenant && it.family == family);
///         Ok(of_it.map(|(token, used)| { *used = true; token.clone() }).collect())
///     }
///     async fn forget_expired_grants(&self, before: Timestamp) -> Result<(), StoreError> {
///         self.codes.lock().unwrap().retain(|_, (code, _)| code.expires_at >= before);
///         self.refresh.lock().unwrap().retain(|_, (token, _)| token.expires_at >= before);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait GrantStore: Send + Sync + 'static {
    /// Keeps a code.
    async fn insert_code(&self, code: AuthorizationCode) -> Result<(), StoreError>;

    /// Uses a code up. Of two concurrent calls with one hash only one gets [`Redeemed::Good`].
    async fn redeem_code(&self, hash: &str) -> Result<Redeemed<AuthorizationCode>, StoreError>;

    /// Keeps a refresh token.
    async fn insert_refresh(&self, token: RefreshToken) -> Result<(), StoreError>;

    /// Looks a refresh token up without using it; used-up and revoked ones are not found.
    async fn refresh(&self, hash: &str) -> Result<Option<RefreshToken>, StoreError>;

    /// Uses a refresh token up. Of two concurrent calls with one hash only one gets [`Redeemed::Good`].
    async fn redeem_refresh(&self, hash: &str) -> Result<Redeemed<RefreshToken>, StoreError>;

    /// Ends all refresh tokens of a family, and answers those that were still good.
    async fn end_family(&self, tenant: &Tenant, family: &str) -> Result<Vec<RefreshToken>, StoreError>;

    /// Forgets everything that expired before a moment.
    async fn forget_expired_grants(&self, before: Timestamp) -> Result<(), StoreError>;
}
