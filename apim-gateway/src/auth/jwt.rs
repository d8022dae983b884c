//! Reading and checking one JSON Web Token (RFC 7515, RFC 7519, RFC 9068).
//!
//! Strict where leniency has cost others: exactly one encoding of a token is accepted, members may not be
//! repeated, `crit` and unknown algorithms are refused, and a token is not an access token merely because
//! it is signed by the right key.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use apim_core::key_manager::TokenKind;
use apim_core::model::{ClientId, Scope, TokenId, UserName};
use apim_core::{Claims, Fault, Timestamp, fault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::keys::{Algorithm, KeySet};

/// Bytes of a token that are looked at.
const LONGEST: usize = 16 * 1024;

/// A token that has been taken apart, and not yet believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    header: Header,
    claims: Map<String, Value>,
}

/// What is read of a token's header. A repeated member is an error; keys and URLs of keys that a token
/// brings along (`jwk`, `jku`, `x5u`, `x5c`) are not read at all.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
    b64: Option<Value>,
}

/// Why a token is not good, for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It is longer than 16 KiB.
    #[error("the token is longer than {LONGEST} bytes")]
    TooLong,
    /// It is not three parts with dots between.
    #[error("the token is not three parts")]
    Parts,
    /// A part is not base64url without padding, in its only form.
    #[error("the {0} is not base64url")]
    Encoding(&'static str),
    /// A part is not the JSON object it should be.
    #[error("the {0} is not as it should be: {1}")]
    Json(&'static str, serde_json::Error),
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// [`Malformed`], in bounded time and memory whatever the text is.
    pub fn parse(token: &'a str) -> Result<Self, Malformed> {
        if token.len() > LONGEST {
            return Err(Malformed::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if claims.contains('.') {
            return Err(Malformed::Parts);
        }
        let header = decoded("header", header)?;
        let header = serde_json::from_slice(&header).map_err(|error| Malformed::Json("header", error))?;
        let claims = decoded("claims", claims)?;
        let Members(claims) =
            serde_json::from_slice(&claims).map_err(|error| Malformed::Json("claims", error))?;
        Ok(Self { signed, signature: decoded("signature", signature)?, header, claims })
    }

    /// The issuer it names.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// Checks signature, type and times, and answers what it says.
    ///
    /// # Errors
    ///
    /// [`INVALID_CREDENTIALS`](fault::INVALID_CREDENTIALS) or [`TOKEN_EXPIRED`](fault::TOKEN_EXPIRED).
    pub(super) fn verify(self, keys: &KeySet, now: Timestamp, leeway: Duration) -> Result<Claims, Fault> {
        self.header.check()?;
        let algorithm = Algorithm::named(&self.header.alg).ok_or_else(|| {
            invalid(format!("algorithm {:?} is not accepted", self.header.alg)).rule("token.algorithm")
        })?;
        let key = keys.key(self.header.kid.as_deref(), algorithm).ok_or_else(|| {
            invalid(format!("no key {:?} for {}", self.header.kid, self.header.alg)).rule("token.key")
        })?;
        key.verify_sig(self.signed.as_bytes(), &self.signature)
            .map_err(|_| invalid("the signature does not verify").rule("token.signature"))?;
        believed(self.claims, self.header.typ.as_deref(), keys, now, leeway)
    }
}

impl Header {
    fn check(&self) -> Result<(), Fault> {
        if self.crit.is_some() || self.b64.is_some() {
            return Err(invalid("it has critical extensions").rule("token.crit"));
        }
        let Some(typ) = &self.typ else { return Ok(()) };
        let typ = typ.to_ascii_lowercase();
        match typ.strip_prefix("application/").unwrap_or(&typ) {
            "at+jwt" | "jwt" => Ok(()),
            other => Err(invalid(format!("it is of type {other:?}, not an access token")).rule("token.typ")),
        }
    }
}

/// Reads the claims of a token whose signature is good.
fn believed(
    all: Map<String, Value>,
    typ: Option<&str>,
    keys: &KeySet,
    now: Timestamp,
    leeway: Duration,
) -> Result<Claims, Fault> {
    // An ID token is signed by the same key and says who logged in, not what may be called.
    let is_access_token = typ.is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt"));
    if !is_access_token && ["nonce", "at_hash", "c_hash"].iter().any(|claim| all.contains_key(*claim)) {
        return Err(invalid("it is an ID token").rule("token.typ"));
    }
    let expires_at = moment(&all, "exp")?.ok_or_else(|| invalid("it has no `exp`").rule("token.exp"))?;
    check_expiry(expires_at, now, leeway)?;
    let issued_at = moment(&all, "iat")?;
    for (claim, at) in [("nbf", moment(&all, "nbf")?), ("iat", issued_at)] {
        if at.is_some_and(|at| at > now.plus(leeway)) {
            return Err(invalid(format!("its `{claim}` lies in the future")).rule("token.nbf"));
        }
    }
    let text = |claim: &str| all.get(claim).and_then(Value::as_str);
    let client = [keys.client_claim.as_str(), "azp", "client_id", "consumerKey"].into_iter().find_map(text);
    let client = client.ok_or_else(|| invalid("it names no OAuth client").rule("token.client"))?;
    let kind = if text("aut") == Some("APPLICATION") { TokenKind::Application } else { TokenKind::User };
    Ok(Claims {
        key_manager: keys.name.clone(),
        issuer: keys.issuer.clone(),
        subject: UserName::from(text("sub").unwrap_or_default()),
        client: ClientId::from(client),
        scopes: list(&all, &keys.scopes_claim).map(|scope| Scope::from(&*scope)).collect(),
        audiences: list(&all, "aud").map(Cow::into_owned).collect(),
        id: text("jti").map(TokenId::from),
        issued_at,
        expires_at,
        kind,
        all,
    })
}

/// Refuses a token that has expired, allowing for clocks that differ a little.
pub(super) fn check_expiry(expires_at: Timestamp, now: Timestamp, leeway: Duration) -> Result<(), Fault> {
    if now >= expires_at.plus(leeway) {
        return Err(Fault::new(fault::TOKEN_EXPIRED)
            .because("Renew the access token and try again")
            .rule("token.exp")
            .wanted(Timestamp::default().plus(now.since(Timestamp::default().plus(leeway))))
            .found(expires_at));
    }
    Ok(())
}

/// The refusal of a token, with the reason for the operator only.
pub(super) fn invalid(detail: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(fault::INVALID_CREDENTIALS)
        .because("Make sure you have provided the correct security credentials")
        .detail(detail)
}

/// A `NumericDate`: seconds, which may have a fraction (RFC 7519 section 2).
fn moment(all: &Map<String, Value>, claim: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(value) = all.get(claim) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(Timestamp::from_secs(seconds)));
    }
    match value.as_f64() {
        // The cast saturates, which is as far in the future as one can say.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive")]
        Some(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            Ok(Some(Timestamp::from_millis((seconds * 1000.0) as u64)))
        }
        _ => Err(invalid(format!("its `{claim}` is not a date")).rule("token.date")),
    }
}

/// A claim that is text with blanks between, or a list of texts.
fn list<'a>(all: &'a Map<String, Value>, claim: &str) -> impl Iterator<Item = Cow<'a, str>> {
    let (text, items) = match all.get(claim) {
        Some(Value::String(text)) => (text.as_str(), &[][..]),
        Some(Value::Array(items)) => ("", items.as_slice()),
        _ => ("", &[][..]),
    };
    let words = text.split_ascii_whitespace();
    words.chain(items.iter().filter_map(Value::as_str)).map(Cow::Borrowed)
}

fn decoded(part: &'static str, text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed::Encoding(part))
}

/// An object of which no member is repeated: two readers could otherwise see two different tokens.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("member `{name}` is repeated")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Once)
    }
}
