//! APIs as developers see them.
//!
//! What is hidden from a caller by its visibility does not exist for them: 404. What they could see, were it
//! published, is refused: 403. Nothing of a publisher's document gets out that is not named in
//! [`rest::devportal`](crate::rest::devportal).

use apim_core::model::{ApiId, PolicyKind};
use serde_json::{Value, json};

use crate::db::api_search::Field;
use crate::db::listings::{self, Audience, Tag};
use crate::db::{Read, StoredApi, apis, revisions};
use crate::definition::openapi;
use crate::definition::{Limits, generate, portal_copy};
use crate::error::{Result, code};
use crate::plane::GatewayUrls;
use crate::principal::Principal;
use crate::rest::page::{Found, Page};
use crate::service::environment::Environment;
use crate::service::policy::{self, Kept};
use crate::service::{State, search};

/// Where calls of one API arrive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    /// With the version.
    pub(crate) versioned: Option<(String, String)>,
    /// Without it, if this version is the default one.
    pub(crate) plain: Option<(String, String)>,
}

/// What is listed, and found by a query.
pub(crate) async fn find(cx: &mut Read, query: &str, page: Page) -> Result<Found<StoredApi>> {
    let mut search = search::parse(query, Field::Name)?;
    // A publisher's document is more than developers may see; they could find out its backends by guessing.
    for term in &mut search.terms {
        term.field = match term.field {
            Field::Content => Field::Description,
            Field::Property => Field::ShownProperty,
            field => field,
        };
    }
    let audience = audience(cx.who());
    listings::search(cx, &search, &audience, page).await
}

/// The tags of what is listed.
pub(crate) async fn tags(cx: &mut Read) -> Result<Vec<Tag>> {
    let audience = audience(cx.who());
    listings::tags(cx, &audience).await
}

/// One API that the caller may see, and that is out.
pub(crate) async fn get(cx: &mut Read, id: &str) -> Result<StoredApi> {
    let found = of_any_state(cx, id).await?;
    match found.state.is_listed() {
        true => Ok(found),
        false => Err(code::MAY_NOT_READ.because(format!("{} is not published", described(&found))).into()),
    }
}

/// One API that the caller may see, wherever it stands in its life: as one does who has subscribed to it.
pub(crate) async fn of_any_state(cx: &mut Read, id: &str) -> Result<StoredApi> {
    let found = apis::find(cx, &ApiId::from(id)).await?;
    let found = found.filter(|api| may_see(api, cx.who()));
    Ok(found.ok_or_else(|| code::NO_SUCH_API.because(format!("There is no API {id}")))?)
}

/// Refuses new subscriptions to an API whose state takes none.
pub(crate) fn refuse_unless_open(api: &StoredApi) -> Result<()> {
    match api.state {
        State::Published | State::Prototyped => Ok(()),
        state => {
            let text = format!("{} is {state} and takes no new subscriptions", described(api));
            Err(code::FORBIDDEN.because(text).into())
        }
    }
}

/// The business plans that an API offers, as far as they exist.
pub(crate) async fn plans(cx: &mut Read, api: &StoredApi) -> Result<Vec<Kept>> {
    let mut plans = policy::list(cx, PolicyKind::Subscription).await?;
    plans.retain(|plan| api.texts("policies").any(|offered| offered == plan.name.as_str()));
    Ok(plans)
}

/// Where its calls arrive, if it is deployed where developers may know.
pub(crate) async fn addresses(cx: &mut Read, api: &StoredApi, urls: &GatewayUrls) -> Result<Addresses> {
    let deployments = revisions::deployments(cx, &api.id).await?;
    if !deployments.iter().any(|it| it.on_devportal && it.environment == Environment::NAME) {
        return Ok(Addresses::default());
    }
    let at = |path: &str| {
        let join = |base: &str| format!("{}{path}", base.trim_end_matches('/'));
        (join(&urls.http), join(&urls.https))
    };
    let plain = api.context.replace("/{version}", "");
    Ok(Addresses {
        versioned: Some(at(&versioned_context(api))),
        plain: api.serves_default.then(|| at(&plain)),
    })
}

/// Its definition for developers: without the publisher's side, and leading to the gateway.
pub(crate) async fn definition(cx: &mut Read, api: &StoredApi, urls: &GatewayUrls) -> Result<Value> {
    let addresses = addresses(cx, api, urls).await?;
    let servers: Vec<String> = match addresses.versioned {
        Some((http, https)) => vec![https, http],
        None => Vec::new(),
    };
    let kept = apis::definition(cx, &api.id).await?;
    // It was read when it was saved; should it not be readable by now, what we know of the API is told.
    let document = kept.and_then(|text| openapi::read(&text, &Limits::default()).ok());
    let document = document.map_or_else(|| generate(&api.doc), |definition| definition.document);
    Ok(portal_copy(&document, &servers))
}

/// The path that its calls begin with.
pub(crate) fn versioned_context(api: &StoredApi) -> String {
    with_version(&api.context, &api.api_version)
}

/// A context with a version in its place.
pub(crate) fn with_version(context: &str, version: &str) -> String {
    match context.contains("{version}") {
        true => context.replace("{version}", version),
        false => format!("{}/{version}", context.trim_end_matches('/')),
    }
}

/// Its scopes, as the developers' contract lists them.
pub(crate) fn scopes(api: &StoredApi) -> Vec<Value> {
    let list = api.doc["scopes"].as_array().into_iter().flatten();
    let entry = |scope: &Value| {
        json!({
            "key": scope["name"],
            "name": scope["displayName"].as_str().or_else(|| scope["name"].as_str()),
            "roles": scope["bindings"].as_array().cloned().unwrap_or_default(),
            "description": scope["description"].as_str().unwrap_or_default(),
        })
    };
    list.map(|it| it.get("scope").unwrap_or(it)).map(entry).collect()
}

fn audience(who: &Principal) -> Audience {
    if is_trusted(who) {
        return Audience::Trusted;
    }
    match is_anonymous(who) {
        true => Audience::Anonymous,
        false => Audience::Known(who.roles.iter().map(|role| role.to_string()).collect()),
    }
}

/// The rule of [`audience`], for one API.
fn may_see(api: &StoredApi, who: &Principal) -> bool {
    match api.doc["visibility"].as_str() {
        Some("RESTRICTED") => is_trusted(who) || api.texts("visibleRoles").any(|role| who.has_role(role)),
        Some("PRIVATE") => is_trusted(who) || !is_anonymous(who),
        _ => true,
    }
}

fn is_trusted(who: &Principal) -> bool {
    who.is_admin() || ["Internal/publisher", "Internal/creator"].iter().any(|role| who.has_role(role))
}

fn is_anonymous(who: &Principal) -> bool {
    who.user == Principal::anonymous(who.tenant.clone()).user && who.scopes.is_empty()
}

fn described(api: &StoredApi) -> String {
    format!("{} {}", api.name, api.api_version)
}
