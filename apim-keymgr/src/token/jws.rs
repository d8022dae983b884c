//! JSON Web Signatures, as narrow as they can be: compact, RS256, three header members (RFC 7515).
//!
//! Written out here, and not with a library that can do more, because all that can go wrong with a JWS is
//! in what a verifier accepts: one algorithm, one type, keys of our own by their id, nothing else. The keys
//! stay parsed between calls, and no process-wide provider has to be installed first. Tests hold a second
//! opinion on every token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keys::{Key, KeyError};

/// The type of access tokens (RFC 9068 section 2.1).
pub(crate) const ACCESS: &str = "at+jwt";
/// The type of ID tokens.
pub(crate) const ID: &str = "JWT";

const ALGORITHM: &str = "RS256";
/// Tokens of ours are a tenth of that.
const LONGEST: usize = 16 * 1024;

/// Unknown members are refused: `crit`, `b64`, `jku`, `x5u` and `jwk` with them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

/// Signs claims.
pub(crate) fn sign(key: &Key, typ: &str, claims: &Map<String, Value>) -> Result<String, KeyError> {
    let header = Header { typ, alg: ALGORITHM, kid: &key.id };
    let header = serde_json::to_vec(&header).map_err(|_| KeyError("used: the header cannot be written"))?;
    let claims = serde_json::to_vec(claims).map_err(|_| KeyError("used: the claims cannot be written"))?;
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// A token taken apart; nothing about it is believed yet.
pub(crate) struct Unverified<'a> {
    /// The key that it names.
    pub(crate) kid: String,
    message: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

/// Takes a token apart, if it looks like one that this server signs as that type.
pub(crate) fn split<'a>(token: &'a str, typ: &str) -> Option<Unverified<'a>> {
    if token.len() > LONGEST {
        return None;
    }
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    if header.alg != ALGORITHM || header.typ != typ {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    Some(Unverified { kid: header.kid.to_owned(), message, claims, signature })
}

impl Unverified<'_> {
    /// The claims, if the key says so.
    pub(crate) fn verify(&self, key: &Key) -> Option<Map<String, Value>> {
        if !key.verifies(self.message.as_bytes(), &self.signature) {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(self.claims).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}
