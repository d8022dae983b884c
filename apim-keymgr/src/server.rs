//! The server: a tower service over five stores.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use apim_core::model::Revocation;
use apim_core::store::{
    ClientStore, GrantStore, RefreshToken, RevocationStore, SigningKeyStore, StoreError, User, UserStore,
};
use apim_core::{Body, BoxError, BoxFuture, Clock, SystemClock, Timestamp, TokenVerifier};
use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::Mutex;
use tower::Service;
use url::Url;

use crate::attempts::Attempts;
use crate::call::Call;
use crate::config::Config;
use crate::endpoint;
use crate::error::OAuthError;
use crate::keys::{KeyRing, RingError, Settings};
use crate::password::{HashError, Hashers};
use crate::resident::Resident;
use crate::users::Users;
use crate::verify::{Revoked, Verifier};
use crate::{ISSUER_PATH, RESIDENT};

/// How often what has expired is swept out, at most.
const SWEEP: Duration = Duration::from_secs(600);

/// Where a server keeps what it must remember. One database may stand behind all of them.
#[derive(Clone)]
pub struct Stores {
    /// OAuth clients.
    pub clients: Arc<dyn ClientStore>,
    /// Users and scopes.
    pub users: Arc<dyn UserStore>,
    /// Codes and refresh tokens.
    pub grants: Arc<dyn GrantStore>,
    /// Signing keys.
    pub signing_keys: Arc<dyn SigningKeyStore>,
    /// Revocations.
    pub revocations: Arc<dyn RevocationStore>,
}

impl Stores {
    /// One thing that is all five.
    pub fn all<S>(store: Arc<S>) -> Self
    where
        S: ClientStore + UserStore + GrantStore + SigningKeyStore + RevocationStore,
    {
        Self {
            clients: store.clone(),
            users: store.clone(),
            grants: store.clone(),
            signing_keys: store.clone(),
            revocations: store,
        }
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores(…)")
    }
}

/// An OAuth 2.0 authorization server. Cloning shares it.
///
/// As a tower service it takes full paths, as `/oauth2/token`, wherever it is mounted; what it does not know
/// it answers with 404. It wants a tokio runtime with time.
///
/// Whoever owns the socket puts a [`Peer`](apim_core::Peer) with the client's true address into the request's
/// extensions. Wrong passwords are counted by user and address; without an address by user alone, and then
/// anybody can keep anybody from logging in.
#[derive(Clone)]
pub struct Server(Arc<Core>);

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.0.issuer).finish()
    }
}

/// What all endpoints share.
pub(crate) struct Core {
    pub(crate) stores: Stores,
    pub(crate) config: Config,
    pub(crate) issuer: String,
    /// The issuer without its path.
    pub(crate) origin: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: KeyRing,
    pub(crate) revoked: Revoked,
    pub(crate) hashers: Hashers,
    pub(crate) attempts: Attempts,
    /// Held while a client or a user is changed, which is a reading and a writing.
    pub(crate) edits: Mutex<()>,
    /// The latest `iat` of all tokens, which may lie a little ahead of the clock.
    pub(crate) latest_issue: AtomicU64,
    realm: String,
    swept_at: AtomicU64,
}

impl Core {
    pub(crate) fn is_admin(&self, user: &User) -> bool {
        crate::scope::has_role(&user.roles, &self.config.admin_role)
    }

    /// Whether a refresh token has neither expired nor been ended with all of its user's or client's.
    pub(crate) async fn is_in_force(&self, token: &RefreshToken) -> Result<bool, StoreError> {
        let ended = self.revoked.current(&token.client, &token.user).await?;
        Ok(token.expires_at > self.clock.now() && token.issued_at >= ended)
    }

    /// Whether browsers reach this server encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    async fn tidy(&self) -> Result<(), BuildError> {
        let now = self.clock.now();
        self.stores.grants.forget_expired_grants(now).await?;
        self.revoked.tidy(now).await?;
        self.keys.rotate_after(self.config.key_age).await?;
        Ok(self.keys.tidy().await?)
    }

    /// Whether it is this caller's turn to sweep.
    fn sweep_is_due(&self) -> bool {
        let (now, last) = (self.clock.now(), self.swept_at.load(Ordering::Relaxed));
        now.since(Timestamp::from_millis(last)) >= SWEEP
            && self
                .swept_at
                .compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Server {
    /// Begins with where things are kept.
    pub fn builder(stores: Stores) -> Builder {
        Builder {
            stores,
            issuer: format!("https://localhost:9443{ISSUER_PATH}"),
            clock: Arc::new(SystemClock),
            config: Config::default(),
        }
    }

    /// The server as the control plane sees it.
    pub fn resident(&self) -> Arc<Resident> {
        Arc::new(Resident(self.0.clone()))
    }

    /// Says what tokens of this server are worth, for REST APIs in the same process.
    pub fn verifier(&self) -> Arc<dyn TokenVerifier> {
        Arc::new(Verifier(self.0.clone()))
    }

    /// Makes and changes users, with what follows for their tokens.
    pub fn users(&self) -> Users {
        Users::new(self.0.clone())
    }

    /// The exact `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Makes a new signing key before its [time](Config::key_age), as after a leak. It is published at once
    /// and signs after [`key_lead`](Config::key_lead); tokens of the earlier keys stay good.
    ///
    /// # Errors
    ///
    /// The store failed, or no key could be made.
    pub async fn rotate(&self) -> Result<(), BuildError> {
        Ok(self.0.keys.rotate().await?)
    }

    /// Remembers a revocation that somebody else put into the store and an event told of. Without it, this
    /// server still notices: single tokens at once, all of a user's or client's within a second, or with
    /// very many revocations a few.
    pub fn learn(&self, revocation: &Revocation) {
        self.0.revoked.learn(revocation);
    }

    /// Forgets what has expired: grants, revocations, and keys whose last token is over; makes a new signing
    /// key when it is [time](Config::key_age). The server does so itself every ten minutes while it is used.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn tidy(&self) -> Result<(), BuildError> {
        self.0.tidy().await
    }
}

impl<B> Service<Request<B>> for Server
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let core = self.0.clone();
        Box::pin(async move { Ok(answer(core, request).await) })
    }
}

async fn answer<B>(core: Arc<Core>, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    let endpoint = match endpoint::find(head.uri.path(), &head.method) {
        Ok(endpoint) => endpoint,
        Err(response) => return *response,
    };
    if core.sweep_is_due() {
        tokio::spawn(sweep(core.clone()));
    }
    let answered = match Call::read(head, body).await {
        Ok(call) => endpoint.answer(&core, &call).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error: OAuthError| error.into_response(&core.realm))
}

async fn sweep(core: Arc<Core>) {
    if let Err(error) = core.tidy().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "what has expired could not be swept out");
    }
}

/// Builds a [`Server`].
#[derive(Clone)]
pub struct Builder {
    stores: Stores,
    issuer: String,
    clock: Arc<dyn Clock>,
    config: Config,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why a server could not be built, or could not change its keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The issuer must be an `https` or `http` URL without query and fragment (RFC 8414 section 2).
    #[error("the issuer {0:?} is not an http(s) URL without query and fragment")]
    Issuer(String),
    /// Something would be good for longer than its end is remembered: [`Revocation::LONGEST_GRANT`].
    #[error("the configured {0} is longer than the end of all of a user's tokens is remembered")]
    Lifetime(&'static str),
    /// A store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Hashing does not work as configured.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Signing keys cannot be read or made.
    #[error("signing keys cannot be read or made")]
    Keys(#[source] BoxError),
}

impl From<RingError> for BuildError {
    fn from(error: RingError) -> Self {
        match error {
            RingError::Store(error) => Self::Store(error),
            other => Self::Keys(other.into()),
        }
    }
}

impl Builder {
    /// The exact `iss` of tokens. Its origin is where browsers and clients reach the server. Default:
    /// `https://localhost:9443/oauth2/token`.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Where time comes from. Default: the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How it behaves.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Reads keys and revocations, makes the first key if there is none, and stands ready.
    ///
    /// # Errors
    ///
    /// The issuer is malformed, a lifetime is too long, the store fails, or a key cannot be read.
    pub async fn build(self) -> Result<Server, BuildError> {
        let Self { stores, issuer, clock, config } = self;
        check_lifetimes(&config)?;
        let url = Url::parse(&issuer).ok().filter(|url| {
            matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none()
        });
        let url = url.ok_or_else(|| BuildError::Issuer(issuer.clone()))?;
        let settings = Settings {
            tenant: config.tenant.clone(),
            name: RESIDENT.into(),
            issuer: issuer.clone(),
            lead: config.key_lead,
            longest_token: config.longest_access_token + config.leeway,
        };
        let keys = KeyRing::open(settings, stores.signing_keys.clone(), clock.clone()).await?;
        let revoked = Revoked::open(config.tenant.clone(), stores.revocations.clone(), clock.clone()).await?;
        let hashers = Hashers::new(config.password_cost, config.password_hashers)?;
        Ok(Server(Arc::new(Core {
            attempts: Attempts::new(config.attempts),
            origin: url.origin().ascii_serialization(),
            realm: url.host_str().unwrap_or_default().to_owned(),
            swept_at: AtomicU64::new(clock.now().as_millis()),
            edits: Mutex::new(()),
            latest_issue: AtomicU64::new(0),
            stores,
            config,
            issuer,
            clock,
            keys,
            revoked,
            hashers,
        })))
    }
}

fn check_lifetimes(config: &Config) -> Result<(), BuildError> {
    let lifetimes = [
        ("longest access token", config.longest_access_token + config.leeway),
        ("life of refresh tokens", config.refresh_token),
        ("life of codes", config.code),
    ];
    match lifetimes.into_iter().find(|(_, lifetime)| *lifetime > Revocation::LONGEST_GRANT) {
        Some((which, _)) => Err(BuildError::Lifetime(which)),
        None => Ok(()),
    }
}
