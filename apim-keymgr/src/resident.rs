//! Our own server as a [`KeyManager`]: how the control plane makes clients and tokens.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use apim_core::key_manager::{
    ClientSpec, KeyManager, KeyManagerError, Login, LoginError, OAuthClient, PasswordVerifier, Token,
    TokenRequest,
};
use apim_core::model::{ClientId, KeyManagerName, Scope};
use apim_core::store::StoreError;
use apim_core::{Secret, TokenVerifier};
use async_trait::async_trait;

use crate::RESIDENT;
use crate::client::{Unregistered, described};
use crate::grant;
use crate::login::Refused;
use crate::password::Unchecked;
use crate::scope;
use crate::server::Core;
use crate::verify::Verifier;

/// The resident key manager. Made by [`Server::resident`](crate::Server::resident).
#[derive(Clone)]
pub struct Resident(pub(crate) Arc<Core>);

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resident").field(&self.0.issuer).finish()
    }
}

#[async_trait]
impl KeyManager for Resident {
    fn name(&self) -> KeyManagerName {
        RESIDENT.into()
    }

    async fn create_client(&self, spec: ClientSpec) -> Result<OAuthClient, KeyManagerError> {
        if spec.tenant != self.0.config.tenant {
            return Err(KeyManagerError::Invalid("the tenant is not this key manager's".to_owned()));
        }
        self.0.register(spec).await.map_err(|error| refused(error, None))
    }

    async fn client(&self, id: &ClientId) -> Result<Option<OAuthClient>, KeyManagerError> {
        match self.0.own_client(id).await {
            Ok(client) => Ok(Some(described(client, None))),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(KeyManagerError::Failed(error.into())),
        }
    }

    async fn update_client(&self, id: &ClientId, spec: ClientSpec) -> Result<OAuthClient, KeyManagerError> {
        let _turn = self.0.edits.lock().await;
        self.0.replace(id, spec).await.map_err(|error| refused(error, Some(id)))
    }

    async fn delete_client(&self, id: &ClientId) -> Result<(), KeyManagerError> {
        let client = self.0.own_client(id).await.map_err(|error| refused(error.into(), Some(id)))?;
        // Tokens first: should the deletion fail, calling again is safe; the reverse would leave them good.
        let revoked = self.0.revoke_client(id).await;
        revoked.map_err(|error| KeyManagerError::Failed(error.into()))?;
        let deleted = self.0.stores.clients.delete_client(&client.tenant, id).await;
        deleted.map_err(|error| refused(error.into(), Some(id)))
    }

    async fn renew_secret(&self, id: &ClientId) -> Result<OAuthClient, KeyManagerError> {
        let _turn = self.0.edits.lock().await;
        self.0.renew_secret(id).await.map_err(|error| refused(error, Some(id)))
    }

    async fn issue(&self, request: TokenRequest) -> Result<Token, KeyManagerError> {
        let client = self.0.own_client(&request.client).await;
        let client = client.map_err(|error| refused(error.into(), Some(&request.client)))?;
        let failed = |error: crate::error::OAuthError| match error.kind.status().is_server_error() {
            true => {
                error.log();
                KeyManagerError::Failed(error.description.into())
            }
            false => KeyManagerError::Invalid(error.description.into_owned()),
        };
        if !client.grant_types.iter().any(|grant| grant == grant::CLIENT_CREDENTIALS) {
            return Err(KeyManagerError::Invalid("the client may not use client_credentials".to_owned()));
        }
        if let Some(odd) = request.scopes.iter().find(|scope| !scope::is_one(scope)) {
            return Err(KeyManagerError::Invalid(format!("{odd:?} is not a scope")));
        }
        let mut leave = self.0.client_leave(&client, &request.scopes).await.map_err(failed)?;
        leave.lifetime = request.lifetime;
        let issued = self.0.issue(&client, leave).await.map_err(failed)?;
        Ok(Token { access_token: issued.access_token, expires_in: issued.expires_in, scopes: issued.scopes })
    }

    async fn revoke(&self, client: &ClientId, token: &str) -> Result<(), KeyManagerError> {
        self.0.revoke_text(token, client).await.map_err(|error| KeyManagerError::Failed(error.into()))
    }

    fn verifier(&self) -> Arc<dyn TokenVerifier> {
        Arc::new(Verifier(self.0.clone()))
    }

    fn passwords(&self) -> Option<Arc<dyn PasswordVerifier>> {
        Some(Arc::new(Passwords(self.0.clone())))
    }
}

/// Checks passwords as a login does.
struct Passwords(Arc<Core>);

#[async_trait]
impl PasswordVerifier for Passwords {
    async fn verify(
        &self,
        name: &str,
        password: &Secret,
        wanted: &[Scope],
        from: Option<IpAddr>,
    ) -> Result<Login, LoginError> {
        let user = self.0.log_in(name, password.expose(), from).await.map_err(|refused| match refused {
            Refused::Wrong => LoginError::Wrong,
            Refused::TooMany(wait) => LoginError::TooMany(wait),
            Refused::Unchecked(Unchecked::Busy) => LoginError::Busy,
            Refused::Unchecked(error) => LoginError::Failed(error.into()),
            Refused::Store(error) => LoginError::Failed(error.into()),
        })?;
        let allowed = self.0.allowed_scopes(wanted, &user.roles).await;
        let mut scopes = allowed.map_err(|error| LoginError::Failed(error.description.into()))?;
        // What stands in a token that would be empty means nothing here.
        scopes.retain(|scope| wanted.contains(scope));
        Ok(Login { subject: user.name, scopes })
    }
}

fn refused(error: Unregistered, id: Option<&ClientId>) -> KeyManagerError {
    match (error, id) {
        (Unregistered::Metadata(why) | Unregistered::RedirectUri(why), _) => KeyManagerError::Invalid(why),
        (Unregistered::Store(StoreError::Exists), _) => KeyManagerError::Exists,
        (Unregistered::Store(StoreError::NotFound), Some(id)) => KeyManagerError::UnknownClient(id.clone()),
        (error, _) => KeyManagerError::Failed(error.into()),
    }
}
