//! A user's name and password, through a client that they trust with it (RFC 6749 section 4.3).

use apim_core::key_manager::TokenKind;
use async_trait::async_trait;

use super::{Grant, PASSWORD, Request};
use crate::error::OAuthError;
use crate::scope;
use crate::token::{Leave, Session};

pub(super) struct Password;

#[async_trait]
impl Grant for Password {
    fn name(&self) -> &'static str {
        PASSWORD
    }

    async fn redeem(&self, request: Request<'_>) -> Result<Leave, OAuthError> {
        let (core, form) = (request.core, request.form);
        let wanted = scope::parse(form.get("scope"))?;
        let (name, password) = (form.need("username")?, form.need("password")?);
        let user = core
            .log_in(name, password, request.address)
            .await
            .map_err(|refused| refused.or_wrong(OAuthError::grant("wrong user name or password")))?;
        let scopes = core.allowed_scopes(&wanted, &user.roles).await?;
        Ok(Leave {
            subject: user.name,
            kind: TokenKind::User,
            session: Some(Session::new(scopes.clone())),
            scopes,
            nonce: None,
            lifetime: None,
        })
    }
}
