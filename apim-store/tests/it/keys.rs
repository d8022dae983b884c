//! A key manager in memory: registers clients, issues tokens that say for whom, and can be told to fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apim_core::key_manager::{ClientSpec, KeyManagerError, OAuthClient, Token, TokenRequest};
use apim_core::model::{ClientId, KeyManagerName};
use apim_core::{KeyManager, Secret, TokenVerifier};

use crate::place::Names;

#[derive(Default)]
pub struct Keys {
    clients: Mutex<BTreeMap<String, ClientSpec>>,
    next: AtomicU32,
    /// Which tokens were revoked, and as whose.
    pub revoked: Mutex<Vec<(String, String)>>,
    /// Whether it cannot be reached.
    pub away: AtomicBool,
    /// A client that cannot be changed.
    pub stuck: Mutex<Option<String>>,
    /// Whether it issues no tokens.
    pub dry: AtomicBool,
}

impl Keys {
    /// A client that somebody registered elsewhere.
    pub fn registered(&self, owner: &str, id: &str) {
        self.registered_as(owner, id, id);
    }

    /// The same, under a name.
    pub fn registered_as(&self, owner: &str, id: &str, name: &str) {
        let spec = ClientSpec {
            tenant: Default::default(),
            name: name.to_owned(),
            owner: owner.into(),
            grant_types: vec!["client_credentials".to_owned()],
            redirect_uris: Vec::new(),
            public: false,
            token_lifetime: None,
            additional: BTreeMap::new(),
        };
        self.clients.lock().unwrap().insert(id.to_owned(), spec);
    }

    pub fn ids(&self) -> Vec<String> {
        self.clients.lock().unwrap().keys().cloned().collect()
    }

    pub fn spec(&self, id: &str) -> Option<ClientSpec> {
        self.clients.lock().unwrap().get(id).cloned()
    }

    pub fn owner(&self, id: &str) -> String {
        self.spec(id).expect("the client is known").owner.to_string()
    }

    /// Gives a client to somebody, as a change of owners does that breaks off behind it.
    pub fn give(&self, id: &str, owner: &str) {
        self.clients.lock().unwrap().get_mut(id).expect("the client is known").owner = owner.into();
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn reach(&self) -> Result<(), KeyManagerError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(KeyManagerError::Failed("connection refused by 10.0.0.7".into())),
            false => Ok(()),
        }
    }

    fn known(&self, id: &ClientId) -> Result<ClientSpec, KeyManagerError> {
        self.reach()?;
        self.spec(id).ok_or_else(|| KeyManagerError::UnknownClient(id.clone()))
    }

    fn with_secret(&self, id: &ClientId, spec: ClientSpec) -> OAuthClient {
        let secret = Secret::new(format!("secret-{}", self.number()));
        OAuthClient { id: id.clone(), secret: Some(secret), spec }
    }
}

#[async_trait::async_trait]
impl KeyManager for Keys {
    fn name(&self) -> KeyManagerName {
        "Resident Key Manager".into()
    }

    async fn create_client(&self, spec: ClientSpec) -> Result<OAuthClient, KeyManagerError> {
        self.reach()?;
        if self.clients.lock().unwrap().values().any(|other| other.name == spec.name) {
            return Err(KeyManagerError::Exists);
        }
        let id = ClientId::from(format!("client-{}", self.number()));
        self.clients.lock().unwrap().insert(id.to_string(), spec.clone());
        Ok(self.with_secret(&id, spec))
    }

    async fn client(&self, id: &ClientId) -> Result<Option<OAuthClient>, KeyManagerError> {
        self.reach()?;
        Ok(self.spec(id).map(|spec| OAuthClient { id: id.clone(), secret: None, spec }))
    }

    async fn update_client(&self, id: &ClientId, spec: ClientSpec) -> Result<OAuthClient, KeyManagerError> {
        self.known(id)?;
        if self.stuck.lock().unwrap().as_deref() == Some(id.as_str()) {
            return Err(KeyManagerError::Failed("the disk is full".into()));
        }
        self.clients.lock().unwrap().insert(id.to_string(), spec.clone());
        Ok(OAuthClient { id: id.clone(), secret: None, spec })
    }

    async fn delete_client(&self, id: &ClientId) -> Result<(), KeyManagerError> {
        self.known(id)?;
        self.clients.lock().unwrap().remove(id.as_str());
        Ok(())
    }

    async fn renew_secret(&self, id: &ClientId) -> Result<OAuthClient, KeyManagerError> {
        let spec = self.known(id)?;
        Ok(self.with_secret(id, spec))
    }

    async fn issue(&self, request: TokenRequest) -> Result<Token, KeyManagerError> {
        self.known(&request.client)?;
        if self.dry.load(Ordering::SeqCst) {
            return Err(KeyManagerError::Invalid("no such scope".to_owned()));
        }
        Ok(Token {
            access_token: Secret::new(format!("token-of-{}", request.client)),
            expires_in: request.lifetime.unwrap_or(Duration::from_secs(3600)),
            scopes: request.scopes,
        })
    }

    async fn revoke(&self, client: &ClientId, token: &str) -> Result<(), KeyManagerError> {
        self.reach()?;
        self.revoked.lock().unwrap().push((client.to_string(), token.to_owned()));
        Ok(())
    }

    fn verifier(&self) -> Arc<dyn TokenVerifier> {
        Arc::new(Names)
    }
}
