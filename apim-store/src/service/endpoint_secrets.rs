//! Passwords of backends in an API's document: sealed where they are kept, blank where they are read.

use apim_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::db::Read;
use crate::definition::step;
use crate::error::{Failure, Result};

/// Members of `endpointConfig` that are secret, wherever in it they stand.
const SECRET: &[&str] =
    &["password", "proxyPassword", "clientSecret", "apiKeyValue", "secretKey", "accessKey", "amznSecretKey"];
/// What backends' token servers are sent besides; what of it is secret only the publisher knows.
const ALL_SECRET: &str = "customParameters";
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

/// A document with every secret open, for gateways.
pub(super) fn open(cx: &Read, doc: &Value) -> Result<Value> {
    let mut doc = doc.clone();
    for (pointer, text) in secrets(&doc) {
        let Some(sealed) = text.strip_prefix(MARK) else { continue };
        let sealed = STANDARD.decode(sealed).map_err(Failure::from_error)?;
        let open = cx.unseal(PURPOSE, &sealed)?;
        if let Some(place) = doc.pointer_mut(&pointer) {
            *place = Value::String(open.expose().to_owned());
        }
    }
    Ok(doc)
}

/// Blanks every secret.
pub(super) fn blank(doc: &mut Value) {
    for (pointer, _) in secrets(doc) {
        if let Some(place) = doc.pointer_mut(&pointer) {
            *place = Value::String(String::new());
        }
    }
}

/// Every secret, with the pointer to it.
fn secrets(doc: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(config) = doc.get("endpointConfig") {
        collect(config, "/endpointConfig", false, &mut found);
    }
    found
}

fn collect(value: &Value, pointer: &str, secret: bool, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) if secret => found.push((pointer.to_owned(), text.clone())),
        Value::Object(members) => {
            for (name, value) in members {
                let named = SECRET.contains(&name.as_str()) && value.is_string();
                collect(value, &step(pointer, name), secret || named || name == ALL_SECRET, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                collect(value, &step(pointer, index), secret, found);
            }
        }
        _ => {}
    }
}
