//! The claims of an access token, read back (spec: key-manager, section 3).

use apim_core::Timestamp;
use apim_core::key_manager::{Claims, TokenKind};
use apim_core::model::{Audience, KeyManagerName, Scope, TokenId, UserName};
use serde_json::{Map, Value};

/// Reads claims whose signature has been verified. None if one that must be there is not, or is of another
/// type: a date that is no whole number, say.
pub(crate) fn read(key_manager: KeyManagerName, all: Map<String, Value>) -> Option<Claims> {
    let text = |name: &str| all.get(name).and_then(Value::as_str);
    let moment = |name: &str| all.get(name).and_then(Value::as_u64).map(Timestamp::from_secs);
    let kind = match text("aut")? {
        "APPLICATION" => TokenKind::Application,
        "APPLICATION_USER" => TokenKind::User,
        _ => return None,
    };
    let audiences = match all.get("aud")? {
        Value::String(one) => vec![one.as_str().into()],
        Value::Array(many) => many.iter().map(|v| v.as_str().map(Audience::from)).collect::<Option<_>>()?,
        _ => return None,
    };
    Some(Claims {
        key_manager,
        issuer: text("iss")?.into(),
        subject: UserName::from(text("sub")?),
        client: text("azp")?.into(),
        scopes: text("scope")?.split(' ').filter(|word| !word.is_empty()).map(Scope::from).collect(),
        audiences,
        id: Some(TokenId::from(text("jti")?)),
        issued_at: Some(moment("iat")?),
        expires_at: moment("exp")?,
        kind,
        all: all.into(),
    })
}
