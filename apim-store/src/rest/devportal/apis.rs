//! APIs as developers see them. Whatever is told of a publisher's document is named here.

use serde_json::{Value, json};

use crate::db::{Read, StoredApi};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Access, Operation, read};
use crate::rest::page::Found;
use crate::service::application::millis;
use crate::service::environment::Environment;
use crate::service::listing::{self, Addresses};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /apis", Access::Anyone, list),
        read("GET /apis/{apiId}", Access::Anyone, get),
        read("GET /apis/{apiId}/swagger", Access::Anyone, definition),
        read("GET /apis/{apiId}/subscription-policies", Access::Anyone, plans),
        read("GET /tags", Access::Anyone, tags),
        read("GET /search", Access::Anyone, search),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = listing::find(cx, call.query("query").unwrap_or_default(), call.page()?).await?;
    Ok(Answer::page(found, info))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = listing::get(cx, call.parameter("apiId")?).await?;
    let addresses = listing::addresses(cx, &found, &call.house().urls).await?;
    Ok(Answer::ok(whole(&found, &addresses)).etag(found.version))
}

async fn definition(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = listing::get(cx, call.parameter("apiId")?).await?;
    Ok(Answer::ok(listing::definition(cx, &found, &call.house().urls).await?).etag(found.version))
}

async fn plans(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = listing::get(cx, call.parameter("apiId")?).await?;
    let plans = listing::plans(cx, &found).await?;
    Ok(Answer::ok(plans.iter().map(super::policies::tier).collect::<Value>()))
}

async fn tags(cx: &mut Read, call: Call) -> Result<Answer> {
    let page = call.page()?;
    let all = listing::tags(cx).await?;
    Ok(Answer::page(Found::cut(all, page), |tag| json!({ "value": tag.value, "count": tag.count })))
}

async fn search(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = listing::find(cx, call.query("query").unwrap_or_default(), call.page()?).await?;
    let entry = |it: &StoredApi| {
        let mut entry = info(it);
        entry["transportType"] = entry["type"].take();
        entry["type"] = json!("API");
        entry
    };
    Ok(Answer::page(found, entry))
}

/// An API in a list.
pub(super) fn info(it: &StoredApi) -> Value {
    json!({
        "id": it.id,
        "name": it.name,
        "description": it.doc["description"].as_str().unwrap_or_default(),
        "context": listing::versioned_context(it),
        "version": it.api_version,
        "type": it.kind,
        "createdTime": millis(it.created_at),
        "provider": it.provider,
        "lifeCycleStatus": it.state.as_str(),
        "thumbnailUri": "",
        "avgRating": "0.0",
        "throttlingPolicies": it.texts("policies").collect::<Vec<_>>(),
        "businessInformation": object(&it.doc["businessInformation"]),
        "advertiseInfo": { "advertised": false },
        "isSubscriptionAvailable": true,
        "monetizationLabel": "",
    })
}

/// An API by itself.
fn whole(it: &StoredApi, addresses: &Addresses) -> Value {
    let texts = |field: &str| it.texts(field).map(str::to_owned).collect::<Vec<_>>();
    let tiers: Vec<Value> =
        it.texts("policies").map(|name| json!({ "tierName": name, "tierPlan": "FREE" })).collect();
    let operations: Vec<Value> = list_of(&it.doc["operations"])
        .map(|operation| json!({ "target": operation["target"], "verb": operation["verb"] }))
        .collect();
    let shown: Vec<&Value> =
        list_of(&it.doc["additionalProperties"]).filter(|property| property["display"] == true).collect();
    let mut document = info(it);
    for (name, value) in [
        ("isDefaultVersion", json!(it.is_default)),
        ("transport", json!(texts("transport"))),
        ("operations", json!(operations)),
        ("authorizationHeader", it.doc["authorizationHeader"].clone()),
        ("securityScheme", json!(texts("securityScheme"))),
        ("tags", json!(texts("tags"))),
        ("tiers", json!(tiers)),
        ("hasThumbnail", json!(false)),
        ("additionalProperties", json!(shown)),
        ("endpointURLs", endpoint_urls(addresses)),
        ("environmentList", environments(addresses)),
        ("scopes", json!(listing::scopes(it))),
        ("categories", json!(texts("categories"))),
        ("keyManagers", it.doc["keyManagers"].clone()),
        ("lastUpdatedTime", json!(millis(it.updated_at))),
        ("gatewayVendor", json!("wso2")),
    ] {
        document[name] = value;
    }
    document
}

fn endpoint_urls(addresses: &Addresses) -> Value {
    let urls = |pair: &Option<(String, String)>| match pair {
        Some((http, https)) => json!({ "http": http, "https": https }),
        None => json!({}),
    };
    if addresses.versioned.is_none() {
        return json!([]);
    }
    json!([{
        "environmentName": Environment::NAME,
        "environmentDisplayName": Environment::NAME,
        "environmentType": "hybrid",
        "URLs": urls(&addresses.versioned),
        "defaultVersionURLs": urls(&addresses.plain),
    }])
}

fn environments(addresses: &Addresses) -> Value {
    if addresses.versioned.is_some() { json!([Environment::NAME]) } else { json!([]) }
}

fn list_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn object(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({}) }
}
