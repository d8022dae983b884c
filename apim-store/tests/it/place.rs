//! Where the tests happen: a store on each database that is at hand, and the REST contracts over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use apim_core::event::Change;
use apim_core::key_manager::{ClaimsSet, TokenKind};
use apim_core::model::{ClientId, KeyManagerName, Role, Tenant, UserName};
use apim_core::store::{User, UserStore as _};
use apim_core::testing::ManualClock;
use apim_core::{Claims, Fault, Step, Timestamp, TokenVerifier, fault};
use apim_store::{ControlPlane, GatewayUrls, Settings, Store};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use sqlx::Connection as _;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::keys::Keys;

/// A database that a test may fill.
pub struct Database {
    pub url: String,
    pub folder: TempDir,
    pub clock: Arc<ManualClock>,
}

impl Database {
    pub async fn open(&self) -> Store {
        let settings = Settings::new(&self.url, self.folder.path()).clock(self.clock.clone());
        Store::open(settings).await.unwrap()
    }
}

/// SQLite, and PostgreSQL where `APIM_TEST_POSTGRES` names a server on which databases can be made.
pub async fn databases() -> Vec<Database> {
    let mut urls = vec!["sqlite:apim.db".to_owned()];
    match std::env::var("APIM_TEST_POSTGRES") {
        Ok(server) => urls.push(made_on(&server).await),
        Err(_) => eprintln!("not run on PostgreSQL: APIM_TEST_POSTGRES is not set"),
    }
    urls.into_iter().map(database).collect()
}

fn database(url: String) -> Database {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
    Database { url, folder: tempfile::tempdir().unwrap(), clock }
}

async fn made_on(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("apim_test_{}_{number}", std::process::id());
    let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
    for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(&name);
    url.into()
}

/// The REST contracts over a store. The token `ann:apim:api_view,apim:api_create` is Ann's, with these
/// scopes.
pub struct Place {
    pub database: Database,
    pub store: Store,
    pub keys: Arc<Keys>,
    router: Router,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Fails, showing the answer, unless it has the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Fails unless it is a refusal of this kind.
    #[track_caller]
    pub fn refused(self, status: u16, code: u32) -> Self {
        let reply = self.is(status);
        assert_eq!(reply.json()["code"], code, "{}", reply.json());
        reply
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Place {
    /// On each database.
    pub async fn each() -> Vec<Self> {
        let mut places = Vec::new();
        for database in databases().await {
            places.push(Self::on(database).await);
        }
        places
    }

    pub async fn on(database: Database) -> Self {
        let store = database.open().await;
        for (name, role) in [
            ("ann", "Internal/creator"),
            ("bob", "Internal/publisher"),
            ("dev", "Internal/subscriber"),
            ("eve", "Internal/creator"),
            ("admin", "admin"),
        ] {
            let user = User {
                tenant: Tenant::default(),
                name: name.into(),
                password: "$argon2id$".into(),
                roles: vec![Role::from(role)],
                locked: false,
                created_at: Timestamp::default(),
            };
            // Reopened databases know them already.
            let _ = store.insert_user(user).await;
        }
        let keys = Arc::new(Keys::default());
        let plane = ControlPlane::builder(store.clone())
            .verifier(Arc::new(Names))
            .key_manager(keys.clone())
            .urls(GatewayUrls {
                http: "http://localhost:8280".into(),
                https: "https://localhost:8243".into(),
            })
            .build()
            .unwrap();
        Self { database, store, keys, router: plane.router() }
    }

    /// The same database, opened again as after a crash: nothing was closed.
    pub async fn reopened(self) -> Self {
        Self::on(self.database).await
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: head.status, headers: head.headers, body }
    }

    /// `GET /api/am/publisher/v4…` and so on: `publisher.get`.
    pub fn publisher(&self) -> Door<'_> {
        Door { place: self, base: "/api/am/publisher/v4", token: PUBLISHER, headers: Vec::new() }
    }
}

impl Place {
    /// On each database, with what a fresh installation has.
    pub async fn each_seeded() -> Vec<Self> {
        let places = Self::each().await;
        for place in &places {
            apim_store::service::seed::seed(&place.store, "admin", "$argon2id$").await.unwrap();
        }
        places
    }

    /// What developers do.
    pub fn devportal(&self) -> Door<'_> {
        Door { place: self, base: "/api/am/devportal/v3", token: DEVELOPER, headers: Vec::new() }
    }

    /// What administrators do.
    pub fn admin(&self) -> Door<'_> {
        Door { place: self, base: "/api/am/admin/v4", token: "admin:apim:admin", headers: Vec::new() }
    }

    /// What gateways know.
    pub async fn changes(&self) -> Vec<Change> {
        self.store.source().snapshot().await.unwrap().changes().cloned().collect()
    }
}

/// A token of a developer's.
pub const DEVELOPER: &str =
    "dev:apim:subscribe,apim:app_manage,apim:sub_manage,apim:api_key,apim:store_settings";

/// A token of somebody who may do everything in the publisher contract.
pub const PUBLISHER: &str = "ann:apim:api_view,apim:api_create,apim:api_publish,apim:api_manage,apim:api_delete,\
    apim:subscription_view,apim:subscription_block,apim:subscription_manage,apim:tier_view,apim:shared_scope_manage";

/// One contract, seen by one caller.
#[derive(Clone)]
pub struct Door<'a> {
    place: &'a Place,
    pub base: &'static str,
    token: &'static str,
    headers: Vec<(&'static str, String)>,
}

impl Door<'_> {
    /// Another contract.
    pub fn at(mut self, base: &'static str) -> Self {
        self.base = base;
        self
    }

    pub fn by(mut self, token: &'static str) -> Self {
        self.token = token;
        self
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub async fn call(&self, method: &str, path: &str, media_type: &str, body: Vec<u8>) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.place.send(request.body(Body::from(body)).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "", Vec::new()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path, "", Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, "application/json", body.to_string().into_bytes()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.call("PUT", path, "application/json", body.to_string().into_bytes()).await
    }

    /// A form of text parts; a name that ends with `@` is a file's.
    pub async fn form(&self, method: &str, path: &str, parts: &[(&str, &str)]) -> Reply {
        let mut body = String::new();
        for (name, value) in parts {
            let (name, file) = match name.strip_suffix('@') {
                Some(name) => (name, "; filename=\"upload.yaml\""),
                None => (*name, ""),
            };
            body +=
                &format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n");
        }
        body += "--XX--\r\n";
        self.call(method, path, "multipart/form-data; boundary=XX", body.into_bytes()).await
    }
}

/// Believes every token that looks like `user:scope,scope`.
pub struct Names;

impl TokenVerifier for Names {
    fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
        let Some((user, scopes)) = token.split_once(':') else {
            return Step::Done(Err(Fault::new(fault::INVALID_CREDENTIALS)));
        };
        Step::Done(Ok(Arc::new(Claims {
            key_manager: KeyManagerName::from("test"),
            issuer: "test".into(),
            subject: UserName::from(user),
            client: ClientId::from("client"),
            scopes: scopes.split(',').map(Into::into).collect(),
            audiences: Vec::new(),
            id: None,
            issued_at: None,
            expires_at: Timestamp::from_secs(u64::MAX / 1000),
            kind: TokenKind::User,
            all: ClaimsSet::default(),
        })))
    }
}
