//! Grants: what a client may trade for tokens (RFC 6749 section 1.3), one file each.

mod client_credentials;
mod code;
mod password;
mod pkce;
mod refresh;

pub(crate) use pkce::Challenge;

use std::net::IpAddr;

use apim_core::store::Client;
use async_trait::async_trait;

use crate::error::OAuthError;
use crate::form::Form;
use crate::server::Core;
use crate::token::Leave;

pub(crate) const AUTHORIZATION_CODE: &str = "authorization_code";
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const PASSWORD: &str = "password";
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";

/// Decides what a request is worth. The client has proven who it is, and may use this grant.
#[async_trait]
pub(crate) trait Grant: Send + Sync {
    /// As `grant_type` says it.
    fn name(&self) -> &'static str;

    /// Uses up what the client presents, and says what it gets for it.
    async fn redeem(&self, request: Request<'_>) -> Result<Leave, OAuthError>;
}

/// A token request of an authenticated client.
pub(crate) struct Request<'a> {
    pub(crate) core: &'a Core,
    pub(crate) client: &'a Client,
    pub(crate) form: &'a Form,
    pub(crate) address: Option<IpAddr>,
}

/// All grants that are offered.
pub(crate) const ALL: [&dyn Grant; 4] = [
    &code::AuthorizationCode,
    &client_credentials::ClientCredentials,
    &password::Password,
    &refresh::Refresh,
];

/// A grant by its name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Grant> {
    ALL.into_iter().find(|grant| grant.name() == name)
}
