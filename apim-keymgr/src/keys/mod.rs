//! The keys that sign tokens.

mod pem;
mod ring;

pub(crate) use ring::{KeyRing, RingError, Settings};

use apim_core::store::SigningKey;
use apim_core::{Secret, Timestamp};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[error("a signing key could not be {0}")]
pub(crate) struct KeyError(pub(crate) &'static str);

/// An RSA key pair, parsed once: parsing costs as much as signing does.
pub(crate) struct Key {
    /// RFC 7638 thumbprint of the public half.
    pub(crate) id: String,
    pub(crate) jwk: Value,
    pub(crate) created_at: Timestamp,
    pub(crate) retired_at: Option<Timestamp>,
    pair: KeyPair,
    public: ParsedPublicKey,
}

impl Key {
    /// Makes a key; what the store keeps is the other half of the answer.
    pub(crate) fn generate(created_at: Timestamp) -> Result<SigningKey, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError("made"))?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError("written"))?;
        let (id, _) = published(pair.public_key());
        let private = Secret::new(pem::encode(der.as_ref()).as_str());
        Ok(SigningKey { id, private, created_at, retired_at: None })
    }

    /// Reads a key that was kept.
    pub(crate) fn read(kept: &SigningKey) -> Result<Self, KeyError> {
        let der = pem::decode(kept.private.expose()).ok_or(KeyError("read from PEM"))?;
        let pair = KeyPair::from_pkcs8(&der).map_err(|_| KeyError("read from PKCS #8"))?;
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
            .map_err(|_| KeyError("read: its public half is malformed"))?;
        let (id, jwk) = published(pair.public_key());
        if id != kept.id {
            return Err(KeyError("read: it is not the key that its id says"));
        }
        let (created_at, retired_at) = (kept.created_at, kept.retired_at);
        Ok(Self { id, jwk, created_at, retired_at, pair, public })
    }

    /// RS256 (RFC 7518 section 3.3). Takes under a millisecond, so it stays on the caller's thread.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), message, &mut signature)
            .map_err(|_| KeyError("used"))?;
        Ok(signature)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

/// The public half as a JSON Web Key (RFC 7517), and its thumbprint (RFC 7638).
fn published(public: &PublicKey) -> (String, Value) {
    let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
    let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
    // The thumbprint's members stand in this order, without spaces (RFC 7638 section 3.3).
    let canonical = format!("{{\"e\":\"{e}\",\"kty\":\"RSA\",\"n\":\"{n}\"}}");
    let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
    let jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e });
    (id, jwk)
}
