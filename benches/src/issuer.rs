//! An issuer of access tokens, as a key manager would be.

use std::sync::Arc;

use apim_core::model::KeyManagerConfig;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::json;

/// Signs with RS256 and a key of 2048 bits.
#[derive(Debug)]
pub struct Issuer {
    key: RsaKeyPair,
    header: String,
}

impl Default for Issuer {
    fn default() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "one"});
        Self { key, header: BASE64.encode(header.to_string()) }
    }
}

impl Issuer {
    /// What a gateway knows of it.
    pub fn config(&self) -> Arc<KeyManagerConfig> {
        // RSAPublicKey (RFC 8017 appendix A.1.1): two lengths and a sign byte, then 2048 bits of modulus.
        let modulus = BASE64.encode(&self.key.public_key().as_ref()[9..265]);
        let jwk = json!({"kty": "RSA", "kid": "one", "alg": "RS256", "n": modulus, "e": "AQAB"});
        let config = json!({
            "name": "Resident Key Manager",
            "issuer": "https://km.example/oauth2/token",
            "jwks": {"keys": [jwk]},
        });
        Arc::new(serde_json::from_value(config).unwrap())
    }

    /// A token of an OAuth client, about 700 bytes long, as WSO2's are at the least.
    pub fn token(&self, client: &str, number: usize) -> String {
        let claims = json!({
            "iss": "https://km.example/oauth2/token",
            "sub": "ann",
            "aut": "APPLICATION",
            "aud": [client],
            "azp": client,
            "scope": "default pets:read pets:write",
            "iat": 1_700_000_000,
            "nbf": 1_700_000_000,
            "exp": 4_000_000_000_u64,
            "jti": format!("f47ac10b-58cc-4372-a567-{number:012}"),
        });
        let signed = format!("{}.{}", self.header, BASE64.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }
}
