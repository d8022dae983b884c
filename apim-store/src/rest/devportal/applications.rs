//! Applications of developers.

use serde_json::{Value, json};

use crate::db::{Desk, Read, Write};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, outside, read, write};
use crate::rest::scope::{APP_IMPORT_EXPORT, APP_MANAGE, SUBSCRIBE};
use crate::service::application::{self, Application, Order, Search, millis};
use crate::service::{key, listing, subscription};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /applications", &[SUBSCRIBE, APP_MANAGE, APP_IMPORT_EXPORT], list),
        write("POST /applications", &[SUBSCRIBE, APP_MANAGE], create),
        read("GET /applications/{applicationId}", &[SUBSCRIBE, APP_MANAGE], get),
        write("PUT /applications/{applicationId}", &[SUBSCRIBE, APP_MANAGE], replace),
        outside("DELETE /applications/{applicationId}", &[SUBSCRIBE, APP_MANAGE, APP_IMPORT_EXPORT], remove),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let order = match call.query("sortBy") {
        Some("throttlingPolicy") => Order::Policy,
        _ => Order::Name,
    };
    let search = Search {
        owner: None,
        name: call.query("query").map(str::to_owned),
        order,
        descending: call.query("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc")),
    };
    Ok(Answer::page(application::mine(cx, search, call.page()?).await?, info))
}

async fn create(cx: &mut Write, call: Call) -> Result<Answer> {
    let made = application::create(cx, call.document()).await?;
    let place = format!("/applications/{}", made.id);
    Ok(Answer::created(whole(cx, &made).await?).location(&place).etag(made.version))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = application::get(cx, call.parameter("applicationId")?).await?;
    Ok(Answer::ok(whole(cx, &found).await?).etag(found.version))
}

async fn replace(cx: &mut Write, call: Call) -> Result<Answer> {
    let id = call.parameter("applicationId")?;
    let found = application::replace(cx, id, &call.if_match(), call.document()).await?;
    Ok(Answer::ok(whole(cx, &found).await?).etag(found.version))
}

async fn remove(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    application::remove(desk, call.parameter("applicationId")?, &call.if_match(), &*keys).await?;
    Ok(Answer::done())
}

/// An application in a list.
pub(super) fn info(it: &Application) -> Value {
    json!({
        "applicationId": it.id,
        "name": it.name,
        "throttlingPolicy": it.policy,
        "description": it.doc["description"].as_str().unwrap_or_default(),
        "status": "APPROVED",
        "groups": [],
        "subscriptionCount": it.subscriptions,
        "attributes": attributes(it),
        "owner": it.owner,
        "createdTime": millis(it.created_at),
        "updatedTime": millis(it.updated_at),
    })
}

/// An application by itself: with its keys, and the scopes of the APIs it subscribed to.
async fn whole(cx: &mut Read, it: &Application) -> Result<Value> {
    let mut document = info(it);
    let keys = key::list(cx, &it.id).await?;
    let scopes = scopes(cx, it).await?;
    for (name, value) in [
        ("tokenType", it.doc["tokenType"].clone()),
        ("visibility", it.doc["visibility"].clone()),
        ("hashEnabled", Value::Bool(false)),
        ("keys", keys.iter().map(super::keys::document).collect()),
        ("subscriptionScopes", scopes),
    ] {
        document[name] = value;
    }
    Ok(document)
}

/// The scopes that tokens of this application may ask for, each once.
async fn scopes(cx: &mut Read, it: &Application) -> Result<Value> {
    let mut list: Vec<Value> = Vec::new();
    for subscription in subscription::of_application(cx, &it.id).await? {
        let Ok(api) = listing::of_any_state(cx, &subscription.api).await else { continue };
        for scope in listing::scopes(&api) {
            if !list.iter().any(|known| known["key"] == scope["key"]) {
                list.push(scope);
            }
        }
    }
    Ok(Value::Array(list))
}

fn attributes(it: &Application) -> Value {
    let attributes = &it.doc["attributes"];
    if attributes.is_object() { attributes.clone() } else { json!({}) }
}
