//! An API as a gateway runs it.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApiId, Endpoints, KeyManagerName, KeyType, PolicyName, Scope, Tenant, UserName};
use crate::registry::{Entry, HandlerEntry, MediatorEntry};

/// One version of an API, complete enough to route, authorise and limit its calls.
///
/// Built by the control plane from a revision, read from JSON by a program that embeds a gateway, or written by hand
/// in a gateway's folder of API files, where only `name`, `version` and `context` are needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Identifies the API over all its revisions: what is deployed under an id takes the place of what was. An API
    /// without one is refused; a file in a gateway's folder may leave it out, and has `name:version` then.
    #[serde(default = "unnamed")]
    pub id: ApiId,
    /// The tenant that owns it.
    #[serde(default)]
    pub tenant: Tenant,
    /// As the publisher named it.
    pub name: String,
    /// As the publisher wrote it, for instance `1.0.0`.
    pub version: String,
    /// The path prefix **without** the version, for instance `/petstore`. Calls arrive at
    /// `{context}/{version}/…`, unless `context` holds the text `{version}`, which is then replaced.
    pub context: String,
    /// Whether `{context}/…` without a version leads here as well.
    #[serde(default)]
    pub default_version: bool,
    /// Who published it.
    #[serde(default = "nobody")]
    pub provider: UserName,
    /// What travels over it.
    #[serde(default)]
    pub kind: ApiKind,
    /// Where it stands in its life; only what a gateway has to know of.
    #[serde(default)]
    pub state: LifecycleState,
    /// The number of the deployed revision, from 1; 0 when there are none.
    #[serde(default)]
    pub revision: u32,
    /// Host names it answers to. Empty: every host.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Schemes of the client's connection it answers on.
    #[serde(default)]
    pub transports: Transports,
    /// How its callers may authenticate.
    #[serde(default)]
    pub schemes: Schemes,
    /// The client certificates it accepts; needed where [`Schemes::mutual_tls`] is one of its schemes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<ClientCertificates>,
    /// The header that carries the access token. Default `Authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_header: Option<String>,
    /// The header that carries the API key. Default `ApiKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_header: Option<String>,
    /// Audiences of which a token must carry one. Empty: any.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Key managers whose tokens are good. Empty: every one the gateway knows.
    #[serde(default)]
    pub key_managers: Vec<KeyManagerName>,
    /// Whether a caller's application must have subscribed. `false` for APIs without business plans.
    #[serde(default = "yes")]
    pub subscriptions: bool,
    /// Cross-origin rules; none: the gateway's own apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// The advanced policy that counts all calls of this API together. With one other than `Unlimited`,
    /// the operations' own are ignored (spec: throttling, section 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyName>,
    /// Operations in the publisher's order. Empty: every method on `/*`.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// Where its calls go.
    #[serde(default)]
    pub endpoints: Endpoints,
    /// Mediators of the request, in order: names from the mediator registry with their configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<MediatorEntry>")]
    pub request: Vec<Entry>,
    /// Mediators of the response, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<MediatorEntry>")]
    pub response: Vec<Entry>,
    /// Mediators of a fault, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<MediatorEntry>")]
    pub fault: Vec<Entry>,
    /// Handlers of this API alone, run after the gateway's own and before the mediators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<HandlerEntry>")]
    pub handlers: Vec<Entry>,
}

impl Api {
    /// The path prefix of versioned calls, for instance `/petstore/1.0.0`; what WSO2 calls the context in
    /// keys, deny policies and analytics.
    pub fn versioned_context(&self) -> String {
        if self.context.contains("{version}") {
            return self.context.replace("{version}", &self.version);
        }
        format!("{}/{}", self.context.trim_end_matches('/'), self.version)
    }

    /// The path prefix of calls without a version, for instance `/petstore`. Only meaningful where
    /// [`default_version`](Self::default_version) is set.
    pub fn default_context(&self) -> String {
        let context = self.context.replace("/{version}", "");
        let context = context.trim_end_matches('/');
        if context.is_empty() { "/".to_owned() } else { context.to_owned() }
    }
}

fn unnamed() -> ApiId {
    ApiId::from("")
}

fn nobody() -> UserName {
    UserName::from("admin")
}

fn yes() -> bool {
    true
}

/// What travels over an API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApiKind {
    /// Requests and responses.
    #[default]
    Http,
    /// A WebSocket, relayed after its handshake.
    WebSocket,
}

/// The part of an API's life cycle that a gateway acts on (spec: gateway-flow, section 5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LifecycleState {
    /// Deployed, but callable with a test key only.
    Created,
    /// Callable with any valid credential; the production endpoint serves every key.
    Prototyped,
    /// Normal service.
    #[default]
    Published,
    /// Every call is answered 503 / 700700.
    Blocked,
    /// Normal service for those who have subscribed already.
    Deprecated,
}

/// Schemes of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transports {
    /// Whether clear-text connections are answered.
    #[serde(default)]
    pub http: bool,
    /// Whether TLS connections are answered.
    #[serde(default)]
    pub https: bool,
}

impl Default for Transports {
    fn default() -> Self {
        Self { http: true, https: true }
    }
}

/// How callers of an API may authenticate; any one suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schemes {
    /// An OAuth 2.0 access token (RFC 6750).
    #[serde(default)]
    pub oauth2: bool,
    /// An API key in a header or the query.
    #[serde(default)]
    pub api_key: bool,
    /// A client certificate, shown when the connection was made (RFC 8446 section 4.4.2).
    #[serde(default)]
    pub mutual_tls: bool,
}

impl Default for Schemes {
    fn default() -> Self {
        Self { oauth2: true, api_key: false, mutual_tls: false }
    }
}

/// Client certificates that an API accepts (spec: gateway-security, section 7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientCertificates {
    /// Whether a call without a good one is refused, whatever else it brings. So it is in any case where the
    /// API has no other scheme.
    pub mandatory: bool,
    /// Whether a call without a token or an API key is refused, even with a good certificate.
    pub credential_mandatory: bool,
    /// Single certificates. Nobody needs to have signed them.
    pub pinned: Vec<PinnedCertificate>,
    /// Authorities, as PEM text; each certificate that one of them has signed is good.
    pub authorities: Vec<String>,
    /// The subscription policy that calls with a certificate of these authorities are counted against, each
    /// certificate by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities_tier: Option<PolicyName>,
}

/// One client certificate that an API accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinnedCertificate {
    /// What the publisher calls it, and what its calls are counted by.
    pub alias: String,
    /// The certificate, as PEM text.
    pub certificate: String,
    /// The subscription policy that its calls are counted against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<PolicyName>,
    /// Which endpoint its calls lead to; none: as for anybody of whom nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<KeyType>,
}

/// Cross-origin rules (Fetch standard, "CORS protocol").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Whether the gateway answers preflights and adds headers at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Origins: `*`, or exact values such as `https://shop.example`.
    #[serde(default = "Cors::any_origin")]
    pub origins: Vec<String>,
    /// Methods that may be announced; an operation's own are announced if they are among these.
    #[serde(default = "Cors::usual_methods")]
    pub methods: Vec<String>,
    /// Request headers that a page may send.
    #[serde(default = "Cors::usual_headers")]
    pub headers: Vec<String>,
    /// Response headers that a page may read.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether cookies and credentials may travel. Never together with origin `*`.
    #[serde(default)]
    pub credentials: bool,
}

impl Cors {
    fn any_origin() -> Vec<String> {
        vec!["*".to_owned()]
    }

    fn usual_methods() -> Vec<String> {
        ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"].map(str::to_owned).to_vec()
    }

    fn usual_headers() -> Vec<String> {
        [
            "authorization",
            "Access-Control-Allow-Origin",
            "Content-Type",
            "SOAPAction",
            "apikey",
            "Internal-Key",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

impl Default for Cors {
    /// WSO2's defaults (spec: gateway-flow, section 7).
    fn default() -> Self {
        Self {
            enabled: true,
            origins: Self::any_origin(),
            methods: Self::usual_methods(),
            headers: Self::usual_headers(),
            expose: Vec::new(),
            credentials: false,
        }
    }
}

/// One method on one path template of an API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The method, in capitals. `*` stands for all.
    pub method: String,
    /// The path below the API's context: literals, `{variable}` segments, and a closing `/*`.
    pub path: String,
    /// Who may call it.
    #[serde(default)]
    pub auth: AuthType,
    /// Scopes of which a token must carry one. Empty: none is needed.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The advanced policy that counts this operation's calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyName>,
    /// Mediators of this operation's requests, after the API's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<MediatorEntry>")]
    pub request: Vec<Entry>,
    /// Mediators of this operation's responses, after the API's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<MediatorEntry>")]
    pub response: Vec<Entry>,
    /// What a [mock](super::Endpoint::mock) answers, the first by preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// The function of AWS Lambda that answers, where the endpoint is [one](super::Lambda).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
}

impl Operation {
    /// An operation with the defaults of WSO2: any authenticated caller, no scope, no limit of its own.
    pub fn new(method: &Method, path: impl Into<String>) -> Self {
        Self {
            method: method.as_str().to_owned(),
            path: path.into(),
            auth: AuthType::default(),
            scopes: Vec::new(),
            policy: None,
            request: Vec::new(),
            response: Vec::new(),
            examples: Vec::new(),
            function: None,
        }
    }
}

/// A response that an API's author made up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Its status. Default 200.
    #[serde(default = "Example::usual_status")]
    pub status: u16,
    /// Its name, for callers to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type. None: it has no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its body, as it is sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl Example {
    fn usual_status() -> u16 {
        200
    }
}

/// A function of AWS Lambda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name or ARN.
    pub name: String,
    /// How long to wait for it, from 1 to 900 s. Default: the endpoint's time-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// Who may call an operation (`x-auth-type`; spec: gateway-security, section 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// Applications and their users.
    #[default]
    Any,
    /// Tokens of an application only.
    Application,
    /// Tokens of a user only.
    User,
    /// Everybody.
    None,
}
