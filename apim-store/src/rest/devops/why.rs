//! Why a gateway answered a request as it did.

use std::time::Duration;

use apim_core::RequestId;
use apim_core::model::Tenant;

use crate::bus::questions::Reply;
use crate::db::Desk;
use crate::error::{Failure, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, outside};
use crate::rest::scope::{ADMIN, ADMIN_OPERATIONS};

/// How long gateways may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![outside("GET /why/{requestId}", &[ADMIN, ADMIN_OPERATIONS], why)]
}

async fn why(desk: &mut Desk, call: Call) -> Result<Answer> {
    // A gateway serves all tenants, and what it refused may be another one's.
    if desk.who().tenant != Tenant::default() {
        return Err(code::NOT_PERMITTED.because("Only the platform's own administrators may ask").into());
    }
    let id = call.parameter("requestId")?;
    let id: RequestId = id.parse().map_err(|error| code::BAD_REQUEST.because(format!("{id:?}: {error}")))?;
    let reply = desk.store().questions().ask(id, PATIENCE).await;
    match &reply.found {
        Some(found) => Ok(Answer::ok(serde_json::to_value(found).map_err(Failure::from_error)?)),
        None => Err(code::NOT_FOUND.because(unknown(&reply)).into()),
    }
}

fn unknown(reply: &Reply) -> String {
    match reply {
        Reply { asked: 0, .. } => "No gateway follows this control plane".to_owned(),
        Reply { asked, ignorant, .. } if ignorant == asked => format!(
            "None of the {asked} gateways that follow this control plane knows the request: \
             the backend answered it, or it was too long ago"
        ),
        Reply { asked, ignorant, .. } => {
            format!("{ignorant} of {asked} gateways know nothing of the request, the others did not answer")
        }
    }
}
