//! The control plane and the key manager, put together on one data folder.
//!
//! [`Plane::open`] opens the database, makes the first administrator, and mounts three things on one router:
//! WSO2's REST contracts, the OAuth 2.0 endpoints, and the door through which gateways elsewhere join. The
//! `all-in-one` example uses this very library and adds a gateway in the same process.

mod administrator;
mod join;

use apim_core::{KeyManager as _, SnapshotSource};
use apim_keymgr::{Server as KeyServer, Stores};
use apim_store::{ControlPlane, GatewayUrls, Settings, Store};
use axum::Router;
use launch::{Authority, Data, Failure, Flags, OrFail as _};
use serde::Deserialize;
use std::sync::Arc;

pub use administrator::Administrator;
pub use join::Join;

/// The control plane's part of a settings file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:PATH`, relative to the data folder, or `postgres://user:password@host/database`.
    pub database: Option<String>,
    /// A certificate of your own, instead of one from the data folder's authority.
    pub tls: Option<launch::config::Tls>,
    /// How callers reach the gateways, for the developer portal.
    pub gateway_urls: Option<Urls>,
}

/// Where callers reach the gateways.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    /// As `http://apis.example`.
    pub http: String,
    /// As `https://apis.example`.
    pub https: String,
}

/// A control plane that is ready to be served.
pub struct Plane {
    /// Its database.
    pub store: Store,
    /// The OAuth 2.0 server.
    pub keys: KeyServer,
    /// Everything it answers.
    pub router: Router,
    /// The first administrator, if this was the first start.
    pub administrator: Option<Administrator>,
}

impl Plane {
    /// Opens the data folder's control plane, and makes what a first start needs.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened, or the folder not written to.
    pub async fn open(
        flags: &Flags,
        data: &Data,
        authority: &Authority,
        config: &Config,
    ) -> Result<Self, Failure> {
        let url = config.database.clone().unwrap_or_else(|| "sqlite:apim.db".to_owned());
        let store =
            Store::open(Settings::new(url, data.path())).await.or_fail("cannot open the control plane")?;
        let administrator = Administrator::first(&store).await?;
        let origin = format!("https://{}:{}", flags.host(), flags.ports().control);
        let keys = KeyServer::builder(Stores::all(Arc::new(store.clone())))
            .issuer(format!("{origin}{}", apim_keymgr::ISSUER_PATH))
            .build()
            .await
            .or_fail("cannot start the key manager")?;
        let plane = ControlPlane::builder(store.clone())
            .verifier(keys.resident().verifier())
            .key_manager(keys.resident())
            .urls(urls(flags, config))
            .build()
            .or_fail("cannot start the control plane")?;
        let join = Join::open(data, authority, &origin)?;
        let router = plane
            .router()
            .merge(apim_store::bus::http::routes(store.clone(), join.token()))
            .fallback_service(keys.clone());
        Ok(Self { store, keys, router, administrator })
    }

    /// Where a gateway in this process learns what to serve.
    pub fn source(&self) -> Arc<dyn SnapshotSource> {
        self.store.source()
    }
}

fn urls(flags: &Flags, config: &Config) -> GatewayUrls {
    match config.gateway_urls.clone() {
        Some(Urls { http, https }) => GatewayUrls { http, https },
        None => {
            let (host, ports) = (flags.host(), flags.ports());
            GatewayUrls {
                http: format!("http://{host}:{}", ports.http),
                https: format!("https://{host}:{}", ports.https),
            }
        }
    }
}

/// What the control plane says when it is up, in a few lines.
pub fn describe(flags: &Flags, administrator: Option<&Administrator>) -> String {
    let (host, port) = (flags.host(), flags.ports().control);
    let ca = flags.data.join("ca.pem");
    let mut text = format!(
        "control plane  https://{host}:{port}/api/am/{{publisher/v4,devportal/v3,admin/v4}}\n\
         key manager    https://{host}:{port}/oauth2/token\n\
         certificate    {}\n",
        ca.display()
    );
    if let Some(administrator) = administrator {
        text.push_str(&administrator.describe());
    }
    text
}
