//! API keys of applications: opaque, random, told once.
//!
//! Only the SHA-256 of a key is kept. That is enough against whoever copies the database: a key has 256
//! random bits, so unlike a password it cannot be guessed from its hash.

use std::time::Duration;

use apim_core::event::Change;
use apim_core::model::{ApiKey, ApplicationId, KeyId, KeyType};
use apim_core::{Secret, Timestamp};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) use crate::db::api_keys::Key;

use crate::db::{Read, Write, api_keys};
use crate::error::{Failure, Finding, Result, code};
use crate::service::{Expected, application};

/// Keys that one application may have of one type.
const MOST: usize = 100;

/// Addresses, or patterns of referers, that one key may be bound to.
const MOST_PLACES: usize = 100;

/// A key that was just made. Its text is not known to anybody afterwards.
pub(crate) struct Made {
    pub(crate) key: Key,
    pub(crate) text: Secret,
}

/// Makes a key for one of the caller's applications.
pub(crate) async fn generate(
    cx: &mut Write,
    application: &str,
    key_type: KeyType,
    body: &Value,
) -> Result<Made> {
    let application = application::to_edit(cx, application, &Expected::any()).await?;
    let issued_at = cx.now();
    let expires_at = lifetime(body)?.map(|life| issued_at.plus(life));
    let places = &body["additionalProperties"];
    let ips = places_in(places, "permittedIP")?;
    check_addresses(&ips)?;
    let referers = places_in(places, "permittedReferer")?;
    let doc = json!({ "permittedIP": ips, "permittedReferer": referers });
    let name = name(body)?;
    make(cx, application.id, key_type, name, issued_at, expires_at, doc).await
}

/// Replaces one of the caller's keys by a new one of the same name, life and places.
pub(crate) async fn regenerate(
    cx: &mut Write,
    application: &str,
    key_type: KeyType,
    id: &str,
) -> Result<Made> {
    let application = application::to_edit(cx, application, &Expected::any()).await?;
    let old = one(cx, &application.id, key_type, |key| key.id.as_str() == id).await?;
    remove(cx, old.id).await?;
    let issued_at = cx.now();
    let expires_at = old.expires_at.map(|at| issued_at.plus(at.since(old.issued_at)));
    make(cx, application.id, key_type, old.name, issued_at, expires_at, old.doc).await
}

async fn make(
    cx: &mut Write,
    application: ApplicationId,
    key_type: KeyType,
    name: String,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    doc: Value,
) -> Result<Made> {
    let others = mine_of(cx, &application, key_type).await?;
    if others.len() >= MOST {
        return Err(code::BAD_REQUEST.because(format!("An application has {MOST} keys at the most")).into());
    }
    let text = random()?;
    let key = Key {
        id: KeyId::from(uuid::Uuid::new_v4().to_string()),
        application,
        owner: cx.who().user.clone(),
        name,
        key_type,
        hash: hash(text.expose()),
        issued_at,
        expires_at,
        doc,
    };
    if !api_keys::insert(cx, &key).await? {
        return Err(Failure::new("a random key was taken already").into());
    }
    tell(cx, &key);
    Ok(Made { key, text })
}

/// The caller's keys of one of their applications.
pub(crate) async fn list(cx: &mut Read, application: &str, key_type: KeyType) -> Result<Vec<Key>> {
    let application = application::get(cx, application).await?;
    mine_of(cx, &application.id, key_type).await
}

/// Makes a key of the caller's no good any more, given itself or its id.
pub(crate) async fn revoke(
    cx: &mut Write,
    application: &str,
    key_type: KeyType,
    id: Option<&str>,
    text: Option<&str>,
) -> Result<()> {
    let application = application::to_edit(cx, application, &Expected::any()).await?;
    let hash = text.map(hash);
    let wanted = |key: &Key| match (id, &hash) {
        (Some(id), _) => key.id.as_str() == id,
        (None, Some(hash)) => key.hash == *hash,
        (None, None) => false,
    };
    let found = one(cx, &application.id, key_type, wanted).await?;
    remove(cx, found.id).await
}

async fn remove(cx: &mut Write, id: KeyId) -> Result<()> {
    api_keys::delete(cx, &id).await?;
    cx.tell(Change::ApiKeyRemoved(id));
    Ok(())
}

async fn one(
    cx: &mut Read,
    application: &ApplicationId,
    key_type: KeyType,
    wanted: impl Fn(&Key) -> bool,
) -> Result<Key> {
    let keys = mine_of(cx, application, key_type).await?;
    Ok(keys.into_iter().find(wanted).ok_or_else(|| code::NOT_FOUND.because("There is no such API key"))?)
}

async fn mine_of(cx: &mut Read, application: &ApplicationId, key_type: KeyType) -> Result<Vec<Key>> {
    let mut keys = api_keys::of_application(cx, application).await?;
    keys.retain(|key| key.key_type == key_type && key.owner == cx.who().user);
    Ok(keys)
}

fn tell(cx: &mut Write, key: &Key) {
    let places = |name: &str| {
        let list = key.doc[name].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let deployed = ApiKey {
        id: key.id.clone(),
        hash: key.hash.clone(),
        application: key.application.clone(),
        api: None,
        key_type: key.key_type,
        expires_at: key.expires_at,
        permitted_ips: places("permittedIP"),
        permitted_referers: places("permittedReferer"),
    };
    cx.tell(Change::ApiKeySaved(deployed.into()));
}

/// 256 random bits.
fn random() -> Result<Secret> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Failure::new("the system has no randomness"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name(body: &Value) -> Result<String> {
    let name = body["keyName"].as_str().unwrap_or_default();
    if name.chars().count() > 100 {
        return Err(code::BAD_REQUEST
            .found(vec![Finding::new("/keyName", "is 100 letters at the most")])
            .into());
    }
    Ok(name.to_owned())
}

/// Seconds; absent or -1 is for ever.
fn lifetime(body: &Value) -> Result<Option<Duration>> {
    match &body["validityPeriod"] {
        Value::Null => Ok(None),
        value => match value.as_i64() {
            Some(-1) => Ok(None),
            Some(seconds @ 1..=3_153_600_000) => Ok(Some(Duration::from_secs(seconds.unsigned_abs()))),
            _ => {
                let rule = "is a number of seconds, or -1 for ever";
                Err(code::BAD_REQUEST.found(vec![Finding::new("/validityPeriod", rule)]).into())
            }
        },
    }
}

/// A text with commas, as clients send it.
fn places_in(places: &Value, name: &str) -> Result<Vec<String>> {
    let text = places[name].as_str().unwrap_or_default();
    let list: Vec<String> =
        text.split(',').map(str::trim).filter(|place| !place.is_empty()).map(str::to_owned).collect();
    if list.len() > MOST_PLACES {
        let rule = format!("has {MOST_PLACES} entries at the most");
        return Err(code::BAD_REQUEST
            .found(vec![Finding::new(format!("/additionalProperties/{name}"), rule)])
            .into());
    }
    Ok(list)
}

fn check_addresses(list: &[String]) -> Result<()> {
    let bad = |place: &&String| {
        place.parse::<std::net::IpAddr>().is_err() && place.parse::<ipnet::IpNet>().is_err()
    };
    let finding = |place: &String| {
        Finding::new("/additionalProperties/permittedIP", format!("\"{place}\" is no address and no network"))
    };
    let findings: Vec<_> = list.iter().filter(bad).map(finding).collect();
    if findings.is_empty() { Ok(()) } else { Err(code::BAD_REQUEST.found(findings).into()) }
}
