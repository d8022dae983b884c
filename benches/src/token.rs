//! Verification of access tokens, remembered and not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apim_core::{Claims, Step, SystemClock, TokenVerifier as _};
use apim_gateway::auth::{JwtVerifier, KeySet, Trust};

use crate::Subject;
use crate::issuer::Issuer;

/// RS256 tokens, met before and for the first time.
pub fn subjects() -> Vec<Subject> {
    vec![
        verify("RS256, remembered", 1, false),
        verify("RS256, remembered, 1,000 tokens in turn", 1_000, false),
        verify("RS256, not remembered", 1, true),
        refuse("a token that is none"),
    ]
}

/// One key manager, and nothing revoked.
struct Known {
    keys: Arc<KeySet>,
    generation: AtomicU64,
}

impl Trust for Known {
    fn key_set(&self, issuer: &str) -> Option<Arc<KeySet>> {
        (issuer == self.keys.issuer()).then(|| self.keys.clone())
    }
    fn revoked(&self, _: &Claims) -> bool {
        false
    }
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

fn verifier(issuer: &Issuer) -> (Arc<Known>, JwtVerifier) {
    let keys = Arc::new(KeySet::parse(&issuer.config()).unwrap());
    let known = Arc::new(Known { keys, generation: AtomicU64::new(0) });
    let verifier = JwtVerifier::new(known.clone(), Arc::new(SystemClock), JwtVerifier::USUAL_LEEWAY, 1);
    (known, verifier)
}

/// Verifies so many tokens in turn; `forget` makes the verifier forget what it remembers each time.
fn verify(name: &str, tokens: usize, forget: bool) -> Subject {
    let issuer = Issuer::default();
    let (known, verifier) = verifier(&issuer);
    let tokens: Vec<_> = (0..tokens).map(|number| issuer.token("client", number)).collect();
    let mut turn = 0;
    Subject::new(name, move || {
        turn = (turn + 1) % tokens.len();
        known.generation.fetch_add(u64::from(forget), Ordering::Relaxed);
        let Step::Done(claims) = verifier.verify(&tokens[turn]) else { return };
        assert!(std::hint::black_box(claims).is_ok());
    })
}

fn refuse(name: &str) -> Subject {
    let (_, verifier) = verifier(&Issuer::default());
    Subject::new(name, move || {
        let Step::Done(claims) = verifier.verify("f47ac10b-58cc-4372-a567-0e02b2c3d479") else { return };
        assert!(std::hint::black_box(claims).is_err());
    })
}
