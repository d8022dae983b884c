//! Looks at what a token is good for.

use apim_core::key_manager::TokenKind;
use apim_core::model::{Api, AuthType};
use apim_core::{BuildError, Claims, Exchange, Fact, Fault, Filter, Flow, Link, Parts, Provide, fault};

use super::mutual::ByCertificate;
use crate::deploy::Site;

/// Audience, kind and scopes of a token against what the API and the operation ask for.
///
/// An API key has no scopes and no audience, and is not asked for them (spec: gateway-security, section 4:
/// scopes belong to tokens); it speaks for an application, and opens no operation that is for users only.
#[derive(Debug)]
pub struct Authorization;

impl Filter for Authorization {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let context = exchange.context();
        let (Some(operation), Some(principal)) = (context.operation(), &context.principal) else {
            return Err(
                Fault::new(fault::UNCLASSIFIED).detail("nobody was authenticated before `authorization`")
            );
        };
        if operation.auth == AuthType::None {
            return Ok(Flow::Continue);
        }
        let api = &Site::of(context)?.api;
        let Some(claims) = &principal.claims else {
            let by_key = principal.application.is_some();
            // Where nobody can have a scope, none is asked for.
            if !api.schemes.oauth2 && ByCertificate::of(context).is_some() {
                return Ok(Flow::Continue);
            }
            return match operation.auth {
                AuthType::User if by_key => {
                    Err(Fault::new(fault::WRONG_TOKEN_TYPE).rule("operation.auth").found("an API key"))
                }
                _ if by_key || operation.scopes.is_empty() => Ok(Flow::Continue),
                _ => {
                    Err(Fault::new(fault::MISSING_SCOPE)
                        .detail("the principal has neither token nor API key"))
                }
            };
        };
        audience(api, claims)?;
        match (operation.auth, claims.kind) {
            (AuthType::Application, TokenKind::User) | (AuthType::User, TokenKind::Application) => {
                let found = if claims.kind == TokenKind::User { "a user's" } else { "an application's" };
                return Err(Fault::new(fault::WRONG_TOKEN_TYPE).rule("operation.auth").found(found));
            }
            _ => {}
        }
        if operation.scopes.is_empty() || operation.scopes.iter().any(|scope| claims.has_scope(scope)) {
            return Ok(Flow::Continue);
        }
        Err(Fault::new(fault::MISSING_SCOPE)
            .because("User is NOT authorized to access the Resource. Scope validation failed.")
            .rule("operation.scopes")
            .wanted(Fact::list(&operation.scopes))
            .found(Fact::list(&claims.scopes)))
    }
}

fn audience(api: &Api, claims: &Claims) -> Result<(), Fault> {
    let wanted = &api.audiences;
    let meant = |audience: &String| claims.audiences.iter().any(|other| other.as_str() == audience);
    if wanted.is_empty() || wanted.iter().any(meant) {
        return Ok(());
    }
    Err(Fault::new(fault::WRONG_AUDIENCE)
        .because("The access token does not allow you to access the requested resource")
        .rule("api.audiences")
        .wanted(Fact::list(wanted.iter().cloned()))
        .found(Fact::list(&claims.audiences)))
}

impl Provide<Link> for Authorization {
    const NAME: &'static str = "authorization";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self).shared())
    }
}
