//! The gateway's own verifier of access tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apim_core::{Claims, Clock, Fact, Fault, PerWorker, Step, Timestamp, TokenVerifier, Worker, fault};

use super::jwt::{self, Decoded};
use super::keys::KeySet;
use super::memory::Memory;

/// What a verifier has to know of the world, which changes under it.
pub trait Trust: Send + Sync + 'static {
    /// The key manager whose tokens carry exactly this issuer.
    fn key_set(&self, issuer: &str) -> Option<Arc<KeySet>>;

    /// Whether the token has been revoked, alone or with its client or user.
    fn revoked(&self, claims: &Claims) -> bool;

    /// Changes whenever a key manager or its keys do; remembered tokens are forgotten then.
    fn generation(&self) -> u64;
}

/// Verifies JWT access tokens against the key managers a gateway trusts, and remembers those it has seen.
///
/// It never waits. Each worker has a memory of its own; what is remembered is that the signature was good,
/// so a token in use costs no RSA operation, while its expiry and revocation are looked at every time.
pub struct JwtVerifier {
    trust: Arc<dyn Trust>,
    clock: Arc<dyn Clock>,
    leeway: Duration,
    memory: PerWorker<Memory>,
    room: usize,
}

impl JwtVerifier {
    /// How far clocks may differ, unless said otherwise.
    pub const USUAL_LEEWAY: Duration = Duration::from_secs(5);

    /// Bytes that all workers together remember tokens in, unless said otherwise: about 12,000 tokens of WSO2's.
    pub const USUAL_ROOM: usize = 16 << 20;

    /// With what is trusted, a clock, how far other clocks may differ, and how many workers there are.
    pub fn new(trust: Arc<dyn Trust>, clock: Arc<dyn Clock>, leeway: Duration, workers: usize) -> Self {
        Self::with_room(trust, clock, leeway, workers, Self::USUAL_ROOM)
    }

    /// The same, with so many bytes to remember tokens in. Each worker has its part of them, since it remembers
    /// for itself; with none, each call costs its signature.
    pub fn with_room(
        trust: Arc<dyn Trust>,
        clock: Arc<dyn Clock>,
        leeway: Duration,
        workers: usize,
        room: usize,
    ) -> Self {
        let share = room / workers.max(1);
        Self { trust, clock, leeway, memory: PerWorker::new(workers, || Memory::new(share)), room }
    }

    /// Bytes that all workers together may remember tokens in.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Bytes that they do now.
    pub fn remembered(&self) -> usize {
        self.memory.iter().map(|memory| memory.size()).sum()
    }

    /// How far clocks may differ.
    pub fn leeway(&self) -> Duration {
        self.leeway
    }

    fn check(&self, token: &str, worker: Worker) -> Result<Arc<Claims>, Fault> {
        let generation = self.trust.generation();
        let remembered = self.memory.of(worker).at(generation).get(token);
        // What is said in whole seconds needs no more than this.
        let now = self.clock.coarse();
        if let Some(claims) = remembered {
            let good =
                jwt::check_expiry(claims.expires_at, now, self.leeway).and_then(|()| self.in_force(&claims));
            return good.map(|()| claims).inspect_err(|_| self.memory.of(worker).forget(token));
        }
        let claims = Arc::new(self.read(token, now)?);
        self.in_force(&claims)?;
        self.memory.of(worker).at(generation).put(token, &claims, now);
        Ok(claims)
    }

    /// What a token says that is not remembered.
    fn read(&self, token: &str, now: Timestamp) -> Result<Claims, Fault> {
        let malformed = |error: jwt::Malformed| jwt::invalid(error.to_string()).rule("token.form");
        let decoded = Decoded::parse(token).map_err(malformed)?;
        let unverified = decoded.read().map_err(malformed)?;
        let issuer =
            unverified.issuer().ok_or_else(|| jwt::invalid("it names no issuer").rule("token.iss"))?;
        let keys = self.trust.key_set(issuer).ok_or_else(|| {
            jwt::invalid("the issuer is not trusted").rule("token.iss").found(issuer.to_owned())
        })?;
        unverified.verify(&keys, now, self.leeway)
    }

    fn in_force(&self, claims: &Claims) -> Result<(), Fault> {
        if !self.trust.revoked(claims) {
            return Ok(());
        }
        Err(Fault::new(fault::TOKEN_INACTIVE)
            .because("Access token has been revoked")
            .rule("revocations")
            .found(Fact::list(
                claims.id.as_ref().map(Fact::from).into_iter().chain([(&claims.client).into()]),
            )))
    }
}

impl TokenVerifier for JwtVerifier {
    fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
        Step::Done(self.check(token, Worker::default()))
    }

    fn verify_on<'a>(&'a self, token: &'a str, worker: Worker) -> Step<'a, Result<Arc<Claims>, Fault>> {
        Step::Done(self.check(token, worker))
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier").field("leeway", &self.leeway).finish_non_exhaustive()
    }
}
