//! What a client asks of a user.

use apim_core::model::{ClientId, Scope};
use apim_core::store::Client;

use super::Back;
use crate::error::{Kind, OAuthError};
use crate::form::Form;
use crate::grant::{self, Challenge};
use crate::scope;
use crate::server::Core;

const LONGEST: usize = 2048;

/// A request that may be put before the user.
pub(crate) struct AuthorizationRequest {
    pub(super) client: Client,
    pub(super) back: Back,
    pub(super) scopes: Vec<Scope>,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
}

/// Why it may not.
pub(crate) enum Invalid {
    /// Nobody knows where to send the user, so they are told here.
    Here(OAuthError),
    /// The client is told.
    There(Back, OAuthError),
}

impl From<OAuthError> for Invalid {
    fn from(error: OAuthError) -> Self {
        Self::Here(error)
    }
}

impl AuthorizationRequest {
    pub(super) async fn read(core: &Core, query: &Form) -> Result<Self, Invalid> {
        let unknown = || OAuthError::request("The client is not known.");
        let id = ClientId::from(query.get("client_id").ok_or_else(unknown)?);
        let client = core.stores.clients.client(&id).await.map_err(OAuthError::from)?;
        let client = client.filter(|c| c.tenant == core.config.tenant).ok_or_else(unknown)?;
        let back = Back { redirect_uri: redirect_uri(&client, query)?, state: state(query)? };
        // From here on the client can be told, because the way back is its own.
        match Wanted::read(&client, query) {
            Ok(Wanted { scopes, challenge, nonce }) => Ok(Self { client, back, scopes, challenge, nonce }),
            Err(error) => Err(Invalid::There(back, error)),
        }
    }
}

/// One of the registered URIs, byte for byte (RFC 9700 section 2.1).
fn redirect_uri(client: &Client, query: &Form) -> Result<String, OAuthError> {
    let wanted = query
        .get("redirect_uri")
        .ok_or_else(|| OAuthError::request("Redirect URI is not present in the authorization request"))?;
    if client.redirect_uris.iter().any(|known| known == wanted) {
        return Ok(wanted.to_owned());
    }
    Err(OAuthError::new(Kind::InvalidRedirectUri, "The redirect URI is not registered for this client."))
}

fn state(query: &Form) -> Result<Option<String>, OAuthError> {
    match query.get("state") {
        Some(state) if state.len() > LONGEST => Err(OAuthError::request("state is too long")),
        state => Ok(state.map(str::to_owned)),
    }
}

struct Wanted {
    scopes: Vec<Scope>,
    challenge: Option<String>,
    nonce: Option<String>,
}

impl Wanted {
    fn read(client: &Client, query: &Form) -> Result<Self, OAuthError> {
        if query.need("response_type")? != "code" {
            let why = "only response_type=code is offered";
            return Err(OAuthError::new(Kind::UnsupportedResponseType, why));
        }
        if !client.grant_types.iter().any(|grant| grant == grant::AUTHORIZATION_CODE) {
            let why = "the client may not use the authorization code grant";
            return Err(OAuthError::new(Kind::UnauthorizedClient, why));
        }
        if query.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(OAuthError::request("only response_mode=query is offered"));
        }
        // Without a session nobody is logged in already (OpenID Connect Core section 3.1.2.6).
        if query.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
            return Err(OAuthError::new(Kind::LoginRequired, "the user must log in"));
        }
        // By reference a request would make this server fetch what a stranger names.
        if query.get("request").or(query.get("request_uri")).is_some() {
            return Err(OAuthError::request("request objects are not offered"));
        }
        if query.get("nonce").is_some_and(|nonce| nonce.len() > LONGEST) {
            return Err(OAuthError::request("nonce is too long"));
        }
        Ok(Self {
            scopes: scope::parse(query.get("scope"))?,
            challenge: challenge(client, query)?,
            nonce: query.get("nonce").map(str::to_owned),
        })
    }
}

/// Without a method it would be `plain` (RFC 7636 section 4.3), which protects nothing.
fn challenge(client: &Client, query: &Form) -> Result<Option<String>, OAuthError> {
    match (query.get("code_challenge"), query.get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if Challenge::parse(challenge).is_some() => {
            Ok(Some(challenge.to_owned()))
        }
        (Some(_), Some("S256")) => Err(OAuthError::request("code_challenge is malformed")),
        (Some(_), _) => Err(OAuthError::request("code_challenge_method must be S256")),
        (None, Some(_)) => Err(OAuthError::request("code_challenge is missing")),
        (None, None) if client.public => Err(OAuthError::request("public clients must use PKCE")),
        (None, None) => Ok(None),
    }
}
