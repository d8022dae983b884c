//! How the gateway listens: under which certificates, behind which balancers, within which limits.

use std::sync::Arc;

use apim_gateway::config::Limits;
use apim_gateway::server::ServerConfig;
use apim_gateway::transport::certificates::Agreement;
use launch::config::Tls;
use launch::{Failure, OrFail as _};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::certificates::Shown;

/// The listeners' part of a settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listeners {
    /// More certificates, each for the host names that stand in it. All other hosts are shown that of `tls`.
    pub certificates: Vec<Tls>,
    /// Whether TLS 1.2 is refused. Default: no.
    pub only_tls13: bool,
    /// Whether clients are asked for a certificate, which APIs with `mutual_tls` need. Default: no.
    pub client_certificates: bool,
    /// Addresses and networks whose clear-text connections begin with the PROXY protocol.
    pub http_balancers: Vec<String>,
    /// Addresses and networks whose TLS connections begin with the PROXY protocol.
    pub https_balancers: Vec<String>,
    /// What clients may take.
    pub limits: Limits,
}

impl Listeners {
    /// Whether TLS is agreed on in the same way.
    pub(crate) fn agrees_like(&self, other: &Self) -> bool {
        (self.only_tls13, self.client_certificates) == (other.only_tls13, other.client_certificates)
    }

    pub(crate) fn apply(&self, shown: &Arc<Shown>, server: &mut ServerConfig) -> Result<(), Failure> {
        let mut agreement = Agreement::default();
        agreement.only_tls13 = self.only_tls13;
        agreement.client_certificates = self.client_certificates;
        let certificates = shown.certificates();
        server.tls = Some(certificates.server_config(agreement).or_fail("cannot set TLS up")?);
        server.certificates = Some(certificates.clone());
        server.http_balancers = networks("http_balancers", &self.http_balancers)?;
        server.https_balancers = networks("https_balancers", &self.https_balancers)?;
        server.limits = self.limits.resolve().or_fail("a mistake in the settings, in listeners.limits")?;
        Ok(())
    }
}

fn networks(place: &str, texts: &[String]) -> Result<Vec<ipnet::IpNet>, Failure> {
    let network = |text: &String| match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(ipnet::IpNet::from(address)),
        Err(_) => text.parse().or_fail(format!("a mistake in the settings, in listeners.{place}: {text:?}")),
    };
    texts.iter().map(network).collect()
}
