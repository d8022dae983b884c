//! APIs: made, read, changed, copied, deleted.

use std::ops::{Deref, DerefMut};

use apim_core::event::Change;
use apim_core::model::{ApiId, PolicyKind, UserName};
use serde_json::{Map, Value, json};

use super::definition::{self, Given};
use super::{Expected, State, defaults, deploy, endpoint_secrets, log_level, scope};
use crate::db::apis::{self, StoredApi};
use crate::db::client_certificates::{self as certificates, DRAFT};
use crate::db::{Read, Write, policies, subscriptions};
use crate::error::{Finding, Refusal, Result, code};

/// Fields of a document that the server owns. What a client sends there is ignored.
const OWNED: &[&str] = &[
    "id",
    "provider",
    "lifeCycleStatus",
    "createdTime",
    "lastUpdatedTime",
    "lastUpdatedTimestamp",
    "hasThumbnail",
    "isRevision",
    "revisionId",
    "revisionedApiId",
    "workflowStatus",
];

/// An API that its caller may change: it was locked, and role and version were checked. [`to_edit`] alone
/// makes one.
pub struct Editable(StoredApi);

impl Deref for Editable {
    type Target = StoredApi;
    fn deref(&self) -> &StoredApi {
        &self.0
    }
}

impl DerefMut for Editable {
    fn deref_mut(&mut self) -> &mut StoredApi {
        &mut self.0
    }
}

impl Editable {
    /// Keeps what was changed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn save(mut self, cx: &mut Write) -> Result<StoredApi> {
        self.0.updated_at = cx.now();
        apis::save(cx, &self.0).await?;
        Ok(self.0)
    }
}

/// An API that the caller may see.
///
/// # Errors
///
/// 404 if it is not there; 403 if only roles see it that the caller does not have.
pub async fn to_view(cx: &mut Read, id: &str) -> Result<StoredApi> {
    let api = apis::find(cx, &ApiId::from(id)).await?.ok_or_else(|| unknown(id))?;
    if !opens(cx, &api) {
        return Err(code::MAY_NOT_READ
            .because("Its publisher restricted it to roles you do not have")
            .into());
    }
    Ok(api)
}

/// An API that the caller may change. Locks it until the transaction ends.
///
/// # Errors
///
/// 404, 403, or 412 if it is at another version than expected.
pub async fn to_edit(cx: &mut Write, id: &str, expected: &Expected) -> Result<Editable> {
    let api = apis::bump(cx, &ApiId::from(id)).await?.ok_or_else(|| unknown(id))?;
    if !opens(cx, &api) {
        return Err(code::MAY_NOT_CHANGE
            .because("Its publisher restricted it to roles you do not have")
            .into());
    }
    expected.check(api.version - 1)?;
    Ok(Editable(api))
}

fn unknown(id: &str) -> Refusal {
    code::NO_SUCH_API.because(format!("There is no API {id}"))
}

fn opens(cx: &Read, api: &StoredApi) -> bool {
    let who = cx.who();
    !api.is_restricted()
        || who.is_admin()
        || who.user == api.provider
        || api.texts("accessControlRoles").any(|role| who.has_role(role))
}

/// Makes an API of a document, and of a definition if one is given.
///
/// # Errors
///
/// 400 for values that break a rule; 409 if name or context are taken.
pub async fn create(cx: &mut Write, draft: Value, given: Option<Given>) -> Result<StoredApi> {
    let mut doc = tidy(draft);
    let name = text(&doc, "name").trim().to_owned();
    let version = text(&doc, "version").trim().to_owned();
    let context = context(text(&doc, "context"))?;
    require(&[("name", &name), ("version", &version)])?;
    free(cx, &name, &context).await?;
    let provider = cx.who().user.clone();
    let given = match given {
        Some(given) => {
            definition::adopt(&mut doc, &given.definition);
            Some(given.text)
        }
        None => None,
    };
    defaults::fill(&mut doc);
    let strangers = drop_unknown_plans(cx, &mut doc).await?;
    if !strangers.is_empty() {
        let text = format!("There is no business plan {}", strangers.join(", "));
        return Err(code::BAD_PLAN.because(text).into());
    }
    endpoint_secrets::seal(cx, &mut doc, None)?;
    insert(cx, doc, Named { name, version, context, provider }, given).await
}

struct Named {
    name: String,
    version: String,
    context: String,
    provider: UserName,
}

async fn insert(cx: &mut Write, mut doc: Value, named: Named, text: Option<Vec<u8>>) -> Result<StoredApi> {
    check(&doc)?;
    doc["name"] = named.name.as_str().into();
    doc["version"] = named.version.as_str().into();
    doc["context"] = named.context.as_str().into();
    let text = match text {
        Some(text) => text,
        None => definition::written(&doc),
    };
    let now = cx.now();
    let api = StoredApi {
        id: ApiId::from(uuid::Uuid::now_v7().to_string()),
        version: 1,
        name: named.name,
        context: named.context,
        api_version: named.version,
        provider: named.provider,
        state: State::Created,
        kind: self::text(&doc, "type").to_owned(),
        is_default: doc["isDefaultVersion"] == true,
        serves_default: false,
        last_revision: 0,
        created_at: now,
        updated_at: now,
        doc,
    };
    if !apis::insert(cx, &api).await? {
        return Err(code::VERSION_TAKEN
            .because(format!("{} has a version {}", api.name, api.api_version))
            .into());
    }
    scope::claim(cx, &api).await?;
    apis::put_definition(cx, &api.id, &text).await?;
    if api.is_default {
        deploy::only_default(cx, &api).await?;
    }
    Ok(api)
}

/// Refuses a name or context that another API has.
async fn free(cx: &mut Read, name: &str, context: &str) -> Result<()> {
    let namesakes = apis::named(cx, name).await?;
    if namesakes.iter().any(|api| api.name != name) {
        return Err(code::NAME_TAKEN.because(format!("An API has the name {name} in another case")).into());
    }
    if !apis::at_context(cx, context).await?.is_empty() {
        return Err(code::CONTEXT_TAKEN.because(format!("An API stands at {context}")).into());
    }
    if !namesakes.is_empty() {
        let text = format!("{name} stands at another context; copy it to make a new version");
        return Err(code::NAME_OF_ANOTHER.because(text).into());
    }
    Ok(())
}

/// Replaces what the publisher may change: all but name, context, version and provider, which stay as they
/// are whatever the document says.
///
/// # Errors
///
/// As [`to_edit`] and [`create`].
pub async fn replace(cx: &mut Write, id: &str, expected: &Expected, document: Value) -> Result<StoredApi> {
    let mut api = to_edit(cx, id, expected).await?;
    let mut doc = tidy(document);
    for field in ["name", "context", "version", "type"] {
        doc[field] = api.doc[field].clone();
    }
    defaults::fill(&mut doc);
    check(&doc)?;
    // A plan may have been deleted since the client read the document; that must not stop its update.
    drop_unknown_plans(cx, &mut doc).await?;
    endpoint_secrets::seal(cx, &mut doc, Some(&api.doc))?;
    let before = std::mem::replace(&mut api.doc, doc);
    api.is_default = api.doc["isDefaultVersion"] == true;
    if definition::differs(&before, &api.doc) {
        let old = apis::definition(cx, &api.id).await?.unwrap_or_default();
        let text = definition::rewritten(&old, &api.doc);
        apis::put_definition(cx, &api.id, &text).await?;
    }
    scope::claim(cx, &api).await?;
    if api.is_default {
        deploy::only_default(cx, &api).await?;
    }
    let mut api = api.save(cx).await?;
    deploy::refresh_default(cx, &mut api).await?;
    Ok(api)
}

/// Replaces the definition; operations and scopes follow it.
///
/// # Errors
///
/// As [`to_edit`] and [`create`].
pub async fn redefine(
    cx: &mut Write,
    id: &str,
    expected: &Expected,
    given: Given,
) -> Result<(StoredApi, Vec<u8>)> {
    let mut api = to_edit(cx, id, expected).await?;
    definition::operations(&mut api.doc, &given.definition);
    defaults::fill(&mut api.doc);
    check(&api.doc)?;
    scope::claim(cx, &api).await?;
    apis::put_definition(cx, &api.id, &given.text).await?;
    Ok((api.save(cx).await?, given.text))
}

/// Deletes an API that nobody has subscribed to.
///
/// # Errors
///
/// As [`to_edit`]; 409 if applications have subscribed.
pub async fn delete(cx: &mut Write, id: &str, expected: &Expected) -> Result<()> {
    let api = to_edit(cx, id, expected).await?;
    let subscribers = subscriptions::of_api(cx, &api.id).await?.len();
    if subscribers > 0 {
        let text = format!("{subscribers} applications have subscribed to it; retire it first");
        return Err(code::API_IN_USE.because(text).into());
    }
    scope::release(cx, &api).await?;
    log_level::forget(cx, &api.id).await?;
    apis::delete(cx, &api.id).await?;
    cx.tell(Change::ApiUndeployed(api.id.clone()));
    Ok(())
}

/// Makes a new version of an API: same name, context and provider, its own life from then on. Its
/// subscriptions are carried over when it is published.
///
/// # Errors
///
/// 409 if the name has that version; 400 if the version is malformed.
pub async fn copy(cx: &mut Write, id: &str, version: &str, default: bool) -> Result<StoredApi> {
    let source = to_view(cx, id).await?;
    version_text(version)?;
    let mut doc = source.doc.clone();
    doc["isDefaultVersion"] = default.into();
    let named = Named {
        name: source.name.clone(),
        version: version.to_owned(),
        context: source.context.clone(),
        provider: source.provider.clone(),
    };
    let text = apis::definition(cx, &source.id).await?;
    // Scopes stay with the version that brought them; both use them.
    let made = insert(cx, doc, named, text).await?;
    certificates::copy(cx, (&source.id, DRAFT), (&made.id, DRAFT)).await?;
    Ok(made)
}

/// Whether a name, or a context, is taken.
///
/// # Errors
///
/// 400 if neither is asked for.
pub async fn exists(cx: &mut Read, query: &str) -> Result<bool> {
    let (attribute, value) = query.split_once(':').unwrap_or(("name", query));
    let value = value.trim_matches('"');
    match attribute {
        "name" => Ok(!apis::named(cx, value).await?.is_empty()),
        "context" => Ok(!apis::at_context(cx, &slashed(value)).await?.is_empty()),
        other => {
            let finding = Finding::new("query", format!("{other} cannot be looked up; name and context can"));
            Err(code::BAD_REQUEST.found(vec![finding]).into())
        }
    }
}

/// The document as clients read it: what the server owns is written over it, and secrets are blank.
pub fn document(api: &StoredApi) -> Value {
    let mut doc = Map::new();
    doc.insert("id".to_owned(), api.id.as_str().into());
    let mut rest = api.doc.clone();
    endpoint_secrets::blank(&mut rest);
    if let Value::Object(rest) = rest {
        doc.extend(rest);
    }
    let millis = |time: apim_core::Timestamp| time.as_millis().to_string();
    for (field, value) in [
        ("name", api.name.as_str().into()),
        ("context", api.context.as_str().into()),
        ("version", api.api_version.as_str().into()),
        ("provider", api.provider.as_str().into()),
        ("lifeCycleStatus", api.state.as_str().into()),
        ("isDefaultVersion", api.is_default.into()),
        ("hasThumbnail", false.into()),
        ("isRevision", false.into()),
        ("revisionId", 0.into()),
        ("workflowStatus", "APPROVED".into()),
        ("createdTime", millis(api.created_at).into()),
        ("lastUpdatedTime", millis(api.updated_at).into()),
        ("lastUpdatedTimestamp", millis(api.updated_at).into()),
    ] {
        doc.insert(field.to_owned(), value);
    }
    Value::Object(doc)
}

/// An entry of a list.
pub fn info(api: &StoredApi) -> Value {
    let field =
        |name: &str, usual: Value| api.doc.get(name).cloned().filter(|v| !v.is_null()).unwrap_or(usual);
    json!({
        "id": api.id.as_str(),
        "name": api.name,
        "description": field("description", "".into()),
        "context": api.context,
        "additionalProperties": field("additionalProperties", json!([])),
        "additionalPropertiesMap": field("additionalPropertiesMap", json!({})),
        "version": api.api_version,
        "provider": api.provider.as_str(),
        "type": api.kind,
        "subtype": "DEFAULT",
        "audiences": field("audiences", json!([])),
        "lifeCycleStatus": api.state.as_str(),
        "workflowStatus": "APPROVED",
        "hasThumbnail": false,
        "securityScheme": field("securityScheme", json!([])),
        "createdTime": api.created_at.as_millis().to_string(),
        "updatedTime": api.updated_at.as_millis().to_string(),
        "gatewayVendor": field("gatewayVendor", "wso2".into()),
        "advertiseOnly": api.doc["advertiseInfo"]["advertised"] == true,
    })
}

/// Takes plans that do not exist out of a document, and says which they were.
async fn drop_unknown_plans(cx: &mut Read, doc: &mut Value) -> Result<Vec<String>> {
    let mut strangers = Vec::new();
    for plan in apis::texts(doc, "policies").map(str::to_owned).collect::<Vec<_>>() {
        if policies::named(cx, PolicyKind::Subscription, &plan).await?.is_none() {
            strangers.push(plan);
        }
    }
    if let Some(plans) = doc["policies"].as_array_mut() {
        plans.retain(|plan| !strangers.iter().any(|stranger| plan == stranger));
    }
    Ok(strangers)
}

fn tidy(mut document: Value) -> Value {
    if let Value::Object(members) = &mut document {
        members.retain(|key, _| !OWNED.contains(&key.as_str()));
    }
    document
}

/// Rules that a schema cannot say.
fn check(doc: &Value) -> Result<(), Refusal> {
    let mut findings = Vec::new();
    let kind = text(doc, "type");
    if !matches!(kind, "HTTP" | "WS") {
        return Err(code::NOT_OFFERED.because(format!("APIs of type {kind} are not offered yet")));
    }
    for (access, roles) in [("accessControl", "accessControlRoles"), ("visibility", "visibleRoles")] {
        if doc[access] == "RESTRICTED" && apis::texts(doc, roles).next().is_none() {
            findings.push(Finding::new(
                format!("/{roles}"),
                format!("must not be empty while {access} is RESTRICTED"),
            ));
        }
    }
    let operations = doc["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    for (index, operation) in operations.iter().enumerate() {
        let (verb, target) = (text(operation, "verb"), text(operation, "target"));
        if !target.starts_with('/') {
            findings.push(Finding::new(format!("/operations/{index}/target"), "must begin with /"));
        }
        if !seen.insert((verb.to_uppercase(), target)) {
            findings
                .push(Finding::new(format!("/operations/{index}"), format!("{verb} {target} stands twice")));
        }
    }
    match findings.is_empty() {
        true => Ok(()),
        false => Err(code::BAD_VALUE.found(findings)),
    }
}

fn require(fields: &[(&str, &str)]) -> Result<(), Refusal> {
    let blank = fields.iter().filter(|(_, value)| value.is_empty());
    let findings: Vec<_> =
        blank.map(|(name, _)| Finding::new(format!("/{name}"), "must not be blank")).collect();
    match findings.is_empty() {
        true => Ok(()),
        false => Err(code::BAD_VALUE.found(findings)),
    }
}

/// A context in its one form: with a slash before it and none after.
fn context(text: &str) -> Result<String, Refusal> {
    let context = slashed(text.trim());
    let refused = |message: &str| Err(code::BAD_VALUE.found(vec![Finding::new("/context", message)]));
    let plain = context.replace("{version}", "v");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    if context.len() < 2 || plain.split('/').skip(1).any(|segment| segment.is_empty()) {
        return refused("must be a path such as /pets");
    }
    // Dots would be normalised away by clients and proxies: the API would stand at another place.
    if !plain.chars().all(allowed) || plain.split('/').any(|segment| matches!(segment, "." | "..")) {
        return refused("may hold letters, digits, - _ . ~ and {version} between slashes");
    }
    Ok(context)
}

fn slashed(text: &str) -> String {
    format!("/{}", text.strip_prefix('/').unwrap_or(text))
}

/// The schema checks versions that stand in documents; this one stood in a query.
fn version_text(version: &str) -> Result<(), Refusal> {
    let odd = |c: char| c.is_whitespace() || "~!@#;:%^*()+={}|\\<>\"',&/$[]".contains(c);
    if version.is_empty() || version.len() > 30 || version.contains(odd) {
        let finding = Finding::new("newVersion", "must have 1 to 30 characters, none of them special");
        return Err(code::BAD_VALUE.found(vec![finding]));
    }
    Ok(())
}

pub(super) fn text<'a>(doc: &'a Value, field: &str) -> &'a str {
    doc.get(field).and_then(Value::as_str).unwrap_or_default()
}
