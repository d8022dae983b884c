//! The whole platform in one process: control plane, key manager, traffic manager and gateway.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use control_plane::Plane;
use gateway::Node;
use launch::{Authority, Data, Failure, Flags};
use serde::Deserialize;
use tokio::sync::watch;

/// The whole platform in one process: control plane, key manager, traffic manager and gateway.
///
/// The first start makes an administrator; APIM_ADMIN_PASSWORD sets the password, else one is made and shown once.
#[derive(Parser)]
#[command(name = "all-in-one", version)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

/// The settings file: those of the control plane and those of the gateway.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The control plane's database.
    database: Option<String>,
    /// A certificate of your own, for both.
    tls: Option<launch::config::Tls>,
    /// How callers reach the gateway, where that is not this machine.
    gateway_urls: Option<control_plane::Urls>,
    /// The gateway's links, trusted proxies, leeway.
    gateway: apim_gateway::config::File,
    /// A PEM file with the authorities that backends are trusted by.
    backend_authorities: Option<std::path::PathBuf>,
    /// How many workers the gateway has.
    workers: Option<usize>,
    /// When the gateway refuses requests because there is more to do than can be done.
    shedding: gateway::Shedding,
    /// Where a line is written for each request; none: nowhere.
    access_log: Option<gateway::LogTo>,
    /// Where the messages of APIs are written that have a log level.
    api_log: Option<gateway::LogTo>,
    /// Whom to tell of traces; none: nobody.
    #[cfg(feature = "otel")]
    traces: Option<apim_gateway::traces::Config>,
    /// How many APIs have counters of their own at `/metrics`. Default 500.
    metrics_apis: Option<usize>,
    /// The gateway's certificates by host, its balancers, its limits on clients.
    listeners: gateway::Listeners,
}

impl Config {
    /// The gateway's part.
    fn of_node(self) -> gateway::Config {
        gateway::Config {
            gateway: self.gateway,
            tls: self.tls,
            backend_authorities: self.backend_authorities,
            workers: self.workers,
            shedding: self.shedding,
            access_log: self.access_log,
            api_log: self.api_log,
            #[cfg(feature = "otel")]
            traces: self.traces,
            metrics_apis: self.metrics_apis,
            listeners: self.listeners,
        }
    }

    /// Refuses another file in which something is different that the control plane has for life.
    fn may_become(&self, other: &Self) -> Result<(), Failure> {
        for (name, is_same) in [
            ("database", self.database == other.database),
            ("gateway_urls", self.gateway_urls == other.gateway_urls),
            // The control plane shows the same certificate.
            ("tls", self.tls == other.tls),
        ] {
            if !is_same {
                return Err(Failure::new(format!("{name}: cannot change without a restart")));
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let Arguments { flags } = Arguments::parse();
    launch::run("all-in-one", serve(flags))
}

#[allow(clippy::print_stdout, reason = "a server says where it is")]
async fn serve(flags: Flags) -> Result<(), Failure> {
    launch::logs::start(&flags)?;
    let config: Config = launch::config::read(&flags)?;
    let Config { database, tls, gateway_urls, .. } = config.clone();
    let for_plane = control_plane::Config { database, tls: tls.clone(), gateway_urls };

    let data = Data::open(&flags.data)?;
    let authority = Authority::open(&data)?;
    let identity = launch::config::Tls::identity(tls.as_ref(), &authority, &flags)?;
    // All addresses are taken before anything is written, so that a port in use leaves no trace.
    let control = launch::https::bind(flags.listen(flags.ports().control)).await?;
    let node = Node::open(&flags, config.clone().of_node(), &identity, &data).await?;
    let again = flags.clone();
    let node = node.rereading(move || {
        let read: Config = launch::config::read(&again)?;
        config.may_become(&read)?;
        Ok(read.of_node())
    });
    let plane = Plane::open(&flags, &data, &authority, &for_plane).await?;
    let source = plane.source();

    print!("{}{}", gateway::describe(&flags), control_plane::describe(&flags, plane.administrator.as_ref()));

    let (end, ended) = watch::channel(false);
    let asked = end.clone();
    tokio::spawn(async move {
        launch::asked_to_end().await;
        let _ = asked.send(true);
    });
    let mut stop = ended.clone();
    let controlled = launch::https::serve(control, identity.server_config()?, plane.router, async move {
        let _ = stop.wait_for(|ended| *ended).await;
    });
    let served = async {
        let served = node.run(source, ended).await;
        // A platform without its gateway is not half a platform: whoever started it has to know.
        let _ = end.send(true);
        served
    };
    let (served, ()) = tokio::join!(served, controlled);
    // What is still being written has a moment to finish; what was acknowledged is safe already.
    let _ = tokio::time::timeout(Duration::from_secs(5), plane.store.close()).await;
    served
}
