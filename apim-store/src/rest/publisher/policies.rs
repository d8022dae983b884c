//! Business plans and other limits, to choose from.

use apim_core::model::PolicyKind;

use crate::db::Read;
use crate::error::{Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::devportal::policies::tier;
use crate::rest::operation::read;
use crate::rest::page::Found;
use crate::rest::scope::*;
use crate::service::{api, policy};

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![
            read("GET /throttling-policies/{policyLevel}", &[API_VIEW, TIER_VIEW, TIER_MANAGE], list),
            read(
                "GET /throttling-policies/{policyLevel}/{policyName}",
                &[API_VIEW, TIER_VIEW, TIER_MANAGE],
                get,
            ),
            read("GET /apis/{apiId}/subscription-policies", &[API_VIEW, API_MANAGE], of_api),
        ],
        description: include_str!("policies.yaml"),
    }
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let all = policy::list(cx, level(&call)?).await?;
    Ok(Answer::page(Found::cut(all, call.page()?), tier))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = call.parameter("policyName")?;
    let found = policy::named(cx, level(&call)?, name).await?;
    let found = found.ok_or_else(|| code::NO_SUCH_POLICY.because(format!("There is no policy {name}")))?;
    Ok(Answer::ok(tier(&found)).etag(found.version))
}

/// The plans that an API offers.
async fn of_api(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = api::to_view(cx, call.parameter("apiId")?).await?;
    let all = policy::list(cx, PolicyKind::Subscription).await?;
    let offered = all.iter().filter(|plan| found.texts("policies").any(|name| name == plan.name.as_str()));
    Ok(Answer::ok(offered.map(tier).collect::<Vec<_>>()))
}

fn level(call: &Call) -> Result<PolicyKind> {
    match call.parameter("policyLevel")? {
        "subscription" => Ok(PolicyKind::Subscription),
        "application" => Ok(PolicyKind::Application),
        // The contract calls the advanced policies of operations `api`.
        "api" => Ok(PolicyKind::Advanced),
        _ => {
            let rule = "is api, application or subscription";
            Err(code::BAD_REQUEST.found(vec![Finding::new("policyLevel", rule)]).into())
        }
    }
}
