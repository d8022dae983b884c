//! A server over memory, a clock that stands still, and the few requests that everybody makes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apim_core::key_manager::{ClientSpec, KeyManager as _};
use apim_core::model::{ClientId, KeyManagerConfig, Role, Tenant};
use apim_core::store::{ScopeBinding, SigningKey, SigningKeyStore as _};
use apim_core::testing::{ManualClock, Memory};
use apim_core::{Body, Peer, Timestamp};
use apim_keymgr::password::Cost;
use apim_keymgr::{Config, Server, Stores};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt as _;
use url::form_urlencoded;

pub const ISSUER: &str = "https://apis.example:9443/oauth2/token";
pub const START: u64 = 1_800_000_000;
pub const CALLBACK: &str = "https://app.example/cb";

pub struct World {
    pub memory: Arc<Memory>,
    pub clock: Arc<ManualClock>,
    pub server: Server,
    config: Config,
}

/// A registered client with its secret.
#[derive(Clone)]
pub struct App {
    pub id: ClientId,
    pub secret: String,
}

impl App {
    pub fn basic(&self) -> String {
        basic(&self.id, &self.secret)
    }
}

pub fn config() -> Config {
    Config { password_cost: Cost::LEAST, ..Config::default() }
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Making an RSA key takes a while in a debug build; most tests do not care which one it is.
async fn a_key() -> SigningKey {
    static KEY: OnceCell<SigningKey> = OnceCell::const_new();
    let make = || async {
        let memory = Arc::new(Memory::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
        Server::builder(Stores::all(memory.clone())).clock(clock).config(config()).build().await.unwrap();
        memory.signing_keys(&Tenant::default()).await.unwrap().remove(0)
    };
    KEY.get_or_init(make).await.clone()
}

impl World {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let memory = Arc::new(Memory::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
        let published = KeyManagerConfig {
            name: "Resident Key Manager".into(),
            issuer: ISSUER.to_owned(),
            jwks: Value::Null,
            client_claim: KeyManagerConfig::usual_client_claim(),
            scopes_claim: KeyManagerConfig::usual_scopes_claim(),
        };
        memory.insert_signing_key(&Tenant::default(), a_key().await, published).await.unwrap();
        let server = process(&memory, &clock, &config).await;
        Self { memory, clock, server, config }
    }

    /// A second process over the same stores; or the same one after a restart.
    pub async fn another_process(&self) -> Server {
        process(&self.memory, &self.clock, &self.config).await
    }

    pub fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn user(&self, name: &str, password: &str, roles: &[&str]) {
        let roles = roles.iter().map(|role| Role::from(*role)).collect();
        self.server.users().create(&name.into(), &password.into(), roles).await.unwrap();
    }

    pub fn bind(&self, scope: &str, roles: &[&str]) {
        let roles = roles.iter().map(|role| Role::from(*role)).collect();
        self.memory.bind_scope(&Tenant::default(), ScopeBinding { scope: scope.into(), roles });
    }

    pub fn spec(&self, name: &str, grants: &[&str]) -> ClientSpec {
        ClientSpec {
            tenant: Tenant::default(),
            name: name.to_owned(),
            owner: "olga".into(),
            grant_types: grants.iter().map(|grant| (*grant).to_owned()).collect(),
            redirect_uris: vec![CALLBACK.to_owned()],
            public: false,
            token_lifetime: None,
            additional: Default::default(),
        }
    }

    pub async fn app(&self, name: &str, grants: &[&str]) -> App {
        self.app_of(self.spec(name, grants)).await
    }

    pub async fn app_of(&self, spec: ClientSpec) -> App {
        let client = self.server.resident().create_client(spec).await.unwrap();
        let secret = client.secret.map_or_else(String::new, |secret| secret.expose().to_owned());
        App { id: client.id, secret }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.server, request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form, sent as it stands here.
    pub async fn post(&self, path: &str, authorization: Option<&str>, body: &str) -> Answer {
        self.send(post(path, authorization, body)).await
    }

    pub async fn token(&self, app: &App, body: &str) -> Answer {
        self.post("/oauth2/token", Some(&app.basic()), body).await
    }

    /// A token by password, which must succeed.
    pub async fn log_in(&self, app: &App, user: &str, password: &str) -> Answer {
        let body = form(&[("grant_type", "password"), ("username", user), ("password", password)]);
        self.token(app, &body).await.ok()
    }

    pub async fn verify(&self, token: &str) -> Result<(), u32> {
        verify(&self.server, token).await
    }
}

async fn process(memory: &Arc<Memory>, clock: &Arc<ManualClock>, config: &Config) -> Server {
    Server::builder(Stores::all(memory.clone()))
        .issuer(ISSUER)
        .clock(clock.clone())
        .config(config.clone())
        .build()
        .await
        .unwrap()
}

pub async fn verify(server: &Server, token: &str) -> Result<(), u32> {
    server.verifier().verify(token).await.map(drop).map_err(|fault| fault.code().number)
}

pub fn post(path: &str, authorization: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    if let Some(authorization) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
    }
    request
}

pub fn from_address(mut request: Request<Body>, address: &str) -> Request<Body> {
    let address: SocketAddr = address.parse().unwrap();
    request.extensions_mut().insert(Peer { address, tls: true });
    request
}

pub async fn send(server: &Server, request: Request<Body>) -> Answer {
    let response = server.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A member that is text.
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }

    pub fn access_token(&self) -> String {
        self.text("access_token")
    }

    pub fn refresh_token(&self) -> String {
        self.text("refresh_token")
    }

    /// Status and `error`, as a table row shows them.
    pub fn error(&self) -> (u16, String) {
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(self.json()["error_description"].is_string(), "{self:?}");
        (self.status.as_u16(), self.text("error"))
    }
}

/// Compares with a row of a table of errors.
pub fn row(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// A part of a token: 0 the header, 1 the claims.
pub fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
