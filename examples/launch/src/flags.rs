//! The flags that all example servers understand.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Flags of every example server. Flatten it into a server's own with `#[command(flatten)]`.
#[derive(Debug, Clone, clap::Args)]
pub struct Flags {
    /// The folder that holds all state; made at the first start.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: PathBuf,

    /// Adds N to every port, so that several servers fit on one machine.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=50_000))]
    pub offset: u16,

    /// The address to listen on. The default answers this machine only; 0.0.0.0 answers everybody.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub bind: IpAddr,

    /// A YAML file with settings; see the example's README for its keys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Writes logs to standard error: a level (info, debug) or a filter such as `apim_gateway=debug`.
    #[arg(long, value_name = "FILTER", env = "APIM_LOG", default_value = "warn")]
    pub log: String,

    /// Writes logs as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
}

impl Flags {
    /// The ports, moved by the offset.
    pub fn ports(&self) -> Ports {
        Ports {
            http: 8280 + self.offset,
            https: 8243 + self.offset,
            control: 9443 + self.offset,
            health: 9090 + self.offset,
        }
    }

    /// An address to listen on.
    pub fn listen(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }

    /// The host name that goes into URLs which others will follow.
    pub fn host(&self) -> String {
        match self.bind {
            bind if bind.is_loopback() || bind.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(bind) => bind.to_string(),
            IpAddr::V6(bind) => format!("[{bind}]"),
        }
    }
}

/// Where everything listens (WSO2's ports, and one for health).
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// API traffic in clear text.
    pub http: u16,
    /// API traffic over TLS.
    pub https: u16,
    /// The control plane and the key manager, over TLS.
    pub control: u16,
    /// Health, always on loopback unless bound otherwise.
    pub health: u16,
}
