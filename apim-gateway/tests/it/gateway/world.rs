//! A gateway with one API, a key manager, and a backend that tells what it saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apim_core::event::{Change, Event, Revision};
use apim_core::model::{Api, KeyManagerConfig, Policy};
use apim_core::testing::ManualClock;
use apim_core::{Answer, Backend, Body, Exchange, Peer, Snapshot, Timestamp, Worker};
use apim_gateway::Gateway;
use apim_gateway::builder::Builder;
use apim_throttle::LocalEngine;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://keys.example/oauth2/token";
/// 2023-11-14 22:13:20 UTC.
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) struct Bench {
    pub(crate) gateway: Gateway,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    signer: EcdsaKeyPair,
    revision: Mutex<u64>,
}

/// A request as it reached the backend.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) template: String,
}

/// Answers nothing, and allocates nothing.
pub(crate) struct Silent;

impl Backend for Silent {
    async fn call(&self, exchange: Exchange) -> Answer {
        exchange.answer(Response::new(Body::empty()))
    }
}

/// Answers `pong`, and remembers what it was asked.
struct Recorder(Arc<Mutex<Vec<Seen>>>);

impl Backend for Recorder {
    async fn call(&self, exchange: Exchange) -> Answer {
        self.0.lock().unwrap().push(Seen {
            method: exchange.method().to_string(),
            target: exchange.uri().to_string(),
            headers: exchange.headers().clone(),
            template: exchange.context().operation().unwrap().path.clone(),
        });
        exchange.answer(Response::new(Body::from("pong")))
    }
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text))
    }

    /// Status and code, the two that clients look at.
    pub(crate) fn verdict(&self) -> (u16, String) {
        let code =
            if self.text == "pong" { "pong".into() } else { self.json()["code"].as_str().unwrap().into() };
        (self.status.as_u16(), code)
    }
}

/// The usual world: `shop`, subscribed with plan Gold to the pet store, speaks through `client-1`.
pub(crate) fn world(jwks: Value) -> Vec<Change> {
    vec![
        change("KeyManagerSaved", json!({"name": "km", "issuer": ISSUER, "jwks": jwks})),
        Change::ApiDeployed(Arc::new(pets(json!({})))),
        application("app-1", "Unlimited"),
        subscription("UNBLOCKED"),
        change(
            "KeyMappingSaved",
            json!({"application": "app-1", "key_manager": "km", "client": "client-1", "key_type": "PRODUCTION"}),
        ),
    ]
}

pub(crate) fn application(id: &str, policy: &str) -> Change {
    change("ApplicationSaved", json!({"id": id, "name": "shop", "owner": "ann", "policy": policy}))
}

pub(crate) fn subscription(state: &str) -> Change {
    change(
        "SubscriptionSaved",
        json!({"id": "sub-1", "application": "app-1", "api": "pets", "plan": "Gold", "state": state}),
    )
}

pub(crate) fn policy(value: Value) -> Change {
    let policy: Policy = serde_json::from_value(value).unwrap();
    Change::PolicySaved(Arc::new(policy))
}

/// A change by the name of its variant.
pub(crate) fn change(name: &str, value: Value) -> Change {
    let snake: String = name
        .chars()
        .enumerate()
        .flat_map(|(at, c)| (at > 0 && c.is_uppercase()).then_some('_').into_iter().chain(c.to_lowercase()))
        .collect();
    serde_json::from_value(json!({"change": snake, "value": value})).unwrap()
}

/// The pet store, with some members replaced.
pub(crate) fn pets(with: Value) -> Api {
    let mut api = json!({
        "id": "pets", "name": "PetStore", "version": "1.0.0", "context": "/petstore",
        "endpoints": {"production": {"url": "http://127.0.0.1:9"}, "sandbox": {"url": "http://127.0.0.1:9"}},
        "operations": [
            {"method": "GET", "path": "/pets"},
            {"method": "POST", "path": "/pets", "scopes": ["pets:write", "pets:admin"]},
            {"method": "GET", "path": "/pets/{id}"},
            {"method": "GET", "path": "/open", "auth": "none"},
            {"method": "GET", "path": "/mine", "auth": "user"},
        ],
    });
    for (name, value) in with.as_object().unwrap() {
        api[name] = value.clone();
    }
    serde_json::from_value(api).unwrap()
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// With a backend that does nothing.
    pub(crate) async fn silent() -> Self {
        Self::with(|builder| builder.backend(Silent)).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let signer = signer();
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let engine = Arc::new(LocalEngine::new(clock.clone()));
        let builder = Gateway::builder()
            .clock(clock.clone())
            .throttle(engine)
            .backend(Recorder(seen.clone()))
            .workers(2);
        let gateway = adjust(builder).build().await.unwrap();
        let report = gateway.load(Snapshot::new(Revision(1), world(jwks(&signer, "key-1")))).await;
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        Self { gateway, clock, seen, signer, revision: Mutex::new(1) }
    }

    /// Brings a change into force.
    pub(crate) async fn apply(&self, change: Change) -> apim_gateway::deploy::Report {
        let revision = {
            let mut revision = self.revision.lock().unwrap();
            *revision += 1;
            Revision(*revision)
        };
        self.gateway.apply(Event { revision, at: Timestamp::from_secs(NOW), change }).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let peer = Peer { address: ([203, 0, 113, 9], 4711).into(), tls: false };
        self.send_from(request, peer).await
    }

    pub(crate) async fn send_from(&self, request: Request<Body>, peer: Peer) -> Reply {
        let response = self.gateway.handle(request, peer, Worker(1)).await;
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: head.status, headers: head.headers, text }
    }

    /// GET with headers.
    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.call("GET", target, headers).await
    }

    pub(crate) async fn call(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// GET of the pets with a token.
    pub(crate) async fn with_token(&self, token: &str) -> Reply {
        self.get("/petstore/1.0.0/pets", &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// A good token, with some claims replaced, or removed by null.
    pub(crate) fn token(&self, with: Value) -> String {
        self.token_with_header(json!({"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}), with)
    }

    pub(crate) fn token_with_header(&self, header: Value, with: Value) -> String {
        sign(&self.signer, header, claims(with))
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().expect("the backend was not asked").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn claims(with: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "ann", "azp": "client-1", "aud": ["client-1"], "scope": "default",
        "jti": "token-1", "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 3600, "aut": "APPLICATION",
    });
    let all = claims.as_object_mut().unwrap();
    for (name, value) in with.as_object().unwrap() {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    claims
}

pub(crate) fn signer() -> EcdsaKeyPair {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap()
}

pub(crate) fn jwks(signer: &EcdsaKeyPair, kid: &str) -> Value {
    let point = signer.public_key().as_ref();
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
        "x": coordinate(&point[1..33]), "y": coordinate(&point[33..65]),
    }]})
}

pub(crate) fn sign(signer: &EcdsaKeyPair, header: Value, claims: Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = signer.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A key manager's configuration, with a fresh key of its own.
pub(crate) fn another_key_manager(signer: &EcdsaKeyPair, kid: &str) -> KeyManagerConfig {
    serde_json::from_value(json!({"name": "km", "issuer": ISSUER, "jwks": jwks(signer, kid)})).unwrap()
}
