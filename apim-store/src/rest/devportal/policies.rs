//! Business plans and application policies, to choose from.

use apim_core::model::PolicyKind;
use serde_json::{Value, json};

use crate::db::Read;
use crate::error::{Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Access, Operation, read};
use crate::rest::page::Found;
use crate::service::policy::{self, Kept, kind_text};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /throttling-policies/{policyLevel}", Access::Anyone, list),
        read("GET /throttling-policies/{policyLevel}/{policyId}", Access::Anyone, get),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let page = call.page()?;
    let all = policy::list(cx, level(&call)?).await?;
    Ok(Answer::page(Found::cut(all, page), tier))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = call.parameter("policyId")?;
    let found = policy::named(cx, level(&call)?, name).await?;
    let found =
        found.ok_or_else(|| code::NO_SUCH_POLICY.because(format!("There is no policy \"{name}\"")))?;
    Ok(Answer::ok(tier(&found)).etag(found.version))
}

fn level(call: &Call) -> Result<PolicyKind> {
    match call.parameter("policyLevel")? {
        "application" => Ok(PolicyKind::Application),
        "subscription" => Ok(PolicyKind::Subscription),
        _ => {
            let rule = "is application or subscription";
            Err(code::BAD_REQUEST.found(vec![Finding::new("policyLevel", rule)]).into())
        }
    }
}

/// A policy as those see it who choose one; the publisher contract's shape is the same.
pub(crate) fn tier(it: &Kept) -> Value {
    let count = &it.doc["defaultLimit"]["requestCount"];
    let rate = if it.kind == PolicyKind::Application { &it.doc["burstLimit"] } else { &it.doc };
    json!({
        "name": it.name,
        "displayName": it.doc["displayName"],
        "description": it.doc["description"].as_str().unwrap_or_default(),
        "policyLevel": kind_text(it.kind),
        "attributes": {},
        "requestCount": count["requestCount"],
        "unitTime": count["unitTime"],
        "timeUnit": count["timeUnit"],
        "dataUnit": "",
        "rateLimitCount": rate["rateLimitCount"].as_i64().unwrap_or(0),
        "rateLimitTimeUnit": rate["rateLimitTimeUnit"].as_str().unwrap_or_default(),
        "quotaPolicyType": "REQUESTCOUNT",
        "tierPlan": it.doc["billingPlan"].as_str().unwrap_or("FREE"),
        "stopOnQuotaReach": it.doc["stopOnQuotaReach"].as_bool().unwrap_or(true),
    })
}
