//! Applications of developers.
//!
//! An application belongs to one user; nobody else sees it, save administrators through the admin contract.
//! To others it does not exist: 404, not 403.

use apim_core::event::Change;
use apim_core::model::{ApplicationId, ClientId, KeyManagerName, PolicyKind, PolicyName, UserName};
use apim_core::{KeyManager, Timestamp};
use serde_json::{Map, Value, json};

pub(crate) use crate::db::applications::{Application, Order, Search};

use crate::db::{Desk, Read, Write, api_keys, applications, key_mappings, policies, subscriptions, users};
use crate::error::{Finding, Result, code};
use crate::rest::page::{Found, Page};
use crate::service::{Expected, key};

/// Members of the document that clients set; all others are the server's.
const KEPT: [&str; 4] = ["description", "attributes", "tokenType", "visibility"];

/// Makes an application of the caller's.
pub(crate) async fn create(cx: &mut Write, body: &Value) -> Result<Application> {
    let owner = cx.who().user.clone();
    create_for(cx, owner, body).await
}

/// Makes an application of somebody's, as an import does.
pub(crate) async fn create_for(cx: &mut Write, owner: UserName, body: &Value) -> Result<Application> {
    let now = cx.now();
    let made = Application {
        id: ApplicationId::from(uuid::Uuid::new_v4().to_string()),
        owner,
        name: name(body)?,
        policy: policy(cx, body).await?,
        version: 1,
        created_at: now,
        updated_at: now,
        subscriptions: 0,
        doc: document(body)?,
    };
    if !applications::insert(cx, &made).await? {
        return Err(taken(&made.name));
    }
    tell(cx, &made);
    Ok(made)
}

/// The caller's applications.
pub(crate) async fn mine(cx: &mut Read, search: Search, page: Page) -> Result<Found<Application>> {
    let search = Search { owner: Some(cx.who().user.clone()), ..search };
    find(cx, &search, page).await
}

/// Everybody's applications; for administrators.
pub(crate) async fn find(cx: &mut Read, search: &Search, page: Page) -> Result<Found<Application>> {
    let (list, total) = applications::page(cx, search, page.limit, page.offset).await?;
    Ok(Found { list, total, page })
}

/// One of the caller's applications.
pub(crate) async fn get(cx: &mut Read, id: &str) -> Result<Application> {
    let found = any(cx, id).await?;
    if found.owner != cx.who().user {
        return Err(missing(id));
    }
    Ok(found)
}

/// Anybody's application; for administrators.
pub(crate) async fn any(cx: &mut Read, id: &str) -> Result<Application> {
    applications::find(cx, &ApplicationId::from(id)).await?.ok_or_else(|| missing(id))
}

/// One of the caller's applications, locked, so that nothing of it changes meanwhile; its version is
/// counted.
pub(crate) async fn to_edit(cx: &mut Write, id: &str, expected: &Expected) -> Result<Application> {
    let mut found = get(cx, id).await?;
    lock(cx, &mut found, expected).await?;
    Ok(found)
}

async fn lock(cx: &mut Write, found: &mut Application, expected: &Expected) -> Result<()> {
    let version = applications::bump(cx, &found.id).await?.ok_or_else(|| missing(&found.id))?;
    expected.check(version - 1)?;
    found.version = version;
    Ok(())
}

/// Replaces what its owner may say of an application.
pub(crate) async fn replace(
    cx: &mut Write,
    id: &str,
    expected: &Expected,
    body: &Value,
) -> Result<Application> {
    let mut found = to_edit(cx, id, expected).await?;
    found.name = name(body)?;
    found.policy = policy(cx, body).await?;
    found.doc = document(body)?;
    found.updated_at = cx.now();
    if applications::taken(cx, &found.owner, &found.name, &found.id).await? {
        return Err(taken(&found.name));
    }
    applications::update(cx, &found).await?;
    tell(cx, &found);
    Ok(found)
}

/// Gives an application, with all its keys, to another user, who must exist and have none of that name.
///
/// First the OAuth clients change hands, which ends their secrets: what the former owner knows must not speak for
/// the new one, nor the application go to anybody while its keys stay behind. If one of them cannot, or the
/// application has changed meanwhile, everything goes back to where it was.
pub(crate) async fn change_owner(desk: &Desk, id: &str, owner: &str, keys: &dyn KeyManager) -> Result<()> {
    let (owner, _) = crate::principal::split(owner);
    let mut cx = desk.read().await?;
    let found = any(&mut cx, id).await?;
    check_owner(&mut cx, &found, &owner).await?;
    let mappings = key_mappings::of_application(&mut cx, &found.id).await?;
    drop(cx);
    if owner == found.owner {
        return Ok(());
    }
    key::hand_over(desk, keys, &found, &owner, &mappings).await?;
    let changed = write_owner(desk, &found, owner, &mappings).await;
    if changed.is_err() {
        key::take_hand_over_back(desk, keys, &found, &mappings).await;
    }
    changed
}

async fn check_owner(cx: &mut Read, found: &Application, owner: &UserName) -> Result<()> {
    if users::find(cx, owner).await?.is_none() {
        return Err(code::BAD_REQUEST.because(format!("There is no user {owner}")).into());
    }
    if applications::taken(cx, owner, &found.name, &found.id).await? {
        return Err(taken(&found.name));
    }
    Ok(())
}

/// Writes what [`change_owner`] has prepared, if nothing has changed since.
async fn write_owner(
    desk: &Desk,
    before: &Application,
    owner: UserName,
    mappings: &[key_mappings::Mapping],
) -> Result<()> {
    let mut cx = desk.write().await?;
    let mut found = any(&mut cx, &before.id).await?;
    lock(&mut cx, &mut found, &Expected::any()).await?;
    check_owner(&mut cx, &found, &owner).await?;
    let now = key_mappings::of_application(&mut cx, &found.id).await?;
    let same = now.iter().map(|it| &it.id).eq(mappings.iter().map(|it| &it.id));
    if found.owner != before.owner || !same {
        let text = "The application or its keys have changed meanwhile; try again";
        return Err(code::CONFLICT.because(text).into());
    }
    found.owner = owner;
    found.updated_at = cx.now();
    applications::update(&mut cx, &found).await?;
    api_keys::hand_over(&mut cx, &found.id, &found.owner).await?;
    tell(&mut cx, &found);
    cx.commit().await?;
    Ok(())
}

/// An OAuth client that nobody speaks through any more.
pub(crate) struct Orphan {
    key_manager: KeyManagerName,
    client: ClientId,
}

/// Deletes one of the caller's applications with all that hangs on it.
pub(crate) async fn remove(desk: &Desk, id: &str, expected: &Expected, keys: &dyn KeyManager) -> Result<()> {
    let mut cx = desk.write().await?;
    let found = to_edit(&mut cx, id, expected).await?;
    finish_removal(cx, found, keys).await
}

/// Deletes anybody's application; for administrators.
pub(crate) async fn remove_any(desk: &Desk, id: &str, keys: &dyn KeyManager) -> Result<()> {
    let mut cx = desk.write().await?;
    let mut found = any(&mut cx, id).await?;
    lock(&mut cx, &mut found, &Expected::any()).await?;
    finish_removal(cx, found, keys).await
}

async fn finish_removal(mut cx: Write, found: Application, keys: &dyn KeyManager) -> Result<()> {
    let orphans = delete(&mut cx, found).await?;
    cx.commit().await?;
    bury(orphans, keys).await;
    Ok(())
}

/// Deletes rows, tells gateways of each, and answers the OAuth clients to be deleted once this commits.
async fn delete(cx: &mut Write, found: Application) -> Result<Vec<Orphan>> {
    for subscription in subscriptions::of_application(cx, &found.id).await? {
        cx.tell(Change::SubscriptionRemoved(subscription.id));
    }
    for key in api_keys::of_application(cx, &found.id).await? {
        cx.tell(Change::ApiKeyRemoved(key.id));
    }
    let mut orphans = Vec::new();
    for mapping in key_mappings::of_application(cx, &found.id).await? {
        let (key_manager, client) = (mapping.key_manager, mapping.client);
        cx.tell(Change::KeyMappingRemoved { key_manager: key_manager.clone(), client: client.clone() });
        if mapping.mode == key_mappings::Mode::Created {
            orphans.push(Orphan { key_manager, client });
        }
    }
    applications::delete(cx, &found.id).await?;
    cx.tell(Change::ApplicationRemoved(found.id));
    Ok(orphans)
}

/// Deletes clients at their key manager. A failure leaves a client that speaks for nobody, which gateways
/// refuse; it must not make the deletion look undone.
async fn bury(orphans: Vec<Orphan>, keys: &dyn KeyManager) {
    for orphan in orphans.into_iter().filter(|orphan| orphan.key_manager == keys.name()) {
        if let Err(error) = keys.delete_client(&orphan.client).await {
            tracing::warn!(client = %orphan.client, %error, "an OAuth client outlived its application");
        }
    }
}

fn tell(cx: &mut Write, it: &Application) {
    let tenant = cx.tenant().clone();
    let (id, name, owner, policy) = (it.id.clone(), it.name.clone(), it.owner.clone(), it.policy.clone());
    let deployed = apim_core::model::Application { id, tenant, name, owner, policy };
    cx.tell(Change::ApplicationSaved(deployed.into()));
}

/// A name: letters, digits, blanks inside, `.`, `_` and `-`.
fn name(body: &Value) -> Result<String> {
    let name = body["name"].as_str().unwrap_or_default();
    let fits = (1..=100).contains(&name.chars().count())
        && name.trim() == name
        && name.chars().all(|c| c.is_alphanumeric() || " ._-".contains(c));
    if !fits {
        let rule = "is 1 to 100 letters, digits, '.', '_', '-' and blanks between them";
        return Err(code::BAD_REQUEST.found(vec![Finding::new("/name", rule)]).into());
    }
    Ok(name.to_owned())
}

/// The application policy it asks for, which must exist.
async fn policy(cx: &mut Read, body: &Value) -> Result<PolicyName> {
    let name = body["throttlingPolicy"].as_str().unwrap_or_default();
    if policies::named(cx, PolicyKind::Application, name).await?.is_none() {
        return Err(code::BAD_POLICY.because(format!("There is no application policy \"{name}\"")).into());
    }
    Ok(PolicyName::from(name))
}

fn document(body: &Value) -> Result<Value> {
    let attributes = &body["attributes"];
    if !(attributes.is_null() || attributes.is_object()) {
        return Err(code::BAD_REQUEST.found(vec![Finding::new("/attributes", "is an object")]).into());
    }
    let mut kept = Map::new();
    for key in KEPT {
        if let Some(value) = body.get(key).filter(|value| !value.is_null()) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    // Opaque tokens for applications are a thing of the past; clients' old settings send what they will.
    kept.insert("tokenType".to_owned(), json!("JWT"));
    // Sharing is not offered, so nothing may claim it.
    kept.insert("visibility".to_owned(), json!("PRIVATE"));
    Ok(Value::Object(kept))
}

fn missing(id: &str) -> crate::Error {
    code::NO_SUCH_APPLICATION.because(format!("There is no application {id}")).into()
}

fn taken(name: &str) -> crate::Error {
    code::CONFLICT.because(format!("There is an application \"{name}\" already")).into()
}

/// A moment as the contracts write it: milliseconds since the epoch, as text.
pub(crate) fn millis(at: Timestamp) -> String {
    at.as_millis().to_string()
}
