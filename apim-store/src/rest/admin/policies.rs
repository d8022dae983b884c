//! Rate-limit policies and business plans.

use apim_core::model::PolicyKind;
use serde_json::{Map, Value, json};

use crate::db::{Read, Write};
use crate::definition::{self, Limits};
use crate::error::{Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, read, write};
use crate::rest::scope::{ADMIN, POLICIES_IMPORT_EXPORT, TIER_MANAGE, TIER_VIEW};
use crate::service::policy::{self, Kept, kind_text};

const VIEW: &[&str; 2] = &[ADMIN, TIER_VIEW];
const MANAGE: &[&str; 2] = &[ADMIN, TIER_MANAGE];
const ARCHIVE: &[&str; 3] = &[ADMIN, TIER_MANAGE, POLICIES_IMPORT_EXPORT];

/// The type of a policy's file.
const FILE: &str = "throttling policy";

/// A kind of policy, as a type, so that one handler is three rows' function.
trait Kind: 'static {
    const KIND: PolicyKind;
}

struct Application;
struct Subscription;
struct Advanced;

impl Kind for Application {
    const KIND: PolicyKind = PolicyKind::Application;
}

impl Kind for Subscription {
    const KIND: PolicyKind = PolicyKind::Subscription;
}

impl Kind for Advanced {
    const KIND: PolicyKind = PolicyKind::Advanced;
}

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    let mut rows = vec![
        read("GET /throttling/policies/search", VIEW, search),
        read("GET /throttling/policies/export", ARCHIVE, export),
        write("POST /throttling/policies/import", ARCHIVE, import),
        read("GET /throttling/policies/custom", VIEW, custom_rules),
    ];
    rows.extend(of_kind::<Application>());
    rows.extend(of_kind::<Subscription>());
    rows.extend(of_kind::<Advanced>());
    rows
}

fn of_kind<K: Kind>() -> Vec<Operation> {
    let path =
        |method: &str, rest: &str| format!("{method} /throttling/policies/{}{rest}", kind_text(K::KIND));
    vec![
        read(path("GET", ""), VIEW, list::<K>),
        write(path("POST", ""), MANAGE, create::<K>),
        read(path("GET", "/{policyId}"), VIEW, get::<K>),
        write(path("PUT", "/{policyId}"), MANAGE, replace::<K>),
        write(path("DELETE", "/{policyId}"), MANAGE, remove::<K>),
    ]
}

async fn list<K: Kind>(cx: &mut Read, _: Call) -> Result<Answer> {
    let list: Vec<Value> = policy::list(cx, K::KIND).await?.iter().map(document).collect();
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

async fn create<K: Kind>(cx: &mut Write, call: Call) -> Result<Answer> {
    let made = policy::create(cx, K::KIND, call.document()).await?;
    let place = format!("/throttling/policies/{}/{}", kind_text(K::KIND), made.id);
    Ok(Answer::created(document(&made)).location(&place).etag(made.version))
}

async fn get<K: Kind>(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = policy::get(cx, K::KIND, call.parameter("policyId")?).await?;
    Ok(Answer::ok(document(&found)).etag(found.version))
}

async fn replace<K: Kind>(cx: &mut Write, call: Call) -> Result<Answer> {
    let id = call.parameter("policyId")?;
    let found = policy::replace(cx, K::KIND, id, &call.if_match(), call.document()).await?;
    Ok(Answer::ok(document(&found)).etag(found.version))
}

async fn remove<K: Kind>(cx: &mut Write, call: Call) -> Result<Answer> {
    policy::remove(cx, K::KIND, call.parameter("policyId")?, &call.if_match()).await?;
    Ok(Answer::done())
}

async fn search(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = policy::search(cx, call.query("query").unwrap_or_default()).await?;
    // `policyId` is a number here and text elsewhere; clients use `uuid`.
    let entry = |(index, it): (usize, &Kept)| {
        json!({
            "policyId": index + 1,
            "uuid": it.id,
            "policyName": it.name,
            "displayName": it.doc["displayName"],
            "description": it.doc["description"].as_str().unwrap_or_default(),
            "isDeployed": true,
            "type": type_text(it.kind),
        })
    };
    let list: Vec<Value> = found.iter().enumerate().map(entry).collect();
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

/// One policy as a file. Clients name the file after the second member of `data`.
async fn export(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = call.required("name")?;
    let kind = call.query("type").map_or_else(String::new, |kind| format!(" type:{kind}"));
    let found = policy::search(cx, &format!("name:{name}{kind}")).await?;
    let missing = || code::NO_SUCH_POLICY.because(format!("There is no policy \"{name}\""));
    let found = found.first().ok_or_else(missing)?;
    let mut data = document(found);
    data["isDeployed"] = json!(false);
    Ok(Answer::ok(json!({
        "type": FILE,
        "subtype": policy::subtype(found.kind),
        "version": "v4.7.0",
        "data": data,
    })))
}

/// A policy from such a file, in JSON or YAML.
async fn import(cx: &mut Write, call: Call) -> Result<Answer> {
    let limits = Limits { bytes: 1 << 20, nodes: 10_000, ..Limits::default() };
    let file = call.part("file").map(|part| part.bytes.clone()).unwrap_or_default();
    let file = definition::parse(&file, &limits)
        .map_err(|finding| code::BAD_REQUEST.found(vec![Finding::new(finding.path, finding.message)]))?;
    let kind = file["subtype"].as_str().and_then(policy::of_subtype).filter(|_| file["type"] == FILE);
    let kind =
        kind.ok_or_else(|| code::BAD_REQUEST.because("The file holds no policy of a kind that is offered"))?;
    call.check_component("ThrottlePolicy", &file["data"])?;
    let overwrite = call.flag("overwrite").unwrap_or(false);
    let (policy, new) = policy::import(cx, kind, &file["data"], overwrite).await?;
    Ok(if new { Answer::created(document(&policy)) } else { Answer::ok(document(&policy)) })
}

/// None exist, since none can be made.
async fn custom_rules(_: &mut Read, _: Call) -> Result<Answer> {
    Ok(Answer::ok(json!({ "count": 0, "list": [] })))
}

/// A policy as administrators see it.
fn document(it: &Kept) -> Value {
    let mut document = Map::new();
    document.insert("policyId".to_owned(), json!(it.id));
    document.insert("policyName".to_owned(), json!(it.name));
    document
        .extend(it.doc.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    document.insert("isDeployed".to_owned(), json!(true));
    document.insert("type".to_owned(), json!(type_text(it.kind)));
    Value::Object(document)
}

fn type_text(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Application => "ApplicationThrottlePolicy",
        PolicyKind::Subscription => "SubscriptionThrottlePolicy",
        PolicyKind::Advanced => "AdvancedThrottlePolicy",
    }
}
