//! Key managers: who issues tokens, and who can say what they are worth.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::BoxError;
pub use crate::claims_set::ClaimsSet;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::handler::Step;
use crate::model::{Audience, ClientId, KeyManagerName, Scope, Tenant, TokenId, UserName};
use crate::secret::Secret;
use crate::worker::Worker;

/// An OAuth 2.0 server that applications get their tokens from: ours, or somebody else's.
///
/// The cold half: the control plane calls it when developers generate keys. It may take seconds and talk to
/// a network; it is never called inside a database transaction. Dropping a future leaves it unknown whether
/// the call took effect; calling again must be safe.
///
/// What an implementation cannot do it refuses with [`KeyManagerError::Unsupported`]; an empty success
/// would be a lie.
///
/// Only [`name`](Self::name) and [`verifier`](Self::verifier) have to be written; everything else is refused
/// as unsupported until it is.
///
/// ```
/// use apim_core::key_manager::{Claims, KeyManager, TokenVerifier};
/// use apim_core::model::KeyManagerName;
/// use apim_core::{Fault, Step, fault};
/// use std::sync::Arc;
///
/// /// Knows nobody, and lets nobody register.
/// struct Closed;
///
/// #[apim_core::async_trait]
/// impl KeyManager for Closed {
///     fn name(&self) -> KeyManagerName {
///         "closed".into()
///     }
///     fn verifier(&self) -> Arc<dyn TokenVerifier> {
///         Arc::new(Nobody)
///     }
/// }
///
/// struct Nobody;
///
/// impl TokenVerifier for Nobody {
///     fn verify<'a>(&'a self, _: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
///         Step::Done(Err(Fault::new(fault::INVALID_CREDENTIALS)))
///     }
/// }
/// ```
#[async_trait]
pub trait KeyManager: Send + Sync + 'static {
    /// The name that key mappings and events use for it.
    fn name(&self) -> KeyManagerName;

    /// Registers an OAuth client. The answer holds its secret, for the only time.
    async fn create_client(&self, _spec: ClientSpec) -> Result<OAuthClient, KeyManagerError> {
        Err(KeyManagerError::Unsupported("registering clients"))
    }

    /// Looks a client up; without its secret.
    async fn client(&self, _id: &ClientId) -> Result<Option<OAuthClient>, KeyManagerError> {
        Err(KeyManagerError::Unsupported("looking clients up"))
    }

    /// Replaces a client's metadata; its id stays. Its secrets stay too, unless it gets another owner: what
    /// the former one knows must not speak for the new one, so all its secrets and tokens end then.
    async fn update_client(&self, _id: &ClientId, _spec: ClientSpec) -> Result<OAuthClient, KeyManagerError> {
        Err(KeyManagerError::Unsupported("changing clients"))
    }

    /// Deletes a client; its tokens are revoked.
    async fn delete_client(&self, _id: &ClientId) -> Result<(), KeyManagerError> {
        Err(KeyManagerError::Unsupported("deleting clients"))
    }

    /// Gives a client a new secret, which the answer holds. Earlier secrets end.
    async fn renew_secret(&self, _id: &ClientId) -> Result<OAuthClient, KeyManagerError> {
        Err(KeyManagerError::Unsupported("new secrets"))
    }

    /// Issues a token to a client without asking anybody: `client_credentials`, on behalf of the portal.
    async fn issue(&self, _request: TokenRequest) -> Result<Token, KeyManagerError> {
        Err(KeyManagerError::Unsupported("issuing tokens"))
    }

    /// Revokes a token of a client's. Revoking an unknown one, or another client's, does nothing and succeeds
    /// (RFC 7009 section 2.2).
    async fn revoke(&self, _client: &ClientId, _token: &str) -> Result<(), KeyManagerError> {
        Err(KeyManagerError::Unsupported("revoking tokens"))
    }

    /// The hot half.
    fn verifier(&self) -> Arc<dyn TokenVerifier>;

    /// Who checks passwords of users, for callers that show one instead of a token. Default: nobody.
    fn passwords(&self) -> Option<Arc<dyn PasswordVerifier>> {
        None
    }
}

/// Says whose a name and a password are.
///
/// To guess must take years: whoever implements it counts wrong ones by user and address, and hashes slowly, elsewhere
/// than on the runtime's own threads. Dropping the future gives the check up; what it has counted stays counted.
#[async_trait]
pub trait PasswordVerifier: Send + Sync + 'static {
    /// Who it is, with those of the wanted scopes that a token of theirs could have. `from` is where they ask from, if
    /// that is known.
    ///
    /// # Errors
    ///
    /// [`LoginError`]; unknown users, locked ones and wrong passwords take equally long and look the same.
    async fn verify(
        &self,
        name: &str,
        password: &Secret,
        wanted: &[Scope],
        from: Option<IpAddr>,
    ) -> Result<Login, LoginError>;
}

/// Who has shown their password. Having one *is* the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user, as a token would name them as its subject.
    pub subject: UserName,
    /// Of the wanted scopes those that the user may have.
    pub scopes: Vec<Scope>,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// No such user, a wrong password, or a locked account: which one is nobody's business.
    #[error("wrong user name or password")]
    Wrong,
    /// There were too many wrong ones; for so long there is no use in trying.
    #[error("too many wrong passwords")]
    TooMany(Duration),
    /// Too many are being checked at once.
    #[error("too many passwords are waiting to be checked")]
    Busy,
    /// Not the caller's doing.
    #[error("the password could not be checked")]
    Failed(#[source] BoxError),
}

/// Says what a token is worth.
///
/// Called on the hot path, once per request that carries a token. Signature, issuer, expiry and revocation
/// are this trait's business; audience, scopes and subscriptions are the caller's. It should answer
/// [`Step::Done`] whenever it can do so from memory, and must check expiry and revocation on each call,
/// remembered or not. Whatever it does not understand it refuses; an unreachable key source refuses the
/// token with [`UNCLASSIFIED`](crate::fault::UNCLASSIFIED), never lets it pass.
///
/// ```
/// use apim_core::key_manager::{Claims, TokenVerifier};
/// use apim_core::{Fault, fault, Step};
/// use std::sync::Arc;
///
/// /// Accepts one token, as a test might.
/// struct One(&'static str, Arc<Claims>);
///
/// impl TokenVerifier for One {
///     fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
///         Step::Done(if token == self.0 {
///             Ok(self.1.clone())
///         } else {
///             Err(Fault::new(fault::INVALID_CREDENTIALS))
///         })
///     }
/// }
/// ```
pub trait TokenVerifier: Send + Sync + 'static {
    /// Verifies a token as it stood behind `Bearer `.
    ///
    /// # Errors
    ///
    /// [`INVALID_CREDENTIALS`](crate::fault::INVALID_CREDENTIALS),
    /// [`TOKEN_EXPIRED`](crate::fault::TOKEN_EXPIRED) or
    /// [`TOKEN_INACTIVE`](crate::fault::TOKEN_INACTIVE).
    fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>>;

    /// The same, for verifiers that remember tokens for each worker apart. A returned [`Step::Wait`] that is
    /// dropped before it was polled must not have had any effect.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    fn verify_on<'a>(&'a self, token: &'a str, _worker: Worker) -> Step<'a, Result<Arc<Claims>, Fault>> {
        self.verify(token)
    }
}

/// What a verified token says. Having one *is* the proof that the token was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The key manager that vouches for it.
    pub key_manager: KeyManagerName,
    /// `iss`.
    pub issuer: Arc<str>,
    /// `sub`: the user, or for application tokens the owner.
    pub subject: UserName,
    /// The OAuth client it was issued to (`azp` or what the key manager calls it).
    pub client: ClientId,
    /// Scopes, in the token's order.
    pub scopes: Vec<Scope>,
    /// `aud`.
    pub audiences: Vec<Audience>,
    /// `jti`, if it has one.
    pub id: Option<TokenId>,
    /// `iat`, if it has one.
    pub issued_at: Option<Timestamp>,
    /// `exp`. Tokens without one are refused.
    pub expires_at: Timestamp,
    /// Whether it speaks for an application or for a user (`aut`).
    pub kind: TokenKind,
    /// All its claims, as they were.
    pub all: ClaimsSet,
}

impl Claims {
    /// Of an application's token that says nothing else; the issuer is the key manager's name.
    ///
    /// Key mappings lead from the client to its application, and that to its subscriptions.
    pub fn new(
        key_manager: KeyManagerName,
        client: ClientId,
        subject: UserName,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            issuer: key_manager.as_str().into(),
            key_manager,
            subject,
            client,
            scopes: Vec::new(),
            audiences: Vec::new(),
            id: None,
            issued_at: None,
            expires_at,
            kind: TokenKind::Application,
            all: ClaimsSet::default(),
        }
    }

    /// Whether it carries a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| s.as_str() == scope)
    }
}

/// Who a token speaks for (claim `aut`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `APPLICATION`: nobody logged in.
    Application,
    /// `APPLICATION_USER`: a user gave leave.
    User,
}

/// What a client shall be.
#[derive(Debug, Clone)]
pub struct ClientSpec {
    /// The tenant of its owner.
    pub tenant: Tenant,
    /// The name shown on consent pages; unique for its owner.
    pub name: String,
    /// Who registers it.
    pub owner: UserName,
    /// `grant_type` values it may use.
    pub grant_types: Vec<String>,
    /// Exact redirect URIs (RFC 9700 section 2.1).
    pub redirect_uris: Vec<String>,
    /// Whether it is public, that is, has no secret (RFC 6749 section 2.1).
    pub public: bool,
    /// How long its access tokens live; none: the server's default.
    pub token_lifetime: Option<Duration>,
    /// What else the key manager's own form asks for.
    pub additional: BTreeMap<String, String>,
}

/// A registered client.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    /// Its id; WSO2's consumer key.
    pub id: ClientId,
    /// Its newest secret, right after it was made; none ever after, since only a hash is kept.
    pub secret: Option<Secret>,
    /// What it is.
    pub spec: ClientSpec,
}

/// A token the portal asks for.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// For which client.
    pub client: ClientId,
    /// Wanted scopes; what the owner may not have is left out.
    pub scopes: Vec<Scope>,
    /// Wanted life; none: the client's own.
    pub lifetime: Option<Duration>,
}

/// A token that was issued.
#[derive(Debug, Clone)]
pub struct Token {
    /// The access token.
    pub access_token: Secret,
    /// How long it is good.
    pub expires_in: Duration,
    /// The scopes it carries.
    pub scopes: Vec<Scope>,
}

/// Why a key manager did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyManagerError {
    /// There is no such client.
    #[error("unknown client {0}")]
    UnknownClient(ClientId),
    /// The specification breaks a rule; the text says which, and may be shown to the caller.
    #[error("{0}")]
    Invalid(String),
    /// Another client of that owner has the name.
    #[error("a client of that name exists")]
    Exists,
    /// This key manager does not offer that.
    #[error("this key manager does not offer {0}")]
    Unsupported(&'static str),
    /// It could not be reached, or failed; not the caller's doing.
    #[error("the key manager failed")]
    Failed(#[source] BoxError),
}
