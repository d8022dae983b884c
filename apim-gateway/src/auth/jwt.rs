//! Reading and checking one JSON Web Token (RFC 7515, RFC 7519, RFC 9068).
//!
//! Strict where leniency has cost others: exactly one encoding of a token is accepted, members may not be
//! repeated, `crit` and unknown algorithms are refused, and a token is not an access token merely because
//! it is signed by the right key.

use std::borrow::Cow;
use std::time::Duration;

use apim_core::key_manager::{ClaimsSet, TokenKind};
use apim_core::model::{Audience, ClientId, Scope, TokenId, UserName};
use apim_core::{Claims, Fault, Timestamp, fault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use smallvec::SmallVec;

use super::claims::{Members, Said};
use super::keys::{Algorithm, KeySet};

/// Bytes of a token that are looked at.
const LONGEST: usize = 16 * 1024;

/// A token whose three parts are decoded; what is usual has room without an allocation.
#[derive(Debug)]
pub struct Decoded<'a> {
    signed: &'a str,
    header: SmallVec<[u8; 128]>,
    claims: SmallVec<[u8; 1024]>,
    signature: SmallVec<[u8; 512]>,
}

/// A token that has been taken apart, and not yet believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a str,
    signature: &'a [u8],
    header: Header<'a>,
    text: &'a str,
    claims: Members<'a>,
}

/// What is read of a token's header. A repeated member is an error; keys and URLs of keys that a token
/// brings along (`jwk`, `jku`, `x5u`, `x5c`) are not read at all.
#[derive(Debug, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Option<Text<'a>>,
    #[serde(borrow)]
    kid: Option<Text<'a>>,
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
}

/// A text that is copied only if it has escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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

impl<'a> Decoded<'a> {
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
        Ok(Self {
            signed,
            header: decoded("header", header)?,
            claims: decoded("claims", claims)?,
            signature: decoded("signature", signature)?,
        })
    }

    /// Reads the parts.
    ///
    /// # Errors
    ///
    /// [`Malformed`], if one is not the JSON object it should be.
    pub fn read(&self) -> Result<Unverified<'_>, Malformed> {
        let header =
            serde_json::from_slice(&self.header).map_err(|error| Malformed::Json("header", error))?;
        let text = str::from_utf8(&self.claims).map_err(|_| Malformed::Encoding("claims"))?;
        let claims = serde_json::from_str(text).map_err(|error| Malformed::Json("claims", error))?;
        Ok(Unverified { signed: self.signed, signature: &self.signature, header, text, claims })
    }
}

impl Unverified<'_> {
    /// The issuer it names.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.text("iss")
    }

    /// Checks signature, type and times, and answers what it says.
    ///
    /// # Errors
    ///
    /// [`INVALID_CREDENTIALS`](fault::INVALID_CREDENTIALS) or [`TOKEN_EXPIRED`](fault::TOKEN_EXPIRED).
    pub(super) fn verify(self, keys: &KeySet, now: Timestamp, leeway: Duration) -> Result<Claims, Fault> {
        let typ = self.header.check()?;
        let algorithm = Algorithm::named(&self.header.alg).ok_or_else(|| {
            invalid(format!("algorithm {:?} is not accepted", self.header.alg)).rule("token.algorithm")
        })?;
        let kid = self.header.kid.as_ref().map(|kid| &*kid.0);
        let key = keys
            .key(kid, algorithm)
            .ok_or_else(|| invalid(format!("no key {kid:?} for {}", self.header.alg)).rule("token.key"))?;
        key.verify_sig(self.signed.as_bytes(), self.signature)
            .map_err(|_| invalid("the signature does not verify").rule("token.signature"))?;
        self.believed(typ, keys, now, leeway)
    }

    /// Reads the claims of a token whose signature is good.
    fn believed(self, typ: Type, keys: &KeySet, now: Timestamp, leeway: Duration) -> Result<Claims, Fault> {
        let all = &self.claims;
        // An ID token is signed by the same key and says who logged in, not what may be called.
        let is_id_token = || ["nonce", "at_hash", "c_hash"].iter().any(|claim| all.get(claim).is_some());
        if typ != Type::AccessToken && is_id_token() {
            return Err(invalid("it is an ID token").rule("token.typ"));
        }
        let expires_at = moment(all, "exp")?.ok_or_else(|| invalid("it has no `exp`").rule("token.exp"))?;
        check_expiry(expires_at, now, leeway)?;
        let issued_at = moment(all, "iat")?;
        for (claim, at) in [("nbf", moment(all, "nbf")?), ("iat", issued_at)] {
            if at.is_some_and(|at| at > now.plus(leeway)) {
                return Err(invalid(format!("its `{claim}` lies in the future")).rule("token.nbf"));
            }
        }
        let client = [keys.client_claim.as_str(), "azp", "client_id", "consumerKey"];
        let client = client.into_iter().find_map(|claim| all.text(claim));
        let client = client.ok_or_else(|| invalid("it names no OAuth client").rule("token.client"))?;
        let kind =
            if all.text("aut") == Some("APPLICATION") { TokenKind::Application } else { TokenKind::User };
        Ok(Claims {
            key_manager: keys.name.clone(),
            issuer: keys.issuer.clone(),
            subject: UserName::shared(all.text("sub").unwrap_or_default()),
            client: ClientId::shared(client),
            scopes: all.list(&keys.scopes_claim).map(Scope::shared).collect(),
            audiences: all.list("aud").map(Audience::shared).collect(),
            id: all.text("jti").map(TokenId::from),
            issued_at,
            expires_at,
            kind,
            all: ClaimsSet::new(self.text),
        })
    }
}

/// What a token says it is.
#[derive(PartialEq)]
enum Type {
    /// An access token (RFC 9068 section 2.1).
    AccessToken,
    /// Any JWT.
    Any,
}

impl Header<'_> {
    fn check(&self) -> Result<Type, Fault> {
        if self.crit.is_some() || self.b64.is_some() {
            return Err(invalid("it has critical extensions").rule("token.crit"));
        }
        let Some(Text(typ)) = &self.typ else { return Ok(Type::Any) };
        let prefix = |prefix: &&str| prefix.eq_ignore_ascii_case("application/");
        let bare =
            typ.get(.."application/".len()).filter(prefix).map_or(&**typ, |prefix| &typ[prefix.len()..]);
        if bare.eq_ignore_ascii_case("at+jwt") {
            return Ok(Type::AccessToken);
        }
        if bare.eq_ignore_ascii_case("jwt") {
            return Ok(Type::Any);
        }
        Err(invalid(format!("it is of type {bare:?}, not an access token")).rule("token.typ"))
    }
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
fn moment(all: &Members<'_>, claim: &str) -> Result<Option<Timestamp>, Fault> {
    match all.get(claim) {
        None => Ok(None),
        Some(Said::Whole(seconds)) => Ok(Some(Timestamp::from_secs(*seconds))),
        // The cast saturates, which is as far in the future as one can say.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive")]
        Some(Said::Number(seconds)) if seconds.is_finite() && *seconds >= 0.0 => {
            Ok(Some(Timestamp::from_millis((seconds * 1000.0) as u64)))
        }
        Some(_) => Err(invalid(format!("its `{claim}` is not a date")).rule("token.date")),
    }
}

fn decoded<const N: usize>(part: &'static str, text: &str) -> Result<SmallVec<[u8; N]>, Malformed>
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    let mut bytes = SmallVec::new();
    // As much as is needed or a little more.
    bytes.resize(text.len().div_ceil(4) * 3, 0);
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| Malformed::Encoding(part))?;
    bytes.truncate(length);
    Ok(bytes)
}
