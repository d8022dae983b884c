//! The caller's own account.

use apim_core::Secret;
use serde_json::Value;

use crate::db::Desk;
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, outside};
use crate::rest::scope::SUBSCRIBE;
use crate::service::users;

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![outside("POST /me/change-password", &[SUBSCRIBE], change_password)]
}

async fn change_password(desk: &mut Desk, call: Call) -> Result<Answer> {
    let mut body = call.into_document();
    let mut secret = |name: &str| match body[name].take() {
        Value::String(text) => Secret::new(text),
        _ => Secret::new(""),
    };
    let (current, new) = (secret("currentPassword"), secret("newPassword"));
    users::change_own_password(desk, current, new).await?;
    Ok(Answer::done())
}
