//! From a publisher's document to the API that gateways run: the one place where that happens.
//!
//! What a document asks for and gateways cannot do refuses the deployment, with its place in the document;
//! nothing is left out in silence, save what would only have let more callers in.

mod endpoint;
mod mock;

use apim_core::event::Change;
use apim_core::model::{
    Api, ApiKind, AuthType, ClientCertificates, Cors, LifecycleState, Operation, Schemes, Tenant, Transports,
};
use apim_core::registry::Entry;
use serde_json::Value;

use super::api::text;
use super::{State, client_certificate, endpoint_secrets, scope};
use crate::db::apis::{self, StoredApi, texts};
use crate::db::client_certificates::{self, StoredCertificate};
use crate::db::revisions::{self, Deployment, Revision};
use crate::db::{Read, Write};
use crate::error::{Failure, Finding, Result, code};

/// Makes an API the only default version of its name. Gateways learn of it once it may take over.
pub(super) async fn only_default(cx: &mut Write, api: &StoredApi) -> Result<()> {
    for other in apis::named(cx, &api.name).await? {
        if other.id != api.id && other.is_default {
            let Some(mut other) = apis::bump(cx, &other.id).await? else { continue };
            other.is_default = false;
            other.doc["isDefaultVersion"] = false.into();
            apis::save(cx, &other).await?;
        }
    }
    Ok(())
}

/// Tells gateways if an API that is deployed begins or ceases to serve the versionless path.
pub(super) async fn refresh_default(cx: &mut Write, api: &mut StoredApi) -> Result<()> {
    let served = api.serves_default;
    if deployed(cx, api).await?.is_none() {
        return Ok(());
    }
    take_default(cx, api).await?;
    if api.serves_default != served {
        apis::save(cx, api).await?;
        tell(cx, api).await?;
    }
    Ok(())
}

/// Takes an API out of every environment.
pub(super) async fn withdraw(cx: &mut Write, api: &mut StoredApi) -> Result<()> {
    for deployment in revisions::deployments(cx, &api.id).await? {
        revisions::undeploy(cx, &api.id, &deployment.environment).await?;
    }
    api.serves_default = false;
    cx.tell(Change::ApiUndeployed(api.id.clone()));
    scope::settle(cx, api).await
}

/// Tells gateways how to serve an API, if it is deployed. The caller saves it.
pub(super) async fn announce(cx: &mut Write, api: &mut StoredApi) -> Result<()> {
    // What is deployed nowhere takes nothing over: the versionless path would lead nowhere, too.
    if deployed(cx, api).await?.is_none() {
        return Ok(());
    }
    take_default(cx, api).await?;
    tell(cx, api).await
}

async fn tell(cx: &mut Write, api: &StoredApi) -> Result<()> {
    let Some((deployment, revision)) = deployed(cx, api).await? else { return Ok(()) };
    let doc = endpoint_secrets::open(cx, &revision.doc)?;
    let certificates = client_certificates::of(cx, &api.id, &revision.id).await?;
    let served = build(cx.tenant(), api, &deployment, &revision, &doc, certificates)?;
    cx.tell(Change::ApiDeployed(served.into()));
    Ok(())
}

async fn deployed(cx: &mut Read, api: &StoredApi) -> Result<Option<(Deployment, Revision)>> {
    let Some(deployment) = revisions::deployments(cx, &api.id).await?.into_iter().next() else {
        return Ok(None);
    };
    let revision = revisions::find(cx, &api.id, &deployment.revision).await?;
    let revision = revision.ok_or_else(|| Failure::new("a deployment has lost its revision"))?;
    Ok(Some((deployment, revision)))
}

/// Decides whether this version serves the versionless path. A new default takes it over from the old one
/// only when it is deployed and published; until then calls still arrive somewhere.
async fn take_default(cx: &mut Write, api: &mut StoredApi) -> Result<()> {
    let namesakes = apis::named(cx, &api.name).await?;
    let others = || namesakes.iter().filter(|other| other.id != api.id);
    if !api.is_default {
        // Somebody else is the default but has not taken over: this one goes on.
        api.serves_default &= others().any(|other| other.is_default && !other.serves_default);
        return Ok(());
    }
    let holder = others().find(|other| other.serves_default);
    if holder.is_some() && !api.state.may_serve_default() {
        return Ok(());
    }
    api.serves_default = true;
    if let Some(holder) = holder
        && let Some(mut holder) = apis::bump(cx, &holder.id).await?
    {
        holder.serves_default = false;
        apis::save(cx, &holder).await?;
        tell(cx, &holder).await?;
    }
    Ok(())
}

/// The API that gateways run, of a document whose secrets are open.
fn build(
    tenant: &Tenant,
    api: &StoredApi,
    deployment: &Deployment,
    revision: &Revision,
    doc: &Value,
    certificates: Vec<StoredCertificate>,
) -> Result<Api> {
    let mut reader = Reader { findings: Vec::new() };
    let mut served = Api {
        id: api.id.clone(),
        tenant: tenant.clone(),
        name: api.name.clone(),
        version: api.api_version.clone(),
        context: api.context.clone(),
        default_version: api.serves_default,
        provider: api.provider.clone(),
        kind: if api.kind == "WS" { ApiKind::WebSocket } else { ApiKind::Http },
        state: state(api.state),
        revision: u32::try_from(revision.number).unwrap_or(u32::MAX),
        hosts: hosts(deployment),
        transports: Transports {
            http: texts(doc, "transport").any(|t| t == "http"),
            https: texts(doc, "transport").any(|t| t == "https"),
        },
        schemes: reader.schemes(doc),
        authorization_header: header(doc, "authorizationHeader"),
        client_certificates: reader.certificates(doc, certificates),
        api_key_header: header(doc, "apiKeyHeader"),
        audiences: without_all(doc, "audiences"),
        key_managers: without_all(doc, "keyManagers").into_iter().map(Into::into).collect(),
        subscriptions: !texts(doc, "policies").any(|plan| plan.ends_with("DefaultSubscriptionless")),
        cors: reader.cors(doc),
        policy: policy(doc, "apiThrottlingPolicy"),
        operations: reader.operations(doc),
        endpoints: reader.endpoints(doc),
        request: reader.mediators(&doc["apiPolicies"]["request"], "/apiPolicies/request"),
        response: reader.mediators(&doc["apiPolicies"]["response"], "/apiPolicies/response"),
        fault: reader.mediators(&doc["apiPolicies"]["fault"], "/apiPolicies/fault"),
        handlers: Vec::new(),
    };
    reader.examples(&mut served, &revision.definition);
    reader.refuse_what_cannot_be_done(doc);
    match reader.findings.is_empty() {
        true => Ok(served),
        false => Err(code::BAD_VALUE.found(reader.findings).into()),
    }
}

/// `localhost` stands for any host: it is where the first environment says its gateways are, and they are
/// reached by whatever name their machine has.
fn hosts(deployment: &Deployment) -> Vec<String> {
    let host = deployment.vhost.as_str();
    match host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        true => Vec::new(),
        false => vec![host.to_owned()],
    }
}

/// Gateways are not told of retired APIs at all.
fn state(state: State) -> LifecycleState {
    match state {
        State::Created => LifecycleState::Created,
        State::Prototyped => LifecycleState::Prototyped,
        State::Published => LifecycleState::Published,
        State::Deprecated => LifecycleState::Deprecated,
        State::Blocked | State::Retired => LifecycleState::Blocked,
    }
}

fn header(doc: &Value, field: &str) -> Option<String> {
    Some(text(doc, field)).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn without_all(doc: &Value, field: &str) -> Vec<String> {
    match texts(doc, field).any(|value| value == "all") {
        true => Vec::new(),
        false => texts(doc, field).map(str::to_owned).collect(),
    }
}

fn policy(doc: &Value, field: &str) -> Option<apim_core::model::PolicyName> {
    Some(text(doc, field)).filter(|name| !name.is_empty() && *name != "Unlimited").map(Into::into)
}

/// Reads a document and notes what is wrong where.
struct Reader {
    findings: Vec<Finding>,
}

impl Reader {
    fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::new(path, message));
    }

    fn schemes(&mut self, doc: &Value) -> Schemes {
        let has = |name| texts(doc, "securityScheme").any(|scheme| scheme == name);
        let schemes =
            Schemes { oauth2: has("oauth2"), api_key: has("api_key"), mutual_tls: has("mutualssl") };
        if has("mutualssl_mandatory") && !schemes.mutual_tls {
            self.refuse("/securityScheme", "mutualssl_mandatory demands certificates that mutualssl allows");
        }
        if !schemes.oauth2 && !schemes.api_key && !schemes.mutual_tls {
            let others = "must hold oauth2, api_key or mutualssl; the others are not offered yet";
            self.refuse("/securityScheme", others);
        }
        schemes
    }

    /// What the API accepts of client certificates, if they are one of its schemes. Without any, nobody would be let
    /// in by one, which is not what its publisher meant.
    fn certificates(&mut self, doc: &Value, stored: Vec<StoredCertificate>) -> Option<ClientCertificates> {
        let has = |name| texts(doc, "securityScheme").any(|scheme| scheme == name);
        if !has("mutualssl") {
            return None;
        }
        if stored.is_empty() {
            self.refuse("/securityScheme", "mutualssl needs a client certificate; upload one");
        }
        Some(ClientCertificates {
            mandatory: has("mutualssl_mandatory"),
            // The document holds it from the beginning, so it demands only what the API accepts.
            credential_mandatory: has("oauth_basic_auth_api_key_mandatory")
                && (has("oauth2") || has("api_key")),
            pinned: stored.into_iter().map(client_certificate::pinned).collect(),
            ..ClientCertificates::default()
        })
    }

    fn cors(&mut self, doc: &Value) -> Option<Cors> {
        let cors = &doc["corsConfiguration"];
        if cors["corsConfigurationEnabled"] != true {
            return None;
        }
        let list = |field: &str, usual: Vec<String>| {
            let given: Vec<_> = texts(cors, field).map(str::to_owned).collect();
            if given.is_empty() { usual } else { given }
        };
        let usual = Cors::default();
        let origins = list("accessControlAllowOrigins", usual.origins);
        let credentials = cors["accessControlAllowCredentials"] == true;
        if credentials && origins.iter().any(|origin| origin == "*") {
            self.refuse(
                "/corsConfiguration/accessControlAllowCredentials",
                "credentials cannot be allowed to every origin; name the origins",
            );
        }
        Some(Cors {
            enabled: true,
            origins,
            methods: list("accessControlAllowMethods", usual.methods),
            headers: list("accessControlAllowHeaders", usual.headers),
            expose: Vec::new(),
            credentials,
        })
    }

    fn operations(&mut self, doc: &Value) -> Vec<Operation> {
        let operations = doc["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let read = operations.iter().enumerate().map(|(index, operation)| {
            let path = format!("/operations/{index}");
            let policies = &operation["operationPolicies"];
            let mediators = |reader: &mut Self, stage: &str| {
                reader.mediators(&policies[stage], &format!("{path}/operationPolicies/{stage}"))
            };
            let (request, response) = (mediators(self, "request"), mediators(self, "response"));
            if policies["fault"].as_array().is_some_and(|list| !list.is_empty()) {
                self.refuse(format!("{path}/operationPolicies/fault"), "put it into apiPolicies/fault");
            }
            Operation {
                method: verb(text(operation, "verb")),
                path: text(operation, "target").to_owned(),
                auth: self.auth(operation, &path),
                scopes: texts(operation, "scopes").map(Into::into).collect(),
                policy: policy(operation, "throttlingPolicy"),
                request,
                response,
                examples: Vec::new(),
                function: self.function(operation, &path),
            }
        });
        read.collect()
    }

    fn auth(&mut self, operation: &Value, path: &str) -> AuthType {
        match text(operation, "authType") {
            "" | "Any" | "Application & Application User" => AuthType::Any,
            "None" => AuthType::None,
            "Application" => AuthType::Application,
            "Application User" => AuthType::User,
            other => {
                self.refuse(format!("{path}/authType"), format!("{other} is not known"));
                AuthType::Any
            }
        }
    }

    /// A policy names a mediator of the gateway's; its parameters are the mediator's configuration.
    fn mediators(&mut self, list: &Value, path: &str) -> Vec<Entry> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut entries = Vec::new();
        for (index, policy) in list.iter().enumerate() {
            let name = text(policy, "policyName");
            if name.is_empty() {
                self.refuse(format!("{path}/{index}/policyName"), "must name a mediator");
                continue;
            }
            let config = policy["parameters"].as_object().cloned().unwrap_or_default();
            entries.push(Entry { name: name.to_owned(), config });
        }
        entries
    }

    /// Settings that would be a promise if they were taken.
    fn refuse_what_cannot_be_done(&mut self, doc: &Value) {
        if doc["enableSchemaValidation"] == true {
            self.refuse("/enableSchemaValidation", "validation by schema is not offered yet");
        }
        if doc["maxTps"]["production"].is_number() || doc["maxTps"]["sandbox"].is_number() {
            self.refuse("/maxTps", "limits for backends are not offered yet");
        }
    }
}

/// Operations of WebSockets are topics; their handshake is a GET.
fn verb(verb: &str) -> String {
    match verb.to_uppercase().as_str() {
        "SUBSCRIBE" | "PUBLISH" => "GET".to_owned(),
        verb => verb.to_owned(),
    }
}
