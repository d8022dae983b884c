//! Passwords of backends in an API's document: sealed where they are kept, blank where they are read.

use apim_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::db::Read;
use crate::error::Result;

/// Members of `endpoint_security` that are secret.
const SECRET: &[&str] = &["password", "clientSecret", "apiKeyValue", "secretKey", "accessKey"];
/// Other members of `endpointConfig` that are.
const SECRET_OF_CONFIG: &[&str] = &["amznSecretKey"];
/// What marks a sealed text; a client's own text that begins so is sealed like any other.
const MARK: &str = "sealed:";
const PURPOSE: &str = "endpoint secret";

/// Seals what a client sent. A blank secret means the one that is kept, since that is how clients read it.
pub(super) fn seal(cx: &Read, doc: &mut Value, kept: Option<&Value>) -> Result<()> {
    for (pointer, text) in secrets(doc) {
        let sealed = if text.is_empty() {
            let kept = kept.and_then(|kept| kept.pointer(&pointer)).cloned();
            kept.unwrap_or_else(|| Value::String(String::new()))
        } else {
            let sealed = cx.seal(PURPOSE, &Secret::new(text))?;
            Value::String(format!("{MARK}{}", STANDARD.encode(sealed)))
        };
        if let Some(place) = doc.pointer_mut(&pointer) {
            *place = sealed;
        }
    }
    Ok(())
}

/// Blanks every secret.
pub(super) fn blank(doc: &mut Value) {
    for (pointer, _) in secrets(doc) {
        if let Some(place) = doc.pointer_mut(&pointer) {
            *place = Value::String(String::new());
        }
    }
}

fn secrets(doc: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let Some(config) = doc.get("endpointConfig") else { return found };
    collect(config, "/endpointConfig", SECRET_OF_CONFIG, &mut found);
    for environment in ["production", "sandbox"] {
        let pointer = format!("/endpointConfig/endpoint_security/{environment}");
        if let Some(security) = doc.pointer(&pointer) {
            collect(security, &pointer, SECRET, &mut found);
        }
    }
    found
}

fn collect(object: &Value, pointer: &str, names: &[&str], found: &mut Vec<(String, String)>) {
    for name in names {
        if let Some(Value::String(text)) = object.get(name) {
            found.push((format!("{pointer}/{name}"), text.clone()));
        }
    }
}
