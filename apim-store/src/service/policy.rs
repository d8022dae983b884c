//! Rate-limit policies and business plans.
//!
//! The document is what administrators see; what gateways get is computed from it when it is saved, and a
//! document from which nothing can be computed is refused rather than kept and ignored.

use apim_core::event::Change;
use apim_core::model::{Policy, PolicyKind, PolicyName, Quota};
use serde_json::{Value, json};

pub(crate) use crate::db::policies::{Kept, kind_text};

use crate::db::{Read, Write, apis, applications, policies, subscriptions};
use crate::error::{Finding, Result, code};
use crate::service::Expected;

/// The count that stands for *no limit* in policies' documents.
pub(crate) const UNLIMITED: i64 = 2_147_483_647;

/// Kinds in the order that searches list them.
const KINDS: [PolicyKind; 3] = [PolicyKind::Advanced, PolicyKind::Application, PolicyKind::Subscription];

/// All of a kind, by name.
pub(crate) async fn list(cx: &mut Read, kind: PolicyKind) -> Result<Vec<Kept>> {
    policies::of_kind(cx, kind).await
}

/// One of a kind.
pub(crate) async fn get(cx: &mut Read, kind: PolicyKind, id: &str) -> Result<Kept> {
    let found = policies::find(cx, id).await?.filter(|found| found.kind == kind);
    Ok(found.ok_or_else(|| code::NO_SUCH_POLICY.because(format!("There is no policy {id}")))?)
}

/// One of a kind, by name.
pub(crate) async fn named(cx: &mut Read, kind: PolicyKind, name: &str) -> Result<Option<Kept>> {
    policies::named(cx, kind, name).await
}

/// Searches by `type:` and `name:` terms, which are joined by blanks and all hold.
pub(crate) async fn search(cx: &mut Read, query: &str) -> Result<Vec<Kept>> {
    let term = |field: &str| query.split_whitespace().find_map(|term| term.strip_prefix(field));
    let wanted = term("type:").unwrap_or("all");
    let name = name_term(query);
    let mut found = Vec::new();
    for kind in KINDS {
        if wanted == "all" || wanted == short(kind) {
            found.extend(policies::of_kind(cx, kind).await?);
        }
    }
    found.retain(|policy| name.as_deref().is_none_or(|name| policy.name.as_str() == name));
    Ok(found)
}

/// A name may hold blanks: it goes on until the next term.
fn name_term(query: &str) -> Option<String> {
    let rest = query.split_once("name:")?.1;
    let name = rest.split_once(" type:").map_or(rest, |(name, _)| name);
    Some(name.trim().trim_matches('"').to_owned())
}

/// The word that searches use for a kind.
fn short(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Advanced => "api",
        PolicyKind::Application => "app",
        PolicyKind::Subscription => "sub",
    }
}

/// Makes a policy.
pub(crate) async fn create(cx: &mut Write, kind: PolicyKind, body: &Value) -> Result<Kept> {
    let name = name(body)?;
    let made = Kept {
        id: uuid::Uuid::new_v4().to_string(),
        kind,
        name: PolicyName::from(name),
        version: 1,
        doc: kept(body, name),
    };
    let deployed = deployed(&made)?;
    if !policies::insert(cx, &made).await? {
        return Err(code::CONFLICT.because(format!("There is a policy \"{name}\" already")).into());
    }
    cx.tell(Change::PolicySaved(deployed.into()));
    Ok(made)
}

/// Replaces a policy; its name stays, since others refer to it by that.
pub(crate) async fn replace(
    cx: &mut Write,
    kind: PolicyKind,
    id: &str,
    expected: &Expected,
    body: &Value,
) -> Result<Kept> {
    policies::lock(cx, id).await?;
    let mut found = get(cx, kind, id).await?;
    expected.check(found.version)?;
    if body["policyName"].as_str() != Some(found.name.as_str()) {
        return Err(code::BAD_REQUEST.found(vec![Finding::new("/policyName", "cannot be changed")]).into());
    }
    found.doc = kept(body, &found.name);
    let deployed = deployed(&found)?;
    let version = policies::update(cx, id, &found.doc).await?;
    found.version = version.ok_or_else(|| code::NO_SUCH_POLICY.because("It is gone"))?;
    cx.tell(Change::PolicySaved(deployed.into()));
    Ok(found)
}

/// Takes a policy over from a file, as [`subtype`] names its kind; true if it is new.
pub(crate) async fn import(
    cx: &mut Write,
    kind: PolicyKind,
    data: &Value,
    overwrite: bool,
) -> Result<(Kept, bool)> {
    match policies::named(cx, kind, name(data)?).await? {
        None => Ok((create(cx, kind, data).await?, true)),
        Some(old) if overwrite => Ok((replace(cx, kind, &old.id, &Expected::any(), data).await?, false)),
        Some(old) => {
            Err(code::CONFLICT.because(format!("There is a policy \"{}\" already", old.name)).into())
        }
    }
}

/// What files call a kind.
pub(crate) fn subtype(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Application => "application policy",
        PolicyKind::Subscription => "subscription policy",
        PolicyKind::Advanced => "advanced policy",
    }
}

/// The kind that a file names.
pub(crate) fn of_subtype(text: &str) -> Option<PolicyKind> {
    KINDS.into_iter().find(|kind| subtype(*kind) == text)
}

/// Deletes a policy that nobody uses.
pub(crate) async fn remove(cx: &mut Write, kind: PolicyKind, id: &str, expected: &Expected) -> Result<()> {
    policies::lock(cx, id).await?;
    let found = get(cx, kind, id).await?;
    expected.check(found.version)?;
    if in_use(cx, &found).await? {
        return Err(code::FORBIDDEN.because(format!("The policy \"{}\" is in use", found.name)).into());
    }
    policies::delete(cx, id).await?;
    cx.tell(Change::PolicyRemoved { kind, name: found.name });
    Ok(())
}

async fn in_use(cx: &mut Read, policy: &Kept) -> Result<bool> {
    match policy.kind {
        PolicyKind::Application => applications::any_with_policy(cx, &policy.name).await,
        PolicyKind::Subscription => subscriptions::any_with_plan(cx, &policy.name).await,
        PolicyKind::Advanced => apis::uses_policy(cx, &policy.name).await,
    }
}

/// Refuses a plan that the caller's roles may not choose.
pub(crate) async fn refuse_unless_permitted(cx: &mut Read, plan: &str) -> Result<()> {
    let Some(found) = policies::named(cx, PolicyKind::Subscription, plan).await? else {
        return Err(code::FORBIDDEN.because(format!("There is no plan \"{plan}\"")).into());
    };
    let permissions = &found.doc["permissions"];
    let roles = permissions["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = roles.iter().filter_map(Value::as_str).any(|role| cx.who().has_role(role));
    let refused = match permissions["permissionType"].as_str() {
        Some("ALLOW") => !has,
        Some("DENY") => has,
        _ => false,
    };
    if refused {
        return Err(code::FORBIDDEN.because(format!("The plan \"{plan}\" is not for your roles")).into());
    }
    Ok(())
}

/// What gateways get.
fn deployed(policy: &Kept) -> Result<Policy> {
    let doc = &policy.doc;
    let burst = match policy.kind {
        PolicyKind::Application => &doc["burstLimit"],
        _ => doc,
    };
    if doc["conditionalGroups"].as_array().is_some_and(|groups| !groups.is_empty()) {
        let text = "Conditional groups are not offered; the policy would limit less than it says";
        return Err(code::NOT_OFFERED.because(text).into());
    }
    Ok(Policy {
        kind: policy.kind,
        name: policy.name.clone(),
        quota: quota(&doc["defaultLimit"])?,
        burst: burst_quota(burst)?,
        stop_on_quota_reach: doc["stopOnQuotaReach"].as_bool().unwrap_or(true),
    })
}

fn quota(limit: &Value) -> Result<Option<Quota>> {
    match limit["type"].as_str() {
        Some("REQUESTCOUNTLIMIT") => {}
        Some(other) => {
            let text = format!("Limits of type {other} are not offered");
            return Err(code::NOT_OFFERED.because(text).into());
        }
        None => return Err(bad("/defaultLimit/type", "is required")),
    }
    let place = "/defaultLimit/requestCount";
    let count = &limit["requestCount"];
    let requests = natural(&count["requestCount"], &format!("{place}/requestCount"))?;
    if requests == UNLIMITED.unsigned_abs() {
        return Ok(None);
    }
    let units = natural(&count["unitTime"], &format!("{place}/unitTime"))?;
    let unit = unit_millis(count["timeUnit"].as_str(), &format!("{place}/timeUnit"))?;
    let window = units.checked_mul(unit).filter(|window| (1..=MOST_MILLIS).contains(window));
    let window_ms = window.ok_or_else(|| bad(&format!("{place}/unitTime"), "is 1 unit to 10 years"))?;
    Ok(Some(Quota { requests, window_ms }))
}

fn burst_quota(burst: &Value) -> Result<Option<Quota>> {
    let count = &burst["rateLimitCount"];
    if count.is_null() || count.as_i64() == Some(0) || count.as_i64() == Some(-1) {
        return Ok(None);
    }
    let requests = natural(count, "/rateLimitCount")?;
    let window_ms = unit_millis(burst["rateLimitTimeUnit"].as_str(), "/rateLimitTimeUnit")?;
    Ok(Some(Quota { requests, window_ms }))
}

/// Longer windows are mistakes, and would overflow somewhere.
const MOST_MILLIS: u64 = 10 * 366 * 24 * 3_600_000;

fn natural(value: &Value, place: &str) -> Result<u64> {
    let number = value.as_u64().filter(|number| *number <= UNLIMITED.unsigned_abs());
    number.ok_or_else(|| bad(place, &format!("is a whole number from 0 to {UNLIMITED}")))
}

fn unit_millis(unit: Option<&str>, place: &str) -> Result<u64> {
    let unit = unit.unwrap_or_default().to_ascii_lowercase();
    Ok(match unit.strip_suffix('s').unwrap_or(&unit) {
        "sec" | "second" => 1_000,
        "min" | "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        "week" => 7 * 86_400_000,
        "month" => 30 * 86_400_000,
        "year" => 365 * 86_400_000,
        _ => return Err(bad(place, "is sec, min, hour, day, week, month or year")),
    })
}

fn name(body: &Value) -> Result<&str> {
    let name = body["policyName"].as_str().unwrap_or_default();
    let fits = (1..=60).contains(&name.chars().count())
        && name.trim() == name
        && name.chars().all(|c| c.is_alphanumeric() || " ._-".contains(c));
    if !fits {
        return Err(bad("/policyName", "is 1 to 60 letters, digits, '.', '_', '-' and blanks between them"));
    }
    Ok(name)
}

/// The document without what the server owns.
fn kept(body: &Value, name: &str) -> Value {
    let mut doc = body.clone();
    if let Value::Object(doc) = &mut doc {
        for owned in ["policyId", "policyName", "isDeployed", "type"] {
            doc.shift_remove(owned);
        }
        let display = doc.entry("displayName").or_insert(Value::Null);
        if display.as_str().is_none_or(str::is_empty) {
            *display = json!(name);
        }
    }
    doc
}

fn bad(place: &str, rule: &str) -> crate::Error {
    code::BAD_REQUEST.found(vec![Finding::new(place, rule)]).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limit(count: i64, units: i64, unit: &str) -> Value {
        let count = json!({ "requestCount": count, "unitTime": units, "timeUnit": unit });
        json!({ "type": "REQUESTCOUNTLIMIT", "requestCount": count })
    }

    #[test]
    fn a_quota_is_computed_or_refused() {
        assert_eq!(quota(&limit(5000, 1, "min")).unwrap(), Some(Quota::per_minute(5000)));
        assert_eq!(quota(&limit(5, 2, "days")).unwrap().unwrap().window_ms, 2 * 86_400_000);
        assert_eq!(quota(&limit(UNLIMITED, 0, "min")).unwrap(), None);
        for bad in [limit(-1, 1, "min"), limit(1, 0, "min"), limit(1, -1, "min"), limit(1, 1, "fortnight")] {
            assert!(quota(&bad).is_err(), "{bad}");
        }
        assert!(quota(&limit(1, UNLIMITED, "year")).is_err());
        assert!(quota(&json!({ "type": "BANDWIDTHLIMIT" })).is_err());
    }

    #[test]
    fn a_search_finds_names_with_blanks() {
        assert_eq!(name_term("name:My Plan type:sub").as_deref(), Some("My Plan"));
        assert_eq!(name_term("type:sub name:Gold").as_deref(), Some("Gold"));
        assert_eq!(name_term("type:all"), None);
    }
}
