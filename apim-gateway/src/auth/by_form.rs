//! Tokens that speak for themselves, and tokens that somebody has to be asked about.

use std::fmt;
use std::sync::Arc;

use apim_core::{Claims, Fault, Step, TokenVerifier, Worker};

/// Gives tokens of the form of a JWT (two dots) to one verifier, and all others to another.
///
/// The form alone decides, so that no token gets a second chance: a JWT that is refused is not asked about.
pub struct ByForm {
    jwt: Arc<dyn TokenVerifier>,
    opaque: Arc<dyn TokenVerifier>,
}

impl ByForm {
    /// Of both.
    pub fn new(jwt: Arc<dyn TokenVerifier>, opaque: Arc<dyn TokenVerifier>) -> Self {
        Self { jwt, opaque }
    }

    fn of(&self, token: &str) -> &dyn TokenVerifier {
        if memchr::memchr_iter(b'.', token.as_bytes()).count() == 2 { &*self.jwt } else { &*self.opaque }
    }
}

impl TokenVerifier for ByForm {
    fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
        self.of(token).verify(token)
    }

    fn verify_on<'a>(&'a self, token: &'a str, worker: Worker) -> Step<'a, Result<Arc<Claims>, Fault>> {
        self.of(token).verify_on(token, worker)
    }
}

impl fmt::Debug for ByForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByForm")
    }
}
