//! Taking back what was granted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use apim_core::Timestamp;
use apim_core::model::{ClientId, Revocation, TokenId, UserName};
use apim_core::store::StoreError;

use crate::opaque;
use crate::server::Core;
use crate::verify::{Unknowable, Worth};

impl Core {
    /// Revokes one access token, unless its time is over anyway.
    pub(crate) async fn revoke_token(&self, id: &TokenId, expires_at: Timestamp) -> Result<(), StoreError> {
        // A verifier with leeway takes it a little longer, so the revocation lasts a little longer too.
        let expires_at = expires_at.plus(self.config.leeway).plus(self.config.leeway);
        if expires_at < self.clock.now() {
            return Ok(());
        }
        self.revoked.revoke(Revocation::Token { id: id.clone(), expires_at }).await
    }

    /// Ends all refresh tokens of a family, and the access tokens that came with those still good.
    ///
    /// One more may be on its way into the store at this moment. So the family's name is revoked first, like
    /// a token's, and whoever adds to a family looks afterwards whether it has been: either they see that it
    /// is over, or what they added is seen here.
    pub(crate) async fn end_family(&self, family: &str) -> Result<(), StoreError> {
        let over = self.clock.now().plus(self.config.refresh_token).plus(self.config.code);
        self.revoke_token(&TokenId::from(family), over).await?;
        let ended = self.stores.grants.end_family(&self.config.tenant, family).await?;
        for token in ended {
            self.revoke_token(&token.access_token.0, token.access_token.1).await?;
        }
        Ok(())
    }

    /// Whether a family has been ended; asked after something was added to it.
    pub(crate) async fn is_family_over(&self, family: &str) -> Result<bool, StoreError> {
        self.stores.revocations.is_revoked(&TokenId::from(family)).await
    }

    /// Ends everything that a user gave leave for so far.
    pub(crate) async fn revoke_user(&self, user: &UserName) -> Result<(), StoreError> {
        let before = self.after_all_issued(self.revoked.of_user(user));
        self.revoked.revoke(Revocation::User { user: user.clone(), before }).await
    }

    /// Ends everything that was issued to a client so far.
    pub(crate) async fn revoke_client(&self, client: &ClientId) -> Result<(), StoreError> {
        let before = self.after_all_issued(self.revoked.of_client(client));
        self.revoked.revoke(Revocation::Client { client: client.clone(), before }).await
    }

    /// A moment that all tokens and grants so far are older than, those that date from a little ahead
    /// because of an earlier revocation too.
    fn after_all_issued(&self, earlier: Timestamp) -> Timestamp {
        let issued = Timestamp::from_secs(self.latest_issue.load(Ordering::Relaxed));
        self.clock.now().max(issued).max(earlier).plus(Duration::from_millis(1))
    }

    /// Revokes whatever a text turns out to be: an access token, a refresh token with its family, or
    /// nothing, which is no error (RFC 7009 section 2.2). Only what belongs to the client.
    pub(crate) async fn revoke_text(&self, text: &str, of: &ClientId) -> Result<(), Unknowable> {
        let owned = |client: &ClientId| of == client;
        match self.appraise(text).await? {
            Worth::Good(claims) if owned(&claims.client) => {
                if let Some(id) = &claims.id {
                    self.revoke_token(id, claims.expires_at).await?;
                }
            }
            Worth::Foreign => {
                let token = self.stores.grants.refresh(&opaque::hash(text)).await?;
                if let Some(token) = token.filter(|token| owned(&token.client)) {
                    self.end_family(&token.family).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
