//! What a token is worth.

mod revoked;
mod verifier;

pub(crate) use revoked::Revoked;
pub(crate) use verifier::Verifier;

use apim_core::Timestamp;
use apim_core::key_manager::Claims;
use apim_core::store::StoreError;

use crate::RESIDENT;
use crate::keys::RingError;
use crate::server::Core;
use crate::token::{self, jws};

/// What came of looking at a token.
pub(crate) enum Worth {
    /// Ours, in force.
    Good(Box<Claims>),
    /// Ours, and its time is over, or has not come.
    Expired,
    /// Ours, and revoked.
    Revoked,
    /// Not ours, or not an access token.
    Foreign,
}

/// Why a token could not be looked at. It is refused then, never let pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknowable {
    #[error(transparent)]
    Keys(#[from] RingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// Looks at an access token: form, key, signature, issuer, time, revocation, in this order.
    pub(crate) async fn appraise(&self, token: &str) -> Result<Worth, Unknowable> {
        let Some(unverified) = jws::split(token, jws::ACCESS) else {
            return Ok(Worth::Foreign);
        };
        let Some(key) = self.keys.find(&unverified.kid).await? else {
            return Ok(Worth::Foreign);
        };
        let claims = unverified.verify(&key).and_then(|all| token::read(RESIDENT.into(), all));
        let Some(claims) = claims.filter(|claims| *claims.issuer == *self.issuer) else {
            return Ok(Worth::Foreign);
        };
        if !self.is_in_time(&claims) {
            return Ok(Worth::Expired);
        }
        if self.revoked.contains(&claims).await? {
            return Ok(Worth::Revoked);
        }
        Ok(Worth::Good(claims.into()))
    }

    fn is_in_time(&self, claims: &Claims) -> bool {
        let (now, leeway) = (self.clock.now(), self.config.leeway);
        let not_before = claims.all.get("nbf").and_then(|nbf| nbf.as_u64());
        let begun = not_before.is_some_and(|nbf| Timestamp::from_secs(nbf) <= now.plus(leeway));
        begun && now < claims.expires_at.plus(leeway)
    }
}
