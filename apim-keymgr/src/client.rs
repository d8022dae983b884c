//! Registering OAuth clients: what they may be, and their secrets.

use apim_core::Secret;
use apim_core::key_manager::{ClientSpec, OAuthClient};
use apim_core::model::ClientId;
use apim_core::store::{Client, ClientSecret, StoreError};
use url::{Host, Url};
use uuid::Uuid;

use crate::grant;
use crate::opaque;
use crate::server::Core;

/// So many secrets of a client are good, which gets one with each registration under its name; adding one more ends the oldest.
const MOST_SECRETS: usize = 10;
const MOST_REDIRECT_URIS: usize = 50;
const LONGEST_TEXT: usize = 2048;

/// Why a client was not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unregistered {
    #[error("{0}")]
    Metadata(String),
    #[error("{0}")]
    RedirectUri(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entropy(#[from] opaque::NoEntropy),
}

/// Whether a secret is one of the client's. Every hash is compared, so that time tells nothing.
pub(crate) fn secret_matches(client: &Client, secret: &str) -> bool {
    let hash = opaque::hash(secret);
    client.secrets.iter().fold(false, |found, known| opaque::same(&known.hash, &hash) | found)
}

impl Core {
    /// Registers a client; a confidential one gets its first secret.
    pub(crate) async fn register(&self, spec: ClientSpec) -> Result<OAuthClient, Unregistered> {
        check(&spec)?;
        let id = ClientId::from(Uuid::new_v4().simple().to_string());
        let mut client = Client {
            id,
            tenant: spec.tenant,
            name: spec.name,
            owner: spec.owner,
            secrets: Vec::new(),
            grant_types: spec.grant_types,
            redirect_uris: spec.redirect_uris,
            public: spec.public,
            token_lifetime: spec.token_lifetime,
            created_at: self.clock.now(),
            additional: spec.additional,
        };
        let secret = if client.public { None } else { Some(self.push_secret(&mut client)?) };
        self.stores.clients.insert_client(client.clone()).await?;
        Ok(described(client, secret))
    }

    /// Adds a secret, and forgets the oldest if there are too many.
    pub(crate) async fn add_secret(&self, id: &ClientId) -> Result<OAuthClient, Unregistered> {
        let client = self.own_client(id).await?;
        self.give_secret(client).await
    }

    /// Replaces all secrets by a new one.
    pub(crate) async fn renew_secret(&self, id: &ClientId) -> Result<OAuthClient, Unregistered> {
        let mut client = self.own_client(id).await?;
        client.secrets.clear();
        self.give_secret(client).await
    }

    async fn give_secret(&self, mut client: Client) -> Result<OAuthClient, Unregistered> {
        if client.public {
            return Err(Unregistered::Metadata("a public client has no secret".to_owned()));
        }
        let secret = self.push_secret(&mut client)?;
        self.stores.clients.update_client(client.clone()).await?;
        Ok(described(client, Some(secret)))
    }

    /// Replaces what a client is; its id stays, and so do its secrets while it has the same owner.
    pub(crate) async fn replace(&self, id: &ClientId, spec: ClientSpec) -> Result<OAuthClient, Unregistered> {
        check(&spec)?;
        let known = self.own_client(id).await?;
        let handed_over = known.owner != spec.owner;
        if handed_over {
            // Should the writing fail, calling again ends them again; the other way round it would not.
            self.revoke_client(id).await?;
        }
        let client = Client {
            id: known.id,
            tenant: known.tenant,
            name: spec.name,
            owner: spec.owner,
            secrets: if handed_over { Vec::new() } else { known.secrets },
            grant_types: spec.grant_types,
            redirect_uris: spec.redirect_uris,
            public: spec.public,
            token_lifetime: spec.token_lifetime,
            created_at: known.created_at,
            additional: spec.additional,
        };
        self.stores.clients.update_client(client.clone()).await?;
        if handed_over {
            // The old secrets were good for new tokens until this moment.
            self.revoke_client(id).await?;
        }
        Ok(described(client, None))
    }

    /// A client of this server's tenant.
    pub(crate) async fn own_client(&self, id: &ClientId) -> Result<Client, StoreError> {
        let client = self.stores.clients.client(id).await?;
        client.filter(|client| client.tenant == self.config.tenant).ok_or(StoreError::NotFound)
    }

    fn push_secret(&self, client: &mut Client) -> Result<Secret, opaque::NoEntropy> {
        let secret = opaque::fresh()?;
        client.secrets.push(ClientSecret {
            id: Uuid::new_v4().to_string(),
            hash: opaque::hash(secret.expose()),
            created_at: self.clock.now(),
        });
        let surplus = client.secrets.len().saturating_sub(MOST_SECRETS);
        client.secrets.drain(..surplus);
        Ok(secret)
    }
}

/// A client as key managers speak of it.
pub(crate) fn described(client: Client, secret: Option<Secret>) -> OAuthClient {
    let spec = ClientSpec {
        tenant: client.tenant,
        name: client.name,
        owner: client.owner,
        grant_types: client.grant_types,
        redirect_uris: client.redirect_uris,
        public: client.public,
        token_lifetime: client.token_lifetime,
        additional: client.additional,
    };
    OAuthClient { id: client.id, secret, spec }
}

fn check(spec: &ClientSpec) -> Result<(), Unregistered> {
    let wrong = |text: String| Err(Unregistered::Metadata(text));
    if spec.name.is_empty() || spec.name.len() > LONGEST_TEXT || spec.name.contains(char::is_control) {
        return wrong("the name must not be empty, long, or hold control characters".to_owned());
    }
    if let Some(unknown) = spec.grant_types.iter().find(|grant| grant::named(grant).is_none()) {
        return wrong(format!("the grant type {unknown:?} is not offered"));
    }
    if spec.public && spec.grant_types.iter().any(|grant| grant == grant::CLIENT_CREDENTIALS) {
        return wrong("a public client has no credentials to use client_credentials with".to_owned());
    }
    if spec.token_lifetime.is_some_and(|lifetime| lifetime.as_secs() == 0) {
        return wrong("a token must live for a second at least".to_owned());
    }
    if needs_redirect(&spec.grant_types) && spec.redirect_uris.is_empty() {
        return Err(Unregistered::RedirectUri("authorization_code needs a redirect URI".to_owned()));
    }
    if spec.redirect_uris.len() > MOST_REDIRECT_URIS {
        return Err(Unregistered::RedirectUri("too many redirect URIs".to_owned()));
    }
    spec.redirect_uris.iter().try_for_each(|uri| check_redirect_uri(uri)).map_err(Unregistered::RedirectUri)
}

/// Whether a client with these grants is sent users back to.
pub(crate) fn needs_redirect(grant_types: &[String]) -> bool {
    grant_types.iter().any(|grant| grant == grant::AUTHORIZATION_CODE)
}

/// What a redirect URI may look like. It is later compared byte by byte, so this only has to keep out what
/// a browser would read differently from us, or run.
pub(crate) fn check_redirect_uri(uri: &str) -> Result<(), String> {
    let no = |why: &str| Err(format!("the redirect URI {uri:?} {why}"));
    if uri.len() > LONGEST_TEXT {
        return Err("a redirect URI is too long".to_owned());
    }
    if !uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'*')) {
        return no("holds a character that it must not");
    }
    let Ok(url) = Url::parse(uri) else {
        return no("is not an absolute URI");
    };
    if uri.contains('#') {
        return no("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() || authority(uri).contains('@') {
        return no("has user information");
    }
    if uri.contains("/..") || uri.to_ascii_lowercase().contains("%2e%2e") {
        return no("climbs in its path");
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if loopback => Ok(()),
        "http" => no("is not encrypted and not on this machine"),
        // An app's own scheme is a domain name backwards (RFC 8252 section 7.1); `javascript` is none.
        scheme if scheme.contains('.') => Ok(()),
        _ => no("has a scheme that is not allowed"),
    }
}

fn authority(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}
