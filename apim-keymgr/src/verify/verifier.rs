//! Our own tokens on our own REST APIs.

use std::sync::Arc;

use apim_core::key_manager::{Claims, TokenVerifier};
use apim_core::{Fault, Step, fault};

use super::Worth;
use crate::server::Core;

/// Verifies against the server's own memory and stores; nothing goes over a network.
pub(crate) struct Verifier(pub(crate) Arc<Core>);

impl TokenVerifier for Verifier {
    fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
        Step::wait(async move {
            match self.0.appraise(token).await {
                Ok(Worth::Good(claims)) => Ok(Arc::from(claims)),
                Ok(Worth::Expired) => Err(Fault::new(fault::TOKEN_EXPIRED)),
                Ok(Worth::Revoked) => Err(Fault::new(fault::TOKEN_INACTIVE)),
                Ok(Worth::Foreign) => Err(Fault::new(fault::INVALID_CREDENTIALS)),
                Err(error) => Err(Fault::new(fault::UNCLASSIFIED).caused_by(error)),
            }
        })
    }
}
