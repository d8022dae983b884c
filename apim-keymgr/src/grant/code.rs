//! An authorization code, with PKCE (RFC 6749 section 4.1, RFC 7636).

use apim_core::key_manager::TokenKind;
use apim_core::store::{self, Redeemed};
use async_trait::async_trait;

use super::{AUTHORIZATION_CODE, Challenge, Grant, Request};
use crate::error::OAuthError;
use crate::opaque;
use crate::token::{Leave, Session};

pub(super) struct AuthorizationCode;

fn refused() -> OAuthError {
    OAuthError::grant("the code is not good")
}

#[async_trait]
impl Grant for AuthorizationCode {
    fn name(&self) -> &'static str {
        AUTHORIZATION_CODE
    }

    async fn redeem(&self, request: Request<'_>) -> Result<Leave, OAuthError> {
        let (core, form) = (request.core, request.form);
        let (hash, redirect_uri) = (opaque::hash(form.need("code")?), form.need("redirect_uri")?);
        // From here on the code is used up, whatever comes out: whoever presents it has seen it.
        let code = match core.stores.grants.redeem_code(&hash).await? {
            Redeemed::Good(code) => code,
            Redeemed::Reused(code) => {
                // RFC 6749 section 4.1.2: the tokens that came of it are no longer to be trusted.
                tracing::warn!(client = ?code.client, user = ?code.user, "a code was replayed");
                core.end_family(&code.family).await?;
                return Err(refused());
            }
            Redeemed::Unknown => return Err(refused()),
        };
        let ended = code.issued_at < core.revoked.current(&code.client, &code.user).await?;
        if code.client != request.client.id || code.expires_at <= core.clock.now() || ended {
            return Err(refused());
        }
        if code.redirect_uri != redirect_uri {
            return Err(OAuthError::grant("redirect_uri is not the one that the code was sent to"));
        }
        check_verifier(&request, &code)?;
        let user = core.active_user(&code.user).await?;
        let scopes = core.allowed_scopes(&code.scopes, &user.roles).await?;
        Ok(Leave {
            subject: code.user,
            kind: TokenKind::User,
            session: Some(Session { family: code.family, scopes: scopes.clone() }),
            scopes,
            nonce: code.nonce,
            lifetime: None,
        })
    }
}

/// A verifier without a challenge is refused as well: somebody took the challenge away on the code's way
/// here (RFC 9700 section 2.1.1).
fn check_verifier(request: &Request<'_>, code: &store::AuthorizationCode) -> Result<(), OAuthError> {
    let met = match (&code.challenge, request.form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => Challenge(challenge).is_met_by(verifier),
        (None, None) => !request.client.public,
        _ => false,
    };
    if met { Ok(()) } else { Err(OAuthError::grant("the code verifier does not match")) }
}
