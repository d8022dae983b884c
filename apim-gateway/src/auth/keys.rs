//! The public keys of a key manager, parsed once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use apim_core::model::{KeyManagerConfig, KeyManagerName};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// More keys than this are not one key manager's.
const MOST_KEYS: usize = 100;

/// Signature algorithms that are accepted (RFC 7518 section 3.1, RFC 8037). All are asymmetric: a token
/// signed with a shared secret, or with none, is refused because its algorithm does not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// From a header's `alg`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

/// A key manager whose tokens are good, with its public keys.
pub struct KeySet {
    pub(super) name: KeyManagerName,
    pub(super) issuer: Arc<str>,
    pub(super) client_claim: String,
    pub(super) scopes_claim: String,
    /// By `kid`; a key that has none stands under the empty text.
    keys: HashMap<String, Vec<Key>>,
}

struct Key {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// One key of a set (RFC 7517 section 4). Members that are not needed are not read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    #[serde(default)]
    kid: String,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Parses a key manager's keys. Keys for other uses, of other types or for other algorithms are left out,
    /// as RFC 7517 section 5 asks.
    ///
    /// # Errors
    ///
    /// If it is not a key set, a key is malformed, or no key is left.
    pub fn parse(config: &KeyManagerConfig) -> Result<Self, String> {
        let list = config.jwks.get("keys").and_then(Value::as_array).ok_or("jwks has no list `keys`")?;
        if list.len() > MOST_KEYS {
            return Err(format!("jwks has more than {MOST_KEYS} keys"));
        }
        let mut keys = HashMap::<String, Vec<Key>>::new();
        for (index, value) in list.iter().enumerate() {
            let place = |rule: String| format!("jwks.keys[{index}]: {rule}");
            let jwk = Jwk::deserialize(value).map_err(|error| place(error.to_string()))?;
            let parsed = jwk.parse().map_err(place)?;
            keys.entry(jwk.kid).or_default().extend(parsed);
        }
        keys.retain(|_, keys| !keys.is_empty());
        if keys.is_empty() {
            return Err("jwks has no key that can verify a signature".to_owned());
        }
        Ok(Self {
            name: config.name.clone(),
            issuer: config.issuer.as_str().into(),
            client_claim: config.client_claim.clone(),
            scopes_claim: config.scopes_claim.clone(),
            keys,
        })
    }

    /// The exact `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key manager's name.
    pub fn name(&self) -> &KeyManagerName {
        &self.name
    }

    /// The key for a token. A token may leave its `kid` out only where there is no choice.
    pub(super) fn key(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let candidates = match kid {
            Some(kid) => self.keys.get(kid)?,
            None if self.keys.len() == 1 => self.keys.values().next()?,
            None => return None,
        };
        candidates.iter().find(|key| key.algorithm == algorithm).map(|key| &key.key)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .field("kids", &self.keys.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Jwk {
    fn parse(&self) -> Result<Vec<Key>, String> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(Vec::new());
        }
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa(),
            ("EC", Some("P-256")) => self.curve(Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
            ("EC", Some("P-384")) => self.curve(Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
            ("OKP", Some("Ed25519")) => {
                let x = decoded("x", self.x.as_deref())?;
                let key =
                    ParsedPublicKey::new(&signature::ED25519, x).map_err(|error| format!("x: {error}"))?;
                Ok(self
                    .allowed(Algorithm::EdDsa)
                    .then_some(Key { algorithm: Algorithm::EdDsa, key })
                    .into_iter()
                    .collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether the key may be used so; `alg`, where it stands, says so.
    fn allowed(&self, algorithm: Algorithm) -> bool {
        self.alg.as_deref().is_none_or(|name| Algorithm::named(name) == Some(algorithm))
    }

    fn rsa(&self) -> Result<Vec<Key>, String> {
        let (n, e) = (decoded("n", self.n.as_deref())?, decoded("e", self.e.as_deref())?);
        // Smaller ones are within reach of a patient attacker.
        if n.len() < 256 {
            return Err(format!("n: {} bits are too few, 2048 are needed", n.len() * 8));
        }
        let components = RsaPublicKeyComponents { n, e };
        let uses = [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256];
        let uses = uses.into_iter().filter(|algorithm| self.allowed(*algorithm));
        uses.filter_map(|algorithm| Some((algorithm, algorithm.rsa()?)))
            .map(|(algorithm, parameters)| {
                let key =
                    components.to_parsed_public_key(parameters).map_err(|error| format!("n, e: {error}"))?;
                Ok(Key { algorithm, key })
            })
            .collect()
    }

    fn curve(
        &self,
        algorithm: Algorithm,
        parameters: &'static signature::EcdsaVerificationAlgorithm,
        width: usize,
    ) -> Result<Vec<Key>, String> {
        if !self.allowed(algorithm) {
            return Ok(Vec::new());
        }
        let (x, y) = (decoded("x", self.x.as_deref())?, decoded("y", self.y.as_deref())?);
        if x.len() != width || y.len() != width {
            return Err(format!("x, y: {width} bytes each are needed"));
        }
        // An uncompressed point (SEC 1 section 2.3.3).
        let point = [&[4u8][..], &x, &y].concat();
        let key = ParsedPublicKey::new(parameters, point).map_err(|error| format!("x, y: {error}"))?;
        Ok(vec![Key { algorithm, key }])
    }
}

fn decoded(name: &str, text: Option<&str>) -> Result<Vec<u8>, String> {
    let text = text.ok_or_else(|| format!("{name} is missing"))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("{name}: {error}"))
}
