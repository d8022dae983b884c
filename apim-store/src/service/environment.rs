//! Where APIs are deployed to.
//!
//! There is one environment, named `Default`, as every client expects to find it; its virtual host is where
//! the gateways listen. More of them come with the admin contract's environments.

use serde_json::{Value, json};
use url::Url;

use crate::plane::GatewayUrls;

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name, and its id.
    pub name: String,
    /// Its virtual host.
    pub host: String,
    /// The port of clear-text connections.
    pub http_port: u16,
    /// The port of TLS connections.
    pub https_port: u16,
}

impl Environment {
    /// The one that exists without being created.
    pub const NAME: &'static str = "Default";

    /// It, where the gateways listen.
    pub fn usual(urls: &GatewayUrls) -> Self {
        let (http, https) = (Url::parse(&urls.http).ok(), Url::parse(&urls.https).ok());
        let host = https.as_ref().or(http.as_ref()).and_then(Url::host_str).unwrap_or("localhost");
        let port =
            |url: &Option<Url>, usual| url.as_ref().and_then(Url::port_or_known_default).unwrap_or(usual);
        Self {
            name: Self::NAME.to_owned(),
            host: host.to_owned(),
            http_port: port(&http, 8280),
            https_port: port(&https, 8243),
        }
    }

    /// As the contracts describe it.
    pub fn document(&self) -> Value {
        json!({
            "id": self.name,
            "name": self.name,
            "displayName": self.name,
            "type": "hybrid",
            "serverUrl": "",
            "provider": "wso2",
            "showInApiConsole": true,
            "vhosts": [{
                "host": self.host,
                "httpContext": "",
                "httpPort": self.http_port,
                "httpsPort": self.https_port,
            }],
        })
    }
}
