//! A key manager of one's own: `hmac` accepts tokens that somebody signed with a secret shared with the gateway.
//!
//! It depends on `apim-core`, and on what it computes with. A gateway installs it with one line,
//! `.verifiers(Registry::default().with::<custom_key_manager::Hmac>())`, and from then on a file can name it: as
//! `verifier` for all tokens or, beside the gateway's own for JWTs, as `opaque` for all others:
//!
//! ```yaml
//! opaque:
//!   use: hmac
//!   secret: at least 32 characters that only both sides know
//! ```
//!
//! A token is `client:expiry:signature`: an OAuth client, seconds since the epoch, base64url of HMAC-SHA-256.

use std::sync::Arc;

use apim_core::key_manager::{Claims, KeyManager, TokenVerifier};
use apim_core::model::KeyManagerName;
use apim_core::{BuildError, Clock, Fault, Parts, Provide, Secret, Step, Timestamp, fault};
use aws_lc_rs::hmac;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use schemars::JsonSchema;
use serde::Deserialize;

/// What a file can say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What both sides know: 32 characters or more.
    secret: Secret,
}

/// Knows the secret; cheap to clone.
#[derive(Clone)]
pub struct Hmac(Arc<hmac::Key>, Arc<dyn Clock>);

impl Hmac {
    fn check(&self, token: &str) -> Option<Result<Arc<Claims>, Fault>> {
        let (signed, signature) = token.rsplit_once(':')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let (client, expiry) = signed.rsplit_once(':')?;
        let expires_at = Timestamp::from_secs(expiry.parse().ok()?);
        if expires_at <= self.1.now() {
            return Some(Err(Fault::new(fault::TOKEN_EXPIRED)));
        }
        Some(Ok(Arc::new(Claims::new(self.name(), client.into(), client.into(), expires_at))))
    }
}

/// The hot half: the gateway asks it about each token.
impl TokenVerifier for Hmac {
    fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
        Step::Done(self.check(token).unwrap_or_else(|| Err(Fault::new(fault::INVALID_CREDENTIALS))))
    }
}

/// The cold half: a control plane that was given it shows its name, and cannot register clients with it.
impl KeyManager for Hmac {
    fn name(&self) -> KeyManagerName {
        "hmac".into()
    }

    fn verifier(&self) -> Arc<dyn TokenVerifier> {
        Arc::new(self.clone())
    }
}

impl Provide<Arc<dyn TokenVerifier>> for Hmac {
    const NAME: &'static str = "hmac";
    type Config = Config;

    async fn build(config: Config, parts: &Parts) -> Result<Arc<dyn TokenVerifier>, BuildError> {
        if config.secret.expose().len() < 32 {
            return Err(BuildError::at("secret", "shorter than 32 characters"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret.expose().as_bytes());
        Ok(Self(Arc::new(key), parts.clock()).verifier())
    }
}
