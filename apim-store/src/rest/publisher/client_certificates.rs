//! Certificates by which clients may call an API.
//!
//! They stand at two paths: below their key type, and, as older clients have it, without one, where those of
//! production are meant.

use apim_core::model::KeyType;
use http::header;

use crate::db::{Read, Write};
use crate::error::{Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::{Operation, read, write};
use crate::rest::page::Found;
use crate::rest::scope::*;
use crate::service::client_certificate::{self, Sent};

pub(super) fn noun() -> Noun {
    let bases = ["/apis/{apiId}/client-certificates", "/apis/{apiId}/client-certs/{keyType}"];
    Noun {
        operations: bases.into_iter().flat_map(operations).collect(),
        description: include_str!("client_certificates.yaml"),
    }
}

fn operations(base: &str) -> Vec<Operation> {
    let view = &[API_VIEW, API_MANAGE, CLIENT_CERTIFICATES_VIEW, CLIENT_CERTIFICATES_MANAGE];
    let add = &[API_CREATE, API_MANAGE, CLIENT_CERTIFICATES_ADD, CLIENT_CERTIFICATES_MANAGE];
    let update = &[API_CREATE, API_MANAGE, CLIENT_CERTIFICATES_UPDATE, CLIENT_CERTIFICATES_MANAGE];
    vec![
        read(format!("GET {base}"), view, list),
        write(format!("POST {base}"), add, upload),
        read(format!("GET {base}/{{alias}}"), view, get),
        write(format!("PUT {base}/{{alias}}"), update, replace),
        write(
            format!("DELETE {base}/{{alias}}"),
            &[API_CREATE, API_MANAGE, CLIENT_CERTIFICATES_UPDATE],
            delete,
        ),
        read(format!("GET {base}/{{alias}}/content"), view, content),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let api = call.parameter("apiId")?;
    let all = client_certificate::list(cx, api, key_type(&call)?, call.query("alias")).await?;
    let found = Found::cut(all, call.page()?);
    Ok(Answer::page_of("certificates", found, |it| client_certificate::document(api, it)))
}

async fn upload(cx: &mut Write, call: Call) -> Result<Answer> {
    let api = call.parameter("apiId")?;
    let alias = call.text("alias")?.unwrap_or_default();
    let made = client_certificate::add(cx, api, key_type(&call)?, alias, sent(&call)?).await?;
    let location = format!("/apis/{api}/client-certs/{}/{}", made.key_type.as_str(), path(&made.alias));
    Ok(Answer::ok(client_certificate::document(api, &made)).location(&location))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found =
        client_certificate::get(cx, call.parameter("apiId")?, key_type(&call)?, alias(&call)?).await?;
    Ok(Answer::ok(client_certificate::info(&found, cx.now())?))
}

async fn replace(cx: &mut Write, call: Call) -> Result<Answer> {
    let api = call.parameter("apiId")?;
    let changed = client_certificate::replace(cx, api, key_type(&call)?, alias(&call)?, sent(&call)?).await?;
    Ok(Answer::ok(client_certificate::document(api, &changed)))
}

async fn delete(cx: &mut Write, call: Call) -> Result<Answer> {
    client_certificate::remove(cx, call.parameter("apiId")?, key_type(&call)?, alias(&call)?).await?;
    Ok(Answer::done())
}

async fn content(cx: &mut Read, call: Call) -> Result<Answer> {
    let found =
        client_certificate::get(cx, call.parameter("apiId")?, key_type(&call)?, alias(&call)?).await?;
    let name = format!("attachment; filename=\"{}.crt\"", path(&found.alias));
    let pem = client_certificate::pem(&found.certificate);
    Ok(Answer::bytes("application/octet-stream", pem).header(header::CONTENT_DISPOSITION, &name))
}

/// The endpoint that the path speaks of.
fn key_type(call: &Call) -> Result<KeyType> {
    match call.parameter("keyType").unwrap_or("PRODUCTION") {
        "PRODUCTION" => Ok(KeyType::Production),
        "SANDBOX" => Ok(KeyType::Sandbox),
        _ => Err(code::BAD_VALUE.found(vec![Finding::new("keyType", "is PRODUCTION or SANDBOX")]).into()),
    }
}

fn alias(call: &Call) -> Result<&str> {
    call.parameter("alias")
}

fn sent(call: &Call) -> Result<Sent<'_>> {
    Ok(Sent { certificate: call.part("certificate").map(|part| &*part.bytes), tier: call.text("tier")? })
}

/// An alias as it stands in a path.
fn path(alias: &str) -> String {
    url::form_urlencoded::byte_serialize(alias.as_bytes()).collect::<String>().replace('+', "%20")
}
