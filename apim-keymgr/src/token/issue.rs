//! From somebody's leave to the tokens that stand for it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use apim_core::key_manager::TokenKind;
use apim_core::model::{Scope, TokenId, UserName};
use apim_core::store::{Client, RefreshToken};
use apim_core::{Secret, Timestamp};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::jws;
use crate::error::OAuthError;
use crate::grant;
use crate::keys::Key;
use crate::server::Core;
use crate::{opaque, scope};

/// What a grant turned out to be worth.
pub(crate) struct Leave {
    /// On whose behalf.
    pub(crate) subject: UserName,
    /// Whether that one is a user who took part, or the client's owner.
    pub(crate) kind: TokenKind,
    /// For what, after all restrictions.
    pub(crate) scopes: Vec<Scope>,
    /// What a refresh token will stand for; none: no refresh token.
    pub(crate) session: Option<Session>,
    /// The OIDC nonce.
    pub(crate) nonce: Option<String>,
    /// How long the access token shall live; none: as the client says.
    pub(crate) lifetime: Option<Duration>,
}

/// All tokens that descend from one leave.
pub(crate) struct Session {
    /// Its name.
    pub(crate) family: String,
    /// What was granted in the first place; one token of it may have asked for less.
    pub(crate) scopes: Vec<Scope>,
}

impl Session {
    /// A session that begins.
    pub(crate) fn new(scopes: Vec<Scope>) -> Self {
        Self { family: Uuid::new_v4().to_string(), scopes }
    }
}

/// What the client gets.
pub(crate) struct Issued {
    pub(crate) access_token: Secret,
    pub(crate) expires_in: Duration,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) id_token: Option<Secret>,
}

impl Issued {
    /// RFC 6749 section 5.1.
    pub(crate) fn into_json(self) -> Value {
        let mut body = json!({
            "access_token": self.access_token.expose(),
            "token_type": "Bearer",
            "expires_in": self.expires_in.as_secs(),
            "scope": scope::join(&self.scopes),
        });
        for (name, token) in [("refresh_token", self.refresh_token), ("id_token", self.id_token)] {
            if let Some(token) = token {
                body[name] = token.expose().into();
            }
        }
        body
    }
}

/// What the tokens of one answer share.
struct Moment {
    issued: u64,
    expires: u64,
}

impl Core {
    /// Signs and keeps what a leave is worth.
    pub(crate) async fn issue(&self, client: &Client, leave: Leave) -> Result<Issued, OAuthError> {
        let wanted = leave.lifetime.or(client.token_lifetime).unwrap_or(self.config.access_token);
        let lifetime = wanted.clamp(Duration::from_secs(1), self.config.longest_access_token);
        let ended = self.revoked.current(&client.id, &leave.subject).await?;
        let issued = self.issue_time(ended);
        let moment = Moment { issued, expires: issued.saturating_add(lifetime.as_secs()) };
        let id = TokenId::from(Uuid::new_v4().to_string());

        let key = self.keys.signing().await.map_err(OAuthError::internal)?;
        let claims = self.access_claims(client, &leave, &id, &moment);
        let access_token = jws::sign(&key, jws::ACCESS, &claims).map_err(OAuthError::internal)?;
        let id_token = self.id_token(&key, client, &leave, &access_token, &moment)?;
        let access = (id, Timestamp::from_secs(moment.expires));
        let refresh_token =
            self.refresh_token(client, leave.session, (&leave.subject, ended), access).await?;
        Ok(Issued {
            access_token: access_token.into(),
            expires_in: Duration::from_secs(moment.expires - moment.issued),
            scopes: leave.scopes,
            refresh_token,
            id_token,
        })
    }

    /// Now, in whole seconds. Revocations know milliseconds, and a token issued right after one must not
    /// look older than it for having been rounded down; so such a token dates from the next second, which
    /// verifiers take by their leeway.
    fn issue_time(&self, ended: Timestamp) -> u64 {
        let now = self.clock.now().as_secs();
        let revoked = ended.as_millis().div_ceil(1000);
        let issued = if revoked <= now + self.config.leeway.as_secs() { revoked.max(now) } else { now };
        self.latest_issue.fetch_max(issued, Ordering::Relaxed);
        issued
    }

    fn access_claims(
        &self,
        client: &Client,
        leave: &Leave,
        id: &TokenId,
        moment: &Moment,
    ) -> Map<String, Value> {
        let kind = match leave.kind {
            TokenKind::Application => "APPLICATION",
            TokenKind::User => "APPLICATION_USER",
        };
        object(json!({
            "iss": self.issuer,
            "sub": leave.subject,
            "azp": client.id,
            "client_id": client.id,
            "aud": client.id,
            "iat": moment.issued,
            "nbf": moment.issued,
            "exp": moment.expires,
            "jti": id,
            "scope": scope::join(&leave.scopes),
            "aut": kind,
            "realm": { "signing_tenant": self.config.tenant },
        }))
    }

    /// OpenID Connect Core section 2, for users who gave leave for `openid`.
    fn id_token(
        &self,
        key: &Key,
        client: &Client,
        leave: &Leave,
        access_token: &str,
        moment: &Moment,
    ) -> Result<Option<Secret>, OAuthError> {
        let wanted = leave.scopes.iter().any(|scope| scope.as_str() == scope::OPENID);
        if !wanted || leave.kind != TokenKind::User {
            return Ok(None);
        }
        let digest = digest::digest(&digest::SHA256, access_token.as_bytes());
        let mut claims = object(json!({
            "iss": self.issuer,
            "sub": leave.subject,
            "aud": client.id,
            "azp": client.id,
            "iat": moment.issued,
            "exp": moment.expires,
            "jti": Uuid::new_v4().to_string(),
            "at_hash": URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]),
        }));
        if let Some(nonce) = &leave.nonce {
            claims.insert("nonce".to_owned(), nonce.as_str().into());
        }
        let token = jws::sign(key, jws::ID, &claims).map_err(OAuthError::internal)?;
        Ok(Some(token.into()))
    }

    /// Keeps a refresh token, and hands it out if the client may use it. It is kept in any case: it ties
    /// the access token to its family, so that a replayed code can end it.
    async fn refresh_token(
        &self,
        client: &Client,
        session: Option<Session>,
        (user, ended): (&UserName, Timestamp),
        access_token: (TokenId, Timestamp),
    ) -> Result<Option<Secret>, OAuthError> {
        let Some(session) = session else {
            return Ok(None);
        };
        let (token, family) = (opaque::fresh()?, session.family.clone());
        // As with access tokens: one made right after a revocation must not look older than it.
        let now = self.clock.now().max(ended);
        let kept = RefreshToken {
            hash: opaque::hash(token.expose()),
            tenant: self.config.tenant.clone(),
            client: client.id.clone(),
            user: user.clone(),
            scopes: session.scopes,
            family: session.family,
            access_token,
            issued_at: now,
            expires_at: now.plus(self.config.refresh_token),
        };
        self.stores.grants.insert_refresh(kept).await?;
        if self.is_family_over(&family).await? {
            self.end_family(&family).await?;
            return Err(OAuthError::grant("the grant is no longer good"));
        }
        Ok(client.grant_types.iter().any(|grant| grant == grant::REFRESH_TOKEN).then_some(token))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
