//! TLS towards one endpoint, where it is not to be the gateway's own.

use std::fmt;
use std::sync::Arc;

use apim_core::BuildError;
use apim_core::model::BackendTls;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::transport::tls;

/// What connections of one endpoint are encrypted with.
#[derive(Clone)]
pub(super) struct OwnTls {
    /// Lets the backend choose between HTTP/2 and HTTP/1.1.
    pub(super) either: Arc<ClientConfig>,
    /// For upgrades, which only HTTP/1.1 has.
    pub(super) h1_only: Arc<ClientConfig>,
    /// Instead of the URL's host.
    pub(super) server_name: Option<ServerName<'static>>,
    /// Tells settings apart, so that equal ones share connections and others do not.
    pub(super) fingerprint: [u8; 32],
}

impl OwnTls {
    /// From what an endpoint says, over what the gateway has.
    pub(super) fn new(own: &BackendTls, usual: Option<&ClientConfig>) -> Result<Self, BuildError> {
        let mut config = match (&own.ca, usual) {
            (Some(pem), _) => {
                let roots = tls::roots(pem.as_bytes()).map_err(|error| BuildError::at("ca", error))?;
                tls::verified(roots, own.verify_hostname).map_err(|error| BuildError::at("ca", error))?
            }
            (None, _) if !own.verify_hostname => {
                let alone =
                    "it cannot be turned off for all that the gateway trusts; name the backend's `ca`";
                return Err(BuildError::at("verify_hostname", alone));
            }
            (None, Some(usual)) => usual.clone(),
            (None, None) => {
                return Err(BuildError::at("ca", "it is needed, since the gateway trusts nobody"));
            }
        };
        match (&own.certificate, &own.key) {
            (Some(certificate), Some(key)) => {
                let key = key.expose().as_bytes();
                config.client_auth_cert_resolver = tls::client_identity(certificate.as_bytes(), key)
                    .map_err(|error| BuildError::at("certificate", error))?;
            }
            (None, None) => {}
            (None, Some(_)) => return Err(BuildError::at("certificate", "it is needed for the key")),
            (Some(_), None) => return Err(BuildError::at("key", "it is needed for the certificate")),
        }
        let server_name = own.server_name.clone().map(ServerName::try_from).transpose();
        let server_name = server_name.map_err(|error| BuildError::at("server_name", error))?;
        let (either, h1_only) = alpn(&config);
        let written = serde_json::to_vec(own).map_err(|error| BuildError::at("", error))?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, &written).as_ref());
        Ok(Self { either, h1_only, server_name, fingerprint })
    }
}

impl fmt::Debug for OwnTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnTls")
    }
}

/// The same twice: for either version of HTTP, and for HTTP/1.1 alone.
pub(super) fn alpn(config: &ClientConfig) -> (Arc<ClientConfig>, Arc<ClientConfig>) {
    let with = |protocols: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    };
    (with(&[b"h2", b"http/1.1"]), with(&[b"http/1.1"]))
}
