//! The gateway's configuration: the file as written, and as it is run.

mod file;
mod limits;

use std::time::Duration;

use apim_core::Entry;
use http::HeaderName;
use ipnet::IpNet;

pub use file::{CertificateHeader, ConfigError, File};
pub use limits::Limits;

use crate::analytics::Region;
use crate::gateway::Told;
use crate::{auth, chain, correlation};

/// Of each kind and worker; about two megabytes when all are there.
const USUAL_EXPLANATIONS: usize = 2048;

/// The configuration as it is run: nothing in it means *default* any more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Gateway {
    /// The gateway's links, in order.
    pub handlers: Vec<Entry>,
    /// Formats of payloads in front of the gateway's own.
    pub formats: Vec<Entry>,
    /// Who verifies access tokens, if not the gateway's own verifier.
    pub verifier: Option<Entry>,
    /// Who verifies access tokens that are no JWTs, if anybody.
    pub opaque: Option<Entry>,
    /// Transports to endpoints of other schemes than HTTP's.
    pub transports: Vec<Entry>,
    /// Networks whose peers may say who their client is.
    pub trusted_proxies: Vec<IpNet>,
    /// By how much the clocks of key managers may differ.
    pub leeway: Duration,
    /// Bytes in which all workers together remember verified tokens.
    pub token_memory: usize,
    /// How many refusals each worker remembers for [`why`](crate::why), and how many failures.
    pub explanations: usize,
    /// The header that carries the [correlation] id.
    pub correlation_header: HeaderName,
    /// Where the gateway stands.
    pub region: Region,
    /// In which header clients' certificates are told, if in any.
    pub client_certificate_header: Option<Told>,
    /// Whether WebSockets stay open when the credential they were opened with expires or is revoked.
    pub websockets_outlive_credentials: bool,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            handlers: chain::usual(),
            formats: Vec::new(),
            verifier: None,
            opaque: None,
            transports: Vec::new(),
            trusted_proxies: Vec::new(),
            leeway: auth::JwtVerifier::USUAL_LEEWAY,
            token_memory: auth::JwtVerifier::USUAL_ROOM,
            explanations: USUAL_EXPLANATIONS,
            correlation_header: correlation::ACTIVITY_ID,
            region: Region::default(),
            client_certificate_header: None,
            websockets_outlive_credentials: false,
        }
    }
}
