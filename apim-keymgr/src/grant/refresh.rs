//! A refresh token for a new pair (RFC 6749 section 6), rotated each time (RFC 9700 section 4.14.2).

use apim_core::key_manager::TokenKind;
use apim_core::model::Scope;
use apim_core::store::{Redeemed, RefreshToken};
use async_trait::async_trait;

use super::{Grant, REFRESH_TOKEN, Request};
use crate::error::{Kind, OAuthError};
use crate::token::{Leave, Session};
use crate::{opaque, scope};

pub(super) struct Refresh;

fn refused() -> OAuthError {
    OAuthError::grant("the refresh token is not good")
}

#[async_trait]
impl Grant for Refresh {
    fn name(&self) -> &'static str {
        REFRESH_TOKEN
    }

    async fn redeem(&self, request: Request<'_>) -> Result<Leave, OAuthError> {
        let core = request.core;
        let hash = opaque::hash(request.form.need("refresh_token")?);
        // Everything that may be the client's mistake is looked at before the token is used up.
        if let Some(token) = core.stores.grants.refresh(&hash).await? {
            check(&request, &token).await?;
        }
        match core.stores.grants.redeem_refresh(&hash).await? {
            Redeemed::Good(token) => exchange(&request, token).await,
            Redeemed::Reused(token) => {
                // Either the client or a thief uses an old copy; nobody can tell which, so both lose.
                tracing::warn!(client = ?token.client, user = ?token.user, "a refresh token was replayed");
                core.end_family(&token.family).await?;
                Err(refused())
            }
            Redeemed::Unknown => Err(refused()),
        }
    }
}

async fn check(request: &Request<'_>, token: &RefreshToken) -> Result<(), OAuthError> {
    if token.client != request.client.id || !request.core.is_in_force(token).await? {
        return Err(refused());
    }
    wanted(request, token).map(drop)
}

/// What is asked for; by default all that was granted. Never more (RFC 6749 section 6).
fn wanted(request: &Request<'_>, token: &RefreshToken) -> Result<Vec<Scope>, OAuthError> {
    let wanted = scope::parse(request.form.get("scope"))?;
    if wanted.is_empty() {
        return Ok(token.scopes.clone());
    }
    if wanted.iter().any(|scope| !token.scopes.contains(scope)) {
        return Err(OAuthError::new(Kind::InvalidScope, "refreshing cannot widen the scope"));
    }
    Ok(wanted)
}

async fn exchange(request: &Request<'_>, token: RefreshToken) -> Result<Leave, OAuthError> {
    let core = request.core;
    check(request, &token).await?;
    let user = core.active_user(&token.user).await?;
    // Roles may have been taken away since.
    let scopes = core.allowed_scopes(&wanted(request, &token)?, &user.roles).await?;
    core.revoke_token(&token.access_token.0, token.access_token.1).await?;
    Ok(Leave {
        subject: token.user,
        kind: TokenKind::User,
        scopes,
        session: Some(Session { family: token.family, scopes: token.scopes }),
        nonce: None,
        lifetime: None,
    })
}
