//! OAuth keys of applications: clients at a key manager, and which application each speaks for.
//!
//! A key manager may be far away, so nothing here waits for it inside a transaction: look, ask it, write.
//! What changed in between is found at the write, and what was registered is then taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use apim_core::event::Change;
use apim_core::key_manager::{ClientSpec, KeyManagerError, OAuthClient, Token, TokenRequest};
use apim_core::model::{ApplicationId, ClientId, KeyManagerName, KeyMapping, KeyType, Scope, UserName};
use apim_core::{KeyManager, Secret};
use serde_json::{Value, json};

pub(crate) use crate::db::key_mappings::{Mapping, Mode};

use crate::db::{Desk, Read, Write, key_mappings};
use crate::error::{Error, Failure, Finding, Result, code};
use crate::service::Expected;
use crate::service::application::{self, Application};

/// Grants that end at a redirect, and so need to know where.
const REDIRECTING: [&str; 2] = ["authorization_code", "implicit"];

/// Entries that `additionalProperties` may have.
const MOST_PROPERTIES: usize = 64;

/// Keys that were just made. The secret is told this once.
pub(crate) struct Made {
    pub(crate) mapping: Mapping,
    pub(crate) secret: Option<Secret>,
    pub(crate) token: Option<Token>,
}

/// Which of an application's keys is meant.
#[derive(Clone, Copy)]
pub(crate) enum Which<'a> {
    /// By the mapping's id.
    Id(&'a str),
    /// The resident key manager's of a type.
    Type(KeyType),
}

/// Registers a client for one of the caller's applications.
pub(crate) async fn generate(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &str,
    body: &Value,
) -> Result<Made> {
    let Place { application, key_manager, key_type } = place(desk, keys, application, body).await?;
    let doc = wishes(body, "grantTypesToBeSupported")?;
    let (lifetime, scopes) = (lifetime(&body["validityTime"])?, scopes(body)?);
    let client = register(keys, spec(desk, &application, key_type, &doc)?).await?;
    let mapping = mapping(&application.id, key_manager, key_type, client.id.clone(), Mode::Created, doc);
    if let Err(error) = keep(desk, &mapping).await {
        take_back(keys, &client.id).await;
        return Err(error);
    }
    let token = first_token(keys, &mapping, scopes, lifetime).await;
    Ok(Made { mapping, secret: client.secret, token })
}

/// Lets a client that was registered elsewhere speak for one of the caller's applications. It must be the
/// caller's own: whoever could map a stranger's client would count, and read, the stranger's calls as theirs.
pub(crate) async fn map(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &str,
    body: &Value,
) -> Result<Mapping> {
    let Place { application, key_manager, key_type } = place(desk, keys, application, body).await?;
    let id = ClientId::from(body["consumerKey"].as_str().unwrap_or_default());
    let client = keys.client(&id).await.map_err(refused)?;
    let who = desk.who();
    let own = |client: &OAuthClient| client.spec.owner == who.user && client.spec.tenant == who.tenant;
    let client = client.filter(own).ok_or_else(|| {
        code::BAD_CLIENT.because(format!("You have no OAuth client {id} at that key manager"))
    })?;
    let doc = json!({
        "grantTypes": client.spec.grant_types,
        "callbackUrl": client.spec.redirect_uris.first(),
        "additionalProperties": client.spec.additional,
    });
    let mapping = mapping(&application.id, key_manager, key_type, id, Mode::Mapped, doc);
    keep(desk, &mapping).await?;
    Ok(mapping)
}

/// The keys of one of the caller's applications.
pub(crate) async fn list(cx: &mut Read, application: &str) -> Result<Vec<Mapping>> {
    let application = application::get(cx, application).await?;
    key_mappings::of_application(cx, &application.id).await
}

/// One key of one of the caller's applications.
pub(crate) async fn get(cx: &mut Read, application: &str, which: Which<'_>) -> Result<Mapping> {
    let found = list(cx, application).await?.into_iter().find(|mapping| match which {
        Which::Id(id) => mapping.id == id,
        Which::Type(key_type) => mapping.key_type == key_type,
    });
    Ok(found.ok_or_else(|| code::NOT_FOUND.because("The application has no such keys"))?)
}

/// Replaces what a client may do.
pub(crate) async fn update(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &str,
    which: Which<'_>,
    body: &Value,
) -> Result<Mapping> {
    let mut cx = desk.read().await?;
    let mut found = created(&mut cx, application, which).await?;
    let owner = application::get(&mut cx, application).await?;
    drop(cx);
    found.doc = wishes(body, "supportedGrantTypes")?;
    let spec = spec(desk, &owner, found.key_type, &found.doc)?;
    keys.update_client(&found.client, spec).await.map_err(refused)?;
    let mut cx = desk.write().await?;
    application::to_edit(&mut cx, application, &Expected::any()).await?;
    if !key_mappings::update(&mut cx, &found.id, &found.doc).await? {
        return Err(code::NOT_FOUND.because("The keys are gone by now").into());
    }
    cx.commit().await?;
    Ok(found)
}

/// Gives a client a new secret; the old one ends.
pub(crate) async fn renew_secret(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &str,
    which: Which<'_>,
) -> Result<OAuthClient> {
    let found = settled(desk, keys, application, which).await?;
    keys.renew_secret(&found.client).await.map_err(refused)
}

/// Issues a token to one of the caller's clients, without asking for its secret: the caller owns it.
pub(crate) async fn token(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &str,
    which: Which<'_>,
    body: &Value,
) -> Result<Token> {
    let found = settled(desk, keys, application, which).await?;
    if body["grantType"].as_str().is_some_and(|grant| grant != "CLIENT_CREDENTIALS") {
        return Err(code::NOT_OFFERED.because("Only CLIENT_CREDENTIALS is offered here").into());
    }
    let (lifetime, scopes) = (lifetime(&body["validityPeriod"])?, scopes(body)?);
    if let Some(old) = body["revokeToken"].as_str().filter(|old| !old.is_empty()) {
        keys.revoke(&found.client, old).await.map_err(refused)?;
    }
    let request = TokenRequest { client: found.client, scopes, lifetime };
    keys.issue(request).await.map_err(refused)
}

/// Takes keys away: the mapping at once, then the client, if it was ours.
pub(crate) async fn clean_up(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &str,
    which: Which<'_>,
) -> Result<()> {
    let mut cx = desk.write().await?;
    application::to_edit(&mut cx, application, &Expected::any()).await?;
    let found = get(&mut cx, application, which).await?;
    key_mappings::delete(&mut cx, &found.id).await?;
    let (key_manager, client) = (found.key_manager.clone(), found.client.clone());
    cx.tell(Change::KeyMappingRemoved { key_manager, client });
    cx.commit().await?;
    if found.mode == Mode::Created {
        take_back(keys, &found.client).await;
    }
    Ok(())
}

/// Lets all clients of an application belong to its new owner, or none: when one of them cannot be handed over,
/// those before it go back. Whoever is handed a client has to renew its secret, as the one has who gets it back.
pub(super) async fn hand_over(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &Application,
    new_owner: &UserName,
    mappings: &[Mapping],
) -> Result<()> {
    let handed = Application { owner: new_owner.clone(), ..application.clone() };
    for (index, mapping) in ours(keys, mappings).enumerate() {
        let given = give(desk, keys, &handed, mapping).await;
        if let Err(error) = given {
            // That one too: it may have changed hands, and only the answer been lost.
            give_back(desk, keys, application, ours(keys, mappings).take(index + 1)).await;
            return Err(error);
        }
    }
    Ok(())
}

/// Gives clients back to their application's owner. One that cannot be reached has no secret that anybody knows,
/// and belongs to the owner again when its secret is renewed.
pub(super) async fn take_hand_over_back(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &Application,
    mappings: &[Mapping],
) {
    give_back(desk, keys, application, ours(keys, mappings)).await;
}

async fn give_back<'a>(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &Application,
    mappings: impl Iterator<Item = &'a Mapping>,
) {
    for mapping in mappings {
        if let Err(error) = give(desk, keys, application, mapping).await {
            let client = &mapping.client;
            tracing::warn!(%client, %error, "an OAuth client may not belong to its application's owner");
        }
    }
}

fn ours<'a>(keys: &dyn KeyManager, mappings: &'a [Mapping]) -> impl Iterator<Item = &'a Mapping> {
    let name = keys.name();
    mappings.iter().filter(move |it| it.mode == Mode::Created && it.key_manager == name)
}

/// Says at the key manager that a client is the application's owner's.
async fn give(
    desk: &Desk,
    keys: &dyn KeyManager,
    application: &Application,
    mapping: &Mapping,
) -> Result<OAuthClient> {
    let spec = spec(desk, application, mapping.key_type, &mapping.doc)?;
    keys.update_client(&mapping.client, spec).await.map_err(refused)
}

/// One of the caller's own clients, before it speaks: a change of owners that broke off may have left it with
/// somebody else, whose roles its tokens would have.
async fn settled(desk: &Desk, keys: &dyn KeyManager, application: &str, which: Which<'_>) -> Result<Mapping> {
    let mut cx = desk.read().await?;
    let found = created(&mut cx, application, which).await?;
    let application = application::get(&mut cx, application).await?;
    drop(cx);
    let client = keys.client(&found.client).await.map_err(refused)?;
    if client.is_some_and(|client| client.spec.owner != application.owner) {
        give(desk, keys, &application, &found).await?;
    }
    Ok(found)
}

/// The key type in a path or a body.
pub(crate) fn key_type(text: &str) -> Result<KeyType> {
    match text {
        "PRODUCTION" => Ok(KeyType::Production),
        "SANDBOX" => Ok(KeyType::Sandbox),
        _ => Err(bad("keyType", "is PRODUCTION or SANDBOX")),
    }
}

/// A key of ours, not one that was registered elsewhere.
async fn created(cx: &mut Read, application: &str, which: Which<'_>) -> Result<Mapping> {
    let found = get(cx, application, which).await?;
    if found.mode == Mode::Mapped {
        let text = "The client was registered elsewhere, and is changed there";
        return Err(code::KEY_MANAGER_CANNOT.because(text).into());
    }
    Ok(found)
}

/// Where new keys are to stand.
struct Place {
    application: Application,
    key_manager: KeyManagerName,
    key_type: KeyType,
}

/// The place that a body names, with one of the caller's applications; it must be free.
async fn place(desk: &Desk, keys: &dyn KeyManager, application: &str, body: &Value) -> Result<Place> {
    let key_type = key_type(body["keyType"].as_str().unwrap_or_default())?;
    let key_manager = key_manager(keys, body)?;
    let mut cx = desk.read().await?;
    let application = application::get(&mut cx, application).await?;
    let there = key_mappings::of_application(&mut cx, &application.id).await?;
    if there.iter().any(|it| it.key_manager == key_manager && it.key_type == key_type) {
        return Err(keys_exist(key_type));
    }
    Ok(Place { application, key_manager, key_type })
}

fn keys_exist(key_type: KeyType) -> Error {
    code::KEYS_EXIST.because(format!("There are {} keys already", key_type.as_str())).into()
}

async fn keep(desk: &Desk, mapping: &Mapping) -> Result<()> {
    let mut cx: Write = desk.write().await?;
    application::to_edit(&mut cx, &mapping.application, &Expected::any()).await?;
    if !key_mappings::insert(&mut cx, mapping).await? {
        return Err(keys_exist(mapping.key_type));
    }
    let deployed = KeyMapping {
        application: mapping.application.clone(),
        key_manager: mapping.key_manager.clone(),
        client: mapping.client.clone(),
        key_type: mapping.key_type,
    };
    cx.tell(Change::KeyMappingSaved(deployed.into()));
    cx.commit().await?;
    Ok(())
}

fn mapping(
    application: &ApplicationId,
    key_manager: KeyManagerName,
    key_type: KeyType,
    client: ClientId,
    mode: Mode,
    doc: Value,
) -> Mapping {
    let id = uuid::Uuid::new_v4().to_string();
    Mapping { id, application: application.clone(), key_manager, key_type, client, mode, doc }
}

/// Registers a client. Its name may be held by one that was left behind when an earlier attempt broke off
/// between the key manager and the database; another name does as well.
async fn register(keys: &dyn KeyManager, mut spec: ClientSpec) -> Result<OAuthClient> {
    match keys.create_client(spec.clone()).await {
        Err(KeyManagerError::Exists) => {
            spec.name = format!("{}_{}", spec.name, uuid::Uuid::new_v4().simple());
            keys.create_client(spec).await.map_err(refused)
        }
        answer => answer.map_err(refused),
    }
}

/// A token to begin with, if the client may have one by itself. Without it the keys are as good; without an
/// answer their secret would be lost, so a failure is no reason not to answer.
async fn first_token(
    keys: &dyn KeyManager,
    mapping: &Mapping,
    scopes: Vec<Scope>,
    lifetime: Option<Duration>,
) -> Option<Token> {
    if !grants(&mapping.doc).any(|grant| grant == "client_credentials") {
        return None;
    }
    let request = TokenRequest { client: mapping.client.clone(), scopes, lifetime };
    keys.issue(request)
        .await
        .inspect_err(|error| tracing::warn!(client = %mapping.client, %error, "new keys got no token"))
        .ok()
}

async fn take_back(keys: &dyn KeyManager, client: &ClientId) {
    if let Err(error) = keys.delete_client(client).await {
        tracing::warn!(%client, %error, "an OAuth client that speaks for nobody could not be deleted");
    }
}

/// What the owner asks of a client, checked and bounded.
fn wishes(body: &Value, grants_key: &str) -> Result<Value> {
    let grants: Vec<&str> = texts(&body[grants_key]);
    let callback = body["callbackUrl"].as_str().unwrap_or_default();
    if callback.is_empty() && grants.iter().any(|grant| REDIRECTING.contains(grant)) {
        return Err(bad("/callbackUrl", "is required by grants that redirect"));
    }
    let properties = &body["additionalProperties"];
    if properties.as_object().is_some_and(|map| map.len() > MOST_PROPERTIES) {
        return Err(bad("/additionalProperties", &format!("has {MOST_PROPERTIES} entries at the most")));
    }
    Ok(json!({ "grantTypes": grants, "callbackUrl": callback, "additionalProperties": properties }))
}

fn spec(desk: &Desk, application: &Application, key_type: KeyType, doc: &Value) -> Result<ClientSpec> {
    let properties = additional(&doc["additionalProperties"]);
    let own = properties.get("application_access_token_expiry_time").filter(|text| *text != "N/A");
    let token_lifetime = own.map(|text| lifetime(&json!(text))).transpose()?.flatten();
    let callback = doc["callbackUrl"].as_str().filter(|url| !url.is_empty());
    Ok(ClientSpec {
        tenant: desk.who().tenant.clone(),
        name: format!("{}_{}_{}", application.owner, application.id, key_type.as_str()),
        owner: application.owner.clone(),
        grant_types: grants(doc).map(str::to_owned).collect(),
        redirect_uris: callback.map(str::to_owned).into_iter().collect(),
        public: properties.get("bypassClientCredentials").is_some_and(|text| text == "true"),
        token_lifetime,
        additional: properties,
    })
}

fn additional(properties: &Value) -> BTreeMap<String, String> {
    let scalar = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Some((key.clone(), text.clone())),
        Value::Bool(_) | Value::Number(_) => Some((key.clone(), value.to_string())),
        _ => None,
    };
    properties.as_object().into_iter().flatten().filter_map(scalar).collect()
}

fn grants(doc: &Value) -> impl Iterator<Item = &str> {
    texts(&doc["grantTypes"]).into_iter()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).take(MOST_PROPERTIES).collect()
}

/// The scopes that are wanted. One with a space in it would be two in the token, so each must be one
/// (RFC 6749 section 3.3).
fn scopes(body: &Value) -> Result<Vec<Scope>> {
    let wanted: Vec<&str> = texts(&body["scopes"]).into_iter().filter(|scope| !scope.is_empty()).collect();
    let fits = |scope: &&str| scope.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
    if !wanted.iter().all(fits) {
        return Err(bad("/scopes", "are printable ASCII each, without spaces, quotes and backslashes"));
    }
    Ok(wanted.into_iter().map(Scope::from).collect())
}

/// Seconds, as a number or as text; absent, blank or -1 leaves it to the key manager.
fn lifetime(value: &Value) -> Result<Option<Duration>> {
    let seconds = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse::<i64>().ok(),
        other => other.as_i64(),
    };
    match seconds {
        Some(-1) => Ok(None),
        Some(seconds @ 1..=315_360_000) => Ok(Some(Duration::from_secs(seconds.unsigned_abs()))),
        _ => Err(bad("/validityTime", "is a number of seconds, 1 to ten years")),
    }
}

/// The key manager that a body names: the one we have, under its name, or none named.
fn key_manager(keys: &dyn KeyManager, body: &Value) -> Result<KeyManagerName> {
    let ours = keys.name();
    match body["keyManager"].as_str().filter(|name| !name.is_empty()) {
        Some(name) if name != ours.as_str() => {
            Err(code::NO_SUCH_KEY_MANAGER.because(format!("There is no key manager \"{name}\"")).into())
        }
        _ => Ok(ours),
    }
}

fn refused(error: KeyManagerError) -> Error {
    match error {
        KeyManagerError::UnknownClient(id) => {
            code::NOT_FOUND.because(format!("The key manager does not know the client {id}")).into()
        }
        KeyManagerError::Invalid(text) => code::BAD_REQUEST.because(text).into(),
        KeyManagerError::Exists => code::CONFLICT.because("A client of that name exists").into(),
        KeyManagerError::Unsupported(what) => {
            code::KEY_MANAGER_CANNOT.because(format!("The key manager does not offer {what}")).into()
        }
        other => Failure::from_error(other).into(),
    }
}

fn bad(place: &str, rule: &str) -> Error {
    code::BAD_REQUEST.found(vec![Finding::new(place, rule)]).into()
}
