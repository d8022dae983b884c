//! APIs and their definitions.

use serde_json::{Value, json};

use crate::db::api_search::{self, Field};
use crate::db::{Desk, Read, Write, apis};
use crate::error::{Error, Failure, Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::{outside, read, write};
use crate::rest::scope::*;
use crate::service::definition::Given;
use crate::service::{api, search};

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![
            read("GET /apis", &[API_VIEW, API_MANAGE, API_IMPORT_EXPORT, API_LIST_VIEW], list),
            write("POST /apis", &[API_CREATE, API_MANAGE], create),
            outside("POST /apis/import-openapi", &[API_CREATE, API_MANAGE], import),
            outside("POST /apis/validate-openapi", &[API_CREATE, API_MANAGE], validate_definition),
            read("POST /apis/validate", &[API_CREATE, API_MANAGE], validate),
            write("POST /apis/copy-api", &[API_CREATE, API_MANAGE], copy),
            read(
                "GET /apis/{apiId}",
                &[API_VIEW, API_MANAGE, API_IMPORT_EXPORT, API_PRODUCT_IMPORT_EXPORT],
                get,
            ),
            write("PUT /apis/{apiId}", &[API_CREATE, API_MANAGE, API_PUBLISH], update),
            write("DELETE /apis/{apiId}", &[API_DELETE, API_MANAGE, API_IMPORT_EXPORT], delete),
            read("GET /apis/{apiId}/swagger", &[API_VIEW, API_MANAGE, API_DEFINITION_VIEW], definition),
            outside("PUT /apis/{apiId}/swagger", &[API_CREATE, API_MANAGE], update_definition),
            read(
                "GET /search",
                &[API_VIEW, API_MANAGE, API_IMPORT_EXPORT, API_PRODUCT_IMPORT_EXPORT],
                search_all,
            ),
        ],
        description: include_str!("apis.yaml"),
    }
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let mut wanted = search::parse(call.query("query").unwrap_or_default(), Field::Name)?;
    wanted.order = search::order(call.query("sortBy"), call.query("sortOrder"))?;
    wanted.seen_by = search::seen_by(cx.who());
    let found = api_search::search(cx, &wanted, call.page()?).await?;
    Ok(Answer::page(found, api::info))
}

async fn search_all(cx: &mut Read, call: Call) -> Result<Answer> {
    let mut wanted = search::parse(call.query("query").unwrap_or_default(), Field::Content)?;
    wanted.order = search::order(None, None)?;
    wanted.seen_by = search::seen_by(cx.who());
    let found = api_search::search(cx, &wanted, call.page()?).await?;
    Ok(Answer::page(found, |it| {
        let mut entry = api::info(it);
        // Here the type says what kind of thing was found; the kind of API has another name.
        entry["transportType"] = entry["type"].take();
        entry["type"] = "API".into();
        entry["status"] = it.state.as_str().into();
        entry
    }))
}

async fn create(cx: &mut Write, call: Call) -> Result<Answer> {
    let made = api::create(cx, call.into_document(), None).await?;
    Ok(created(&made))
}

async fn import(desk: &mut Desk, call: Call) -> Result<Answer> {
    let given = understood(given(&call)?).await?;
    let mut draft = match call.json("additionalProperties")? {
        Some(draft @ Value::Object(_)) => draft,
        None => json!({}),
        Some(_) => {
            let finding = Finding::new("additionalProperties", "must be a JSON object");
            return Err(code::BAD_REQUEST.found(vec![finding]).into());
        }
    };
    complete(&mut draft, &given);
    crate::rest::frame::textual_versions(&mut draft);
    call.check_component("API", &draft)?;
    let mut cx = desk.write().await?;
    let made = api::create(&mut cx, draft, Some(given)).await?;
    cx.commit().await?;
    Ok(created(&made))
}

/// Name, version and context follow from the definition where the form does not say them.
fn complete(draft: &mut Value, given: &Given) {
    let definition = &given.definition;
    let context = definition.extensions.base_path.as_ref().or(definition.base_path.as_ref());
    for (field, value) in [
        ("name", Some(plain(&definition.title))),
        ("version", Some(definition.api_version.clone())),
        ("context", context.cloned()),
    ] {
        if draft[field].is_null()
            && let Some(value) = value
        {
            draft[field] = value.into();
        }
    }
}

/// A title as a name: without what a name may not hold.
fn plain(title: &str) -> String {
    let title: String = title.chars().filter(|c| !"~!@#;:%^*()+={}|\\<>\"',&$[]/".contains(*c)).collect();
    title.trim().to_owned()
}

async fn validate_definition(_: &mut Desk, call: Call) -> Result<Answer> {
    let text = given(&call)?;
    let content = String::from_utf8_lossy(&text).into_owned();
    let content = if call.flag("returnContent") == Some(true) { json!(content) } else { Value::Null };
    // A definition that is not valid is what was asked about, not a mistake of asking.
    Ok(Answer::ok(match understood(text).await {
        Ok(given) => json!({
            "isValid": true,
            "content": content,
            "info": {
                "name": given.definition.title,
                "version": given.definition.api_version,
                "context": given.definition.base_path,
                "description": given.definition.description,
                "openAPIVersion": given.definition.document.get("openapi")
                    .or(given.definition.document.get("swagger")),
                "endpoints": given.definition.servers,
            },
            "errors": [],
        }),
        Err(Error::Failed(failure)) => return Err(failure.into()),
        Err(Error::Refused(refusal)) => json!({
            "isValid": false,
            "content": content,
            "errors": refusal.findings.iter().map(|finding| json!({
                "code": refusal.code.number.to_string(),
                "message": refusal.code.message,
                "description": finding.to_string(),
            })).collect::<Vec<_>>(),
        }),
    }))
}

/// Reads a definition where that may take a while: on no transaction's time, and on no worker's.
async fn understood(text: Vec<u8>) -> Result<Given> {
    let reading = tokio::task::spawn_blocking(move || Given::read(text));
    Ok(reading.await.map_err(Failure::from_error)??)
}

/// The definition that stands in a form, as a file or as text.
fn given(call: &Call) -> Result<Vec<u8>> {
    if let Some(part) =
        ["file", "inlineAPIDefinition", "apiDefinition"].iter().find_map(|name| call.part(name))
    {
        return Ok(part.bytes.to_vec());
    }
    if call.part("url").is_some() {
        return Err(code::NOT_OFFERED
            .because("Definitions are not fetched from a URL yet; send the file")
            .into());
    }
    let finding = Finding::new("file", "the definition is missing; send it as file or inlineAPIDefinition");
    Err(code::BAD_REQUEST.found(vec![finding]).into())
}

/// 200 says it exists, 404 that it is free.
async fn validate(cx: &mut Read, call: Call) -> Result<Answer> {
    match api::exists(cx, call.required("query")?).await? {
        true => Ok(Answer::done()),
        false => Err(code::NOT_FOUND.because("No API has it").into()),
    }
}

async fn copy(cx: &mut Write, call: Call) -> Result<Answer> {
    let default = call.flag("defaultVersion").unwrap_or(false);
    let made = api::copy(cx, call.required("apiId")?, call.required("newVersion")?, default).await?;
    Ok(created(&made))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = api::to_view(cx, call.parameter("apiId")?).await?;
    Ok(Answer::ok(api::document(&found)).etag(found.version))
}

async fn update(cx: &mut Write, call: Call) -> Result<Answer> {
    let id = call.parameter("apiId")?.to_owned();
    let expected = call.if_match();
    let changed = api::replace(cx, &id, &expected, call.into_document()).await?;
    Ok(Answer::ok(api::document(&changed)).etag(changed.version))
}

async fn delete(cx: &mut Write, call: Call) -> Result<Answer> {
    api::delete(cx, call.parameter("apiId")?, &call.if_match()).await?;
    Ok(Answer::done())
}

async fn definition(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = api::to_view(cx, call.parameter("apiId")?).await?;
    let text = apis::definition(cx, &found.id).await?.unwrap_or_default();
    Ok(Answer::bytes(media_type(&text), text).etag(found.version))
}

async fn update_definition(desk: &mut Desk, call: Call) -> Result<Answer> {
    let given = understood(given(&call)?).await?;
    let mut cx = desk.write().await?;
    let (changed, text) = api::redefine(&mut cx, call.parameter("apiId")?, &call.if_match(), given).await?;
    cx.commit().await?;
    Ok(Answer::bytes(media_type(&text), text).etag(changed.version))
}

/// A definition is served as what it is.
fn media_type(text: &[u8]) -> &'static str {
    let json = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if json { "application/json" } else { "application/yaml" }
}

fn created(made: &crate::db::StoredApi) -> Answer {
    Answer::created(api::document(made)).etag(made.version).location(&format!("/apis/{}", made.id))
}
