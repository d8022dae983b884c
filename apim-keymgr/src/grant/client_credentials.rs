//! A client on its own behalf (RFC 6749 section 4.4).

use apim_core::key_manager::TokenKind;
use apim_core::model::Scope;
use apim_core::store::Client;
use async_trait::async_trait;

use super::{CLIENT_CREDENTIALS, Grant, Request};
use crate::error::{Kind, OAuthError};
use crate::scope;
use crate::server::Core;
use crate::token::Leave;

pub(super) struct ClientCredentials;

#[async_trait]
impl Grant for ClientCredentials {
    fn name(&self) -> &'static str {
        CLIENT_CREDENTIALS
    }

    async fn redeem(&self, request: Request<'_>) -> Result<Leave, OAuthError> {
        if request.client.public {
            let why = "a public client has no credentials";
            return Err(OAuthError::new(Kind::UnauthorizedClient, why));
        }
        let wanted = scope::parse(request.form.get("scope"))?;
        request.core.client_leave(request.client, &wanted).await
    }
}

impl Core {
    /// What a client may do for itself: what its owner may. No refresh token, no ID token.
    pub(crate) async fn client_leave(&self, client: &Client, wanted: &[Scope]) -> Result<Leave, OAuthError> {
        let owner = self.stores.users.user(&self.config.tenant, &client.owner).await?;
        if owner.as_ref().is_some_and(|owner| owner.locked) {
            return Err(OAuthError::new(Kind::UnauthorizedClient, "the client's owner is locked"));
        }
        let roles = owner.map(|owner| owner.roles).unwrap_or_default();
        Ok(Leave {
            subject: client.owner.clone(),
            kind: TokenKind::Application,
            scopes: self.allowed_scopes(wanted, &roles).await?,
            session: None,
            nonce: None,
            lifetime: None,
        })
    }
}
