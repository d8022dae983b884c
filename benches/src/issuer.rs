//! An issuer of access tokens, as a key manager would be.

use std::sync::Arc;

use apim_core::model::KeyManagerConfig;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::json;

/// The issuer that tokens name.
pub const ISSUER: &str = "https://km.example/oauth2/token";

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
            "issuer": ISSUER,
            "jwks": {"keys": [jwk]},
        });
        Arc::new(serde_json::from_value(config).unwrap())
    }

    /// A token of an OAuth client, about 700 bytes long, as WSO2's are at the least.
    pub fn token(&self, client: &str, number: usize) -> String {
        self.sign(client, number, 4_000_000_000)
    }

    /// A token that was good once.
    pub fn expired_token(&self, client: &str) -> String {
        self.sign(client, 0, 1_700_000_600)
    }

    /// The public key (SubjectPublicKeyInfo, RFC 5280 section 4.1), for those who read PEM.
    pub fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.key.public_key().as_der().unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    fn sign(&self, client: &str, number: usize, expires: u64) -> String {
        let claims = json!({
            "iss": ISSUER,
            "sub": "ann",
            "aut": "APPLICATION",
            "aud": [client],
            "azp": client,
            "scope": "default pets:read pets:write",
            "iat": 1_700_000_000,
            "nbf": 1_700_000_000,
            "exp": expires,
            "jti": format!("f47ac10b-58cc-4372-a567-{number:012}"),
        });
        let signed = format!("{}.{}", self.header, BASE64.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }
}
