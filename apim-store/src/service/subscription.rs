//! Subscriptions of applications to APIs.

use apim_core::event::Change;
use apim_core::model::{ApiId, ApplicationId, PolicyName, SubscriptionId, SubscriptionState};
use serde_json::Value;

pub(crate) use crate::db::subscriptions::{Search, Subscription, state_text};

use crate::db::{Read, StoredApi, Write, apis, subscriptions};
use crate::error::{Result, code};
use crate::rest::page::{Found, Page};
use crate::service::{Expected, application, listing, policy};

/// Subscribes one of the caller's applications to an API that the caller may see.
pub(crate) async fn create(cx: &mut Write, body: &Value) -> Result<Subscription> {
    let application = application::to_edit(cx, text(body, "applicationId"), &Expected::any()).await?;
    // An API that retires meanwhile would keep a subscriber whom it never ends.
    apis::lock(cx, &ApiId::from(text(body, "apiId"))).await?;
    let api = listing::get(cx, text(body, "apiId")).await?;
    listing::refuse_unless_open(&api)?;
    let plan = plan(cx, &api, text(body, "throttlingPolicy")).await?;
    let made = Subscription {
        id: SubscriptionId::from(uuid::Uuid::new_v4().to_string()),
        application: application.id,
        api: api.id.clone(),
        plan,
        state: SubscriptionState::Unblocked,
        version: 1,
        created_at: cx.now(),
        owner: application.owner,
    };
    if !subscriptions::insert(cx, &made).await? {
        let text = format!("The application has subscribed to {} {} already", api.name, api.api_version);
        return Err(code::ALREADY_SUBSCRIBED.because(text).into());
    }
    tell(cx, &made);
    Ok(made)
}

/// The caller's subscriptions, of an application or to an API.
pub(crate) async fn mine(cx: &mut Read, search: Search, page: Page) -> Result<Found<Subscription>> {
    if search.application.is_none() && search.api.is_none() {
        return Err(code::BAD_REQUEST.because("Either applicationId or apiId is required").into());
    }
    let search = Search { owner: Some(cx.who().user.clone()), ..search };
    find(cx, &search, page).await
}

/// Everybody's subscriptions, for publishers; whoever calls this has checked that they may see the API.
pub(crate) async fn find(cx: &mut Read, search: &Search, page: Page) -> Result<Found<Subscription>> {
    let (list, total) = subscriptions::page(cx, search, page.limit, page.offset).await?;
    Ok(Found { list, total, page })
}

/// All subscriptions of an application that the caller may see.
pub(crate) async fn of_application(cx: &mut Read, id: &ApplicationId) -> Result<Vec<Subscription>> {
    subscriptions::of_application(cx, id).await
}

/// One of the caller's subscriptions.
pub(crate) async fn get(cx: &mut Read, id: &str) -> Result<Subscription> {
    let found = any(cx, id).await?;
    if found.owner != cx.who().user {
        return Err(missing(id));
    }
    Ok(found)
}

/// Anybody's subscription, for publishers of its API.
pub(crate) async fn any(cx: &mut Read, id: &str) -> Result<Subscription> {
    subscriptions::find(cx, &SubscriptionId::from(id)).await?.ok_or_else(|| missing(id))
}

/// Changes the plan of one of the caller's subscriptions.
pub(crate) async fn change_plan(
    cx: &mut Write,
    id: &str,
    expected: &Expected,
    body: &Value,
) -> Result<Subscription> {
    let found = get(cx, id).await?;
    application::to_edit(cx, &found.application, &Expected::any()).await?;
    // Read again: the locks are only held since then. Publishers change it, too, and lock only itself.
    subscriptions::lock(cx, &found.id).await?;
    let mut found = get(cx, id).await?;
    expected.check(found.version)?;
    if matches!(text(body, "status"), "BLOCKED" | "ON_HOLD" | "REJECTED") {
        return Err(code::BAD_REQUEST.because("The state is not the subscriber's to set").into());
    }
    let wanted = match text(body, "requestedThrottlingPolicy") {
        "" => text(body, "throttlingPolicy"),
        requested => requested,
    };
    if wanted != found.plan.as_str() {
        let api = listing::get(cx, &found.api).await?;
        found.plan = plan(cx, &api, wanted).await?;
        save(cx, &mut found).await?;
    }
    Ok(found)
}

/// Ends one of the caller's subscriptions.
pub(crate) async fn remove(cx: &mut Write, id: &str, expected: &Expected) -> Result<()> {
    let found = get(cx, id).await?;
    application::to_edit(cx, &found.application, &Expected::any()).await?;
    subscriptions::lock(cx, &found.id).await?;
    let found = get(cx, id).await?;
    expected.check(found.version)?;
    if !subscriptions::delete(cx, &found.id).await? {
        return Err(missing(id));
    }
    cx.tell(Change::SubscriptionRemoved(found.id));
    Ok(())
}

/// Blocks, unblocks or moves a subscription; for publishers, whose right to the API has been checked.
pub(crate) async fn set(
    cx: &mut Write,
    id: &str,
    state: Option<SubscriptionState>,
    plan: Option<PolicyName>,
) -> Result<Subscription> {
    subscriptions::lock(cx, &SubscriptionId::from(id)).await?;
    let mut found = any(cx, id).await?;
    found.state = state.unwrap_or(found.state);
    found.plan = plan.unwrap_or(found.plan);
    save(cx, &mut found).await?;
    Ok(found)
}

/// Ends all subscriptions to an API, as when it retires.
pub(crate) async fn end_all(cx: &mut Write, api: &ApiId) -> Result<()> {
    for found in subscriptions::of_api(cx, api).await? {
        subscriptions::delete(cx, &found.id).await?;
        cx.tell(Change::SubscriptionRemoved(found.id));
    }
    Ok(())
}

/// Lets the subscribers of one version use another, with the same plans.
pub(crate) async fn carry_over(cx: &mut Write, from: &ApiId, to: &ApiId) -> Result<()> {
    for old in subscriptions::of_api(cx, from).await? {
        let id = SubscriptionId::from(uuid::Uuid::new_v4().to_string());
        let new = Subscription { id, api: to.clone(), version: 1, created_at: cx.now(), ..old };
        if subscriptions::insert(cx, &new).await? {
            tell(cx, &new);
        }
    }
    Ok(())
}

async fn save(cx: &mut Write, it: &mut Subscription) -> Result<()> {
    let version = subscriptions::update(cx, &it.id, &it.plan, it.state).await?;
    it.version = version.ok_or_else(|| missing(&it.id))?;
    tell(cx, it);
    Ok(())
}

/// A plan that the API offers, and that the caller's roles may choose.
async fn plan(cx: &mut Read, api: &StoredApi, wanted: &str) -> Result<PolicyName> {
    if !api.texts("policies").any(|plan| plan == wanted) {
        let text = format!("{} {} does not offer the plan \"{wanted}\"", api.name, api.api_version);
        return Err(code::FORBIDDEN.because(text).into());
    }
    policy::refuse_unless_permitted(cx, wanted).await?;
    Ok(PolicyName::from(wanted))
}

fn tell(cx: &mut Write, it: &Subscription) {
    let deployed = apim_core::model::Subscription {
        id: it.id.clone(),
        application: it.application.clone(),
        api: it.api.clone(),
        plan: it.plan.clone(),
        state: it.state,
    };
    cx.tell(Change::SubscriptionSaved(deployed.into()));
}

/// Narrows a search by what a request says.
pub(crate) fn search(application: Option<&str>, api: Option<&str>) -> Search {
    Search { owner: None, application: application.map(ApplicationId::from), api: api.map(ApiId::from) }
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap_or_default()
}

fn missing(id: &str) -> crate::Error {
    code::NO_SUCH_SUBSCRIPTION.because(format!("There is no subscription {id}")).into()
}
