//! What an endpoint may say, and what it must not.

use apim_core::BuildError;
use apim_core::model::{Balance, Endpoint, Member};
use http::Method;

/// Members of one endpoint; which of them were tried stands in the bits of a number.
const MOST_MEMBERS: usize = 64;
const MOST_WEIGHT: u32 = 1_000;
const MOST_RETRIES: u32 = 10;

/// The members, also of an endpoint that has but a URL.
pub(super) fn members(endpoint: &Endpoint) -> Vec<Member> {
    match endpoint.members.is_empty() {
        true => vec![Member::new(&endpoint.url)],
        false => endpoint.members.clone(),
    }
}

/// Says what is wrong with an endpoint, apart from what its URLs and certificates are.
pub(super) fn check(endpoint: &Endpoint) -> Result<(), BuildError> {
    let wrong = |path: &str, why: &str| Err(BuildError::at(path, why.to_owned()));
    if !endpoint.url.is_empty() && !endpoint.members.is_empty() {
        return wrong("members", "there is a `url` already");
    }
    if endpoint.members.len() > MOST_MEMBERS {
        return wrong("members", "there are more than 64");
    }
    for (index, member) in endpoint.members.iter().enumerate() {
        let path = format!("members[{index}].weight");
        if !(1..=MOST_WEIGHT).contains(&member.weight) {
            return wrong(&path, "it must be from 1 to 1,000");
        }
        if member.weight != 1 && endpoint.policy != Balance::Weighted {
            return wrong(&path, "only the policy `weighted` heeds it");
        }
    }
    if !(100..=999).contains(&endpoint.timeout_status) {
        return wrong("timeout_status", &format!("{} is no HTTP status", endpoint.timeout_status));
    }
    for (path, time) in
        [("connect_timeout_ms", endpoint.connect_timeout_ms), ("body_timeout_ms", endpoint.body_timeout_ms)]
    {
        if time == Some(0) {
            return wrong(path, "it must be more than 0");
        }
    }
    if endpoint.max_requests == Some(0) {
        return wrong("max_requests", "it must be more than 0");
    }
    check_retry(endpoint).map_err(|error| error.within("retry"))?;
    check_closing(endpoint)
}

fn check_retry(endpoint: &Endpoint) -> Result<(), BuildError> {
    let wrong = |path: &str, why: &str| Err(BuildError::at(path, why.to_owned()));
    let Some(retry) = &endpoint.retry else { return Ok(()) };
    if !(1..=MOST_RETRIES).contains(&retry.retries) {
        return wrong("retries", "it must be from 1 to 10");
    }
    if !(0.0..=10.0).contains(&retry.budget) {
        return wrong("budget", "it must be from 0 to 10");
    }
    if retry.try_timeout_ms == Some(0) {
        return wrong("try_timeout_ms", "it must be more than 0");
    }
    if let Some(status) = retry.statuses.iter().find(|status| !(400..=599).contains(*status)) {
        return wrong("statuses", &format!("{status} is no status of an error"));
    }
    match retry.methods.iter().find(|method| Method::from_bytes(method.as_bytes()).is_err()) {
        Some(method) => wrong("methods", &format!("`{method}` is no method")),
        None => Ok(()),
    }
}

/// Suspension, ejection, breaker, health checks.
fn check_closing(endpoint: &Endpoint) -> Result<(), BuildError> {
    let wrong = |path: &str, why: &str| Err(BuildError::at(path, why.to_owned()));
    if let Some(rule) = &endpoint.suspension {
        if rule.initial_ms == 0 {
            return wrong("suspension.initial_ms", "it must be more than 0");
        }
        if !(1.0..=1_000.0).contains(&rule.factor) {
            return wrong("suspension.factor", "it must be from 1 to 1,000");
        }
    }
    if let Some(rule) = &endpoint.ejection {
        if members(endpoint).len() < 2 {
            return wrong("ejection", "there must be other members to go to");
        }
        if rule.failures == 0 || rule.base_ms == 0 || rule.max_ms < rule.base_ms || rule.max_percent > 100 {
            return wrong("ejection", "failures and times must be more than 0, the percentage at most 100");
        }
    }
    if let Some(rule) = &endpoint.breaker {
        if rule.failures == 0 && rule.ratio.is_none() {
            return wrong("breaker", "neither `failures` nor `ratio` would ever open it");
        }
        if rule.ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio) || ratio == 0.0) {
            return wrong("breaker.ratio", "it must be more than 0 and at most 1");
        }
        if rule.open_ms == 0 || rule.window_ms == 0 {
            return wrong("breaker", "its times must be more than 0");
        }
    }
    if let Some(check) = &endpoint.health {
        if !check.path.starts_with('/') || check.path.parse::<http::uri::PathAndQuery>().is_err() {
            return wrong("health.path", "it must be a path that begins with a slash");
        }
        if check.interval_ms < 100 || check.timeout_ms == 0 || check.healthy == 0 || check.unhealthy == 0 {
            return wrong("health", "the interval must be 100 or more, everything else more than 0");
        }
    }
    Ok(())
}
