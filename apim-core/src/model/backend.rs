//! How a gateway makes itself known to backends, and whom it believes to be one.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use crate::secret::Secret;

/// A secret that a gateway shows to backends.
///
/// Unlike a [`Secret`] it is written out, since it has to travel from the control plane to gateways and to be
/// kept by both; the channel and the disk are theirs to guard. It does not print.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct BackendSecret(Secret);

impl BackendSecret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Secret::new(text))
    }

    /// The text itself. Each call of this is a place to look at in a review.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<&str> for BackendSecret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Secret> for BackendSecret {
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

impl PartialEq for BackendSecret {
    /// Whether a deployment brings the same again. Looks at every byte in any case; nobody outside can ask.
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.expose().as_bytes(), other.expose().as_bytes());
        let differing = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        one.len() == other.len() && differing == 0
    }
}

impl fmt::Debug for BackendSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendSecret(…)")
    }
}

impl Serialize for BackendSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl JsonSchema for BackendSecret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BackendSecret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "password"})
    }
}

/// TLS towards backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackendTls {
    /// Certificates of the authorities to believe, as PEM, instead of the gateway's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The gateway's certificate towards the backend, as PEM with its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The private key of that certificate, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<BackendSecret>,
    /// Whether the backend's certificate must be for the name that is called. Default: yes. Without it, whoever
    /// has any certificate of these authorities can stand in for the backend.
    pub verify_hostname: bool,
    /// The name to ask for (SNI) and to check the certificate against, instead of the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl Default for BackendTls {
    fn default() -> Self {
        Self { ca: None, certificate: None, key: None, verify_hostname: true, server_name: None }
    }
}

/// How a gateway authenticates itself to backends. What it adds replaces what the client sent of that name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum EndpointSecurity {
    /// RFC 7617.
    Basic {
        /// Without a colon.
        username: String,
        /// The password.
        password: BackendSecret,
    },
    /// RFC 7616, with MD5 or SHA-256 and `qop=auth`.
    ///
    /// The first request is challenged and sent once more, which only works with a body that can be sent again;
    /// later ones answer the challenge that is known.
    Digest {
        /// Without a colon.
        username: String,
        /// The password.
        password: BackendSecret,
    },
    /// A key under a name of its own.
    ApiKey {
        /// The header's or the parameter's name.
        name: String,
        /// The key.
        value: BackendSecret,
        /// Where it goes.
        #[serde(default, rename = "in")]
        place: KeyPlace,
    },
    /// A token from an authorisation server (RFC 6749), kept until shortly before it expires, and fetched anew
    /// when the backend answers 401.
    Oauth2(TokenGrant),
}

/// Where an API key goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// A header.
    #[default]
    Header,
    /// A parameter of the query, which ends up in more logs than a header does.
    Query,
}

/// How a gateway gets a token for a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenGrant {
    /// The token endpoint: an absolute `http` or `https` URL.
    pub token_url: String,
    /// The client's identifier, sent by HTTP Basic (RFC 6749 section 2.3.1).
    pub client_id: String,
    /// The client's secret.
    pub client_secret: BackendSecret,
    /// The user for the grant `password`; with none the grant is `client_credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// That user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<BackendSecret>,
    /// Scopes to ask for. Empty: none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Other parameters of the request for a token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, BackendSecret>,
}

/// Functions of AWS Lambda as backends: the operation names the [function](super::Operation::function), which is
/// invoked and waited for. Requests are signed by Signature Version 4.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    /// As `eu-central-1`.
    pub region: String,
    /// The identifier of the access key.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: BackendSecret,
    /// Where Lambda is called. Default: `https://lambda.{region}.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Backends that are named by the request. None is called that does not begin with an [allowed](Self::allow) URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dynamic {
    /// The request's header that holds the backend's URL; it is not sent on. With none only the mediator
    /// `set-endpoint` can name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// URLs that may be called, by scheme, host, port, and leading whole segments of the path.
    pub allow: Vec<String>,
}
