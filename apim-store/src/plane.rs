//! The control plane, put together.

use std::sync::Arc;

use apim_core::key_manager::PasswordVerifier;
use apim_core::{KeyManager, TokenVerifier};
use axum::Router;

use crate::error::{Failure, Result};
use crate::rest::contract::Contract;
use crate::rest::frame::Frame;
use crate::rest::{admin, devops, devportal, publisher};
use crate::store::Store;

/// Where callers reach the gateways of environment `Default`.
#[derive(Debug, Clone)]
pub struct GatewayUrls {
    /// As `http://localhost:8280`.
    pub http: String,
    /// As `https://localhost:8243`.
    pub https: String,
}

/// What handlers may use besides the database.
#[non_exhaustive]
pub struct House {
    /// Says what a token is worth.
    pub verifier: Arc<dyn TokenVerifier>,
    /// Registers OAuth clients.
    pub key_manager: Arc<dyn KeyManager>,
    /// Checks passwords, where a contract takes them; none: it takes tokens only.
    pub passwords: Option<Arc<dyn PasswordVerifier>>,
    /// Where callers reach the gateways.
    pub urls: GatewayUrls,
}

/// The REST contracts over a store.
#[derive(Clone)]
pub struct ControlPlane {
    store: Store,
    house: Arc<House>,
}

impl ControlPlane {
    /// Starts putting one together.
    pub fn builder(store: Store) -> Builder {
        Builder { store, verifier: None, key_manager: None, urls: None }
    }

    /// `/api/am/publisher/v4`, `/api/am/devportal/v3`, `/api/am/admin/v4` and `/api/am/devops/v0`.
    pub fn router(&self) -> Router {
        contracts().into_iter().fold(Router::new(), |router, contract| {
            router.merge(Frame::router(self.store.clone(), self.house.clone(), contract))
        })
    }

    /// The store it stands on.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// Every contract: what it is called, its operations, its OpenAPI document.
pub fn contracts() -> Vec<Contract> {
    vec![publisher::contract(), devportal::contract(), admin::contract(), devops::contract()]
}

/// Puts a [`ControlPlane`] together.
pub struct Builder {
    store: Store,
    verifier: Option<Arc<dyn TokenVerifier>>,
    key_manager: Option<Arc<dyn KeyManager>>,
    urls: Option<GatewayUrls>,
}

impl Builder {
    /// Who says what a token is worth. Without it, the key manager's own verifier.
    #[must_use]
    pub fn verifier(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Who registers OAuth clients.
    #[must_use]
    pub fn key_manager(mut self, key_manager: Arc<dyn KeyManager>) -> Self {
        self.key_manager = Some(key_manager);
        self
    }

    /// Where callers reach the gateways. Without it, the usual ports of this machine.
    #[must_use]
    pub fn urls(mut self, urls: GatewayUrls) -> Self {
        self.urls = Some(urls);
        self
    }

    /// The control plane.
    ///
    /// # Errors
    ///
    /// When there is no key manager.
    pub fn build(self) -> Result<ControlPlane> {
        let key_manager =
            self.key_manager.ok_or_else(|| Failure::new("a control plane needs a key manager"))?;
        let verifier = self.verifier.unwrap_or_else(|| key_manager.verifier());
        let urls = self.urls.unwrap_or_else(|| GatewayUrls {
            http: "http://localhost:8280".to_owned(),
            https: "https://localhost:8243".to_owned(),
        });
        let passwords = key_manager.passwords();
        let house = Arc::new(House { verifier, key_manager, passwords, urls });
        Ok(ControlPlane { store: self.store, house })
    }
}
