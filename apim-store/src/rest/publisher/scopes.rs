//! Shared scopes, and whether scopes and roles exist.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::db::{Read, Write, roles};
use crate::error::{Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::{read, write};
use crate::rest::page::Found;
use crate::rest::scope::*;
use crate::service::shared_scope;

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![
            read("GET /scopes", &[API_VIEW, SHARED_SCOPE_MANAGE], list),
            write("POST /scopes", &[SHARED_SCOPE_MANAGE], create),
            read("GET /scopes/{scopeId}", &[API_VIEW, SHARED_SCOPE_MANAGE], get),
            write("PUT /scopes/{scopeId}", &[SHARED_SCOPE_MANAGE], replace),
            write("DELETE /scopes/{scopeId}", &[SHARED_SCOPE_MANAGE], delete),
            read(
                "HEAD /scopes/{scopeId}",
                &[API_CREATE, API_PUBLISH, API_MANAGE, SHARED_SCOPE_MANAGE],
                scope_exists,
            ),
            read("HEAD /roles/{roleId}", &[API_CREATE, API_PUBLISH, API_MANAGE], role_exists),
            read("HEAD /me/roles/{roleId}", &[API_CREATE, API_MANAGE], role_is_mine),
        ],
        description: include_str!("scopes.yaml"),
    }
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let all = shared_scope::list(cx).await?;
    Ok(Answer::page(Found::cut(all, call.page()?), shared_scope::document))
}

async fn create(cx: &mut Write, call: Call) -> Result<Answer> {
    let made = shared_scope::create(cx, call.document()).await?;
    Ok(Answer::created(shared_scope::document(&made)).location(&format!("/scopes/{}", made.id)))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = shared_scope::get(cx, call.parameter("scopeId")?).await?;
    Ok(Answer::ok(shared_scope::document(&found)))
}

async fn replace(cx: &mut Write, call: Call) -> Result<Answer> {
    let changed = shared_scope::replace(cx, call.parameter("scopeId")?, call.document()).await?;
    Ok(Answer::ok(shared_scope::document(&changed)))
}

async fn delete(cx: &mut Write, call: Call) -> Result<Answer> {
    shared_scope::delete(cx, call.parameter("scopeId")?).await?;
    Ok(Answer::done())
}

async fn scope_exists(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = decoded(call.parameter("scopeId")?)?;
    said(shared_scope::exists(cx, &name).await?)
}

async fn role_exists(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = decoded(call.parameter("roleId")?)?;
    said(roles::all(cx).await?.iter().any(|role| role.as_str().eq_ignore_ascii_case(&name)))
}

async fn role_is_mine(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = decoded(call.parameter("roleId")?)?;
    said(cx.who().has_role(&name))
}

/// Names stand in these paths in base64, since they may hold slashes.
fn decoded(text: &str) -> Result<String> {
    let text = text.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
    let name = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(name.ok_or_else(|| code::BAD_REQUEST.because("The name must be base64url without padding"))?)
}

fn said(yes: bool) -> Result<Answer> {
    match yes {
        true => Ok(Answer::done()),
        false => Err(code::NOT_FOUND.because("There is none of that name").into()),
    }
}
