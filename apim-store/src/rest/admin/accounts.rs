//! Users and roles: rows of our own, which the original's contract does not have.

use apim_core::Secret;
use apim_core::model::Role;
use apim_core::store::User;
use serde_json::{Value, json};

use crate::db::{Desk, Read, Write};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, outside, read, write};
use crate::rest::page::Found;
use crate::rest::scope::ADMIN;
use crate::service::application::millis;
use crate::service::users;

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        outside("GET /users", &[ADMIN], list),
        outside("POST /users", &[ADMIN], create),
        read("GET /users/{name}", &[ADMIN], get),
        write("PUT /users/{name}/roles", &[ADMIN], set_roles),
        write("PUT /users/{name}/locked", &[ADMIN], set_locked),
        outside("PUT /users/{name}/password", &[ADMIN], set_password),
        read("GET /roles", &[ADMIN], roles),
        write("POST /roles", &[ADMIN], create_role),
    ]
}

async fn list(desk: &mut Desk, call: Call) -> Result<Answer> {
    let all = users::list(desk.store(), &desk.who().tenant).await?;
    Ok(Answer::page(Found::cut(all, call.page()?), document))
}

async fn create(desk: &mut Desk, call: Call) -> Result<Answer> {
    let mut body = call.into_document();
    let password = secret(&mut body, "password");
    let name = body["name"].as_str().unwrap_or_default();
    let made = users::create(desk, name, password, &role_list(&body["roles"])).await?;
    Ok(Answer::created(document(&made)).location(&format!("/users/{}", made.name)))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    Ok(Answer::ok(document(&users::get(cx, call.parameter("name")?).await?)))
}

async fn set_roles(cx: &mut Write, call: Call) -> Result<Answer> {
    let wanted = role_list(&call.document()["roles"]);
    let user = users::set_roles(cx, call.parameter("name")?, &wanted).await?;
    Ok(Answer::ok(document(&user)))
}

async fn set_locked(cx: &mut Write, call: Call) -> Result<Answer> {
    let locked = call.document()["locked"].as_bool().unwrap_or(true);
    let user = users::set_locked(cx, call.parameter("name")?, locked).await?;
    Ok(Answer::ok(document(&user)))
}

async fn set_password(desk: &mut Desk, call: Call) -> Result<Answer> {
    let name = call.parameter("name")?.to_owned();
    let password = secret(&mut call.into_document(), "password");
    users::set_password(desk, &name, password).await?;
    Ok(Answer::done())
}

async fn roles(cx: &mut Read, call: Call) -> Result<Answer> {
    let all = users::all_roles(cx).await?;
    Ok(Answer::page(Found::cut(all, call.page()?), |role| json!({ "name": role })))
}

async fn create_role(cx: &mut Write, call: Call) -> Result<Answer> {
    let role = users::create_role(cx, call.document()["name"].as_str().unwrap_or_default()).await?;
    Ok(Answer::created(json!({ "name": role })))
}

fn document(user: &User) -> Value {
    json!({
        "name": user.name,
        "roles": user.roles,
        "locked": user.locked,
        "createdTime": millis(user.created_at),
    })
}

fn role_list(list: &Value) -> Vec<Role> {
    let mut roles: Vec<Role> =
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(Role::from).collect();
    let mut known = std::collections::BTreeSet::new();
    roles.retain(|role| known.insert(role.clone()));
    roles
}

/// Takes a password out of a body.
fn secret(body: &mut Value, name: &str) -> Secret {
    match body.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Secret::new(text),
        _ => Secret::new(""),
    }
}
