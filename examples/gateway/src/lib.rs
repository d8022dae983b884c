//! A gateway with its listeners, put together from the libraries: what the `gateway` example runs alone, and
//! what `all-in-one` runs beside a control plane.

mod certificates;
mod listeners;
mod logs;
mod reload;
mod shedding;
#[cfg(feature = "otel")]
mod traces;

use std::path::Path;
use std::sync::Arc;

use apim_core::model::Api;
use apim_core::{Shutdown, SnapshotSource, SystemClock};
use apim_gateway::analytics::Lines;
use apim_gateway::metrics::{Kind, Metrics};
use apim_gateway::server::health::{BoundHealth, Health};
use apim_gateway::server::{Bound, Server, ServerConfig};
use apim_gateway::transport::tls::{client_config, roots};
use apim_gateway::upstream::UpstreamConfig;
use apim_gateway::{Gateway, config, format, mediation};
use apim_throttle::LocalEngine;
use launch::{Data, Failure, Flags, Identity, OrFail as _};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::watch;

use certificates::Shown;
use logs::Logs;
use reload::Reload;

pub use listeners::Listeners;
pub use logs::LogTo;
pub use shedding::Shedding;

/// Where Debian and most others keep the authorities that a machine trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The file in the data folder that has a line for each call.
const CALLS: &str = "calls.jsonl";

/// Bytes of that file, and of its predecessor.
const CALLS_LIMIT: u64 = 64 << 20;

/// APIs with counters of their own.
const USUAL_METRICS_APIS: usize = 500;

/// The gateway's part of a settings file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Links, trusted proxies, leeway; see `apim_gateway::config::File`.
    pub gateway: config::File,
    /// A certificate of your own, instead of one from the data folder's authority.
    pub tls: Option<launch::config::Tls>,
    /// A PEM file with the authorities that backends are trusted by. Default: the machine's.
    pub backend_authorities: Option<std::path::PathBuf>,
    /// How many workers; none: one for each core.
    pub workers: Option<usize>,
    /// When requests are refused because there is more to do than can be done.
    pub shedding: Shedding,
    /// Where a line is written for each request; none: nowhere.
    pub access_log: Option<LogTo>,
    /// Where the messages of APIs are written that have a log level, which is set at the control plane while the
    /// gateway runs. Default: `api.jsonl`.
    pub api_log: Option<LogTo>,
    /// Whom to tell of traces; none: nobody, and they pass as they are.
    #[cfg(feature = "otel")]
    pub traces: Option<apim_gateway::traces::Config>,
    /// How many APIs have counters of their own at `/metrics`. Default 500.
    pub metrics_apis: Option<usize>,
    /// Certificates by host, balancers, limits on clients.
    pub listeners: Listeners,
}

/// A gateway whose addresses are taken, and which does not answer yet.
pub struct Node {
    /// The gateway.
    pub gateway: Gateway,
    server: Bound<Gateway>,
    health: BoundHealth,
    logs: Arc<Logs>,
    reload: Arc<Reload>,
}

impl Node {
    /// Builds a gateway and takes its addresses.
    ///
    /// # Errors
    ///
    /// If a port is in use, or the settings name what is not there.
    pub async fn open(
        flags: &Flags,
        config: Config,
        identity: &Identity,
        data: &Data,
    ) -> Result<Self, Failure> {
        let workers = config.workers.unwrap_or_else(cores);
        let settings = config.gateway.clone().resolve().or_fail("a mistake in the settings")?;
        let clock = Arc::new(SystemClock);
        let calls = data.path().join(CALLS);
        let calls = Lines::append(&calls, CALLS_LIMIT, workers)
            .or_fail(format!("cannot write {}", calls.display()))?;
        let calls = Arc::new(calls);
        let lost = calls.clone();
        let metrics = Metrics::new(workers, config.metrics_apis.unwrap_or(USUAL_METRICS_APIS)).with(
            "apim_gateway_analytics_dropped_total",
            "Events of calls that were not written",
            Kind::Counter,
            move || lost.dropped(),
        );
        let api_log = config.api_log.clone().unwrap_or_else(LogTo::usual_api_log);
        let logs = Logs::open(config.access_log.clone(), api_log, data.path(), workers)?;
        let metrics = logs.count(metrics);
        let upstream = upstream(config.backend_authorities.as_deref())?;
        let builder = Gateway::builder();
        #[cfg(feature = "otel")]
        let builder = traces::add(builder, config.traces.as_ref(), &upstream, workers, &metrics)?;
        let builder = builder
            .workers(workers)
            .clock(clock.clone())
            .throttle(Arc::new(LocalEngine::new(clock)))
            .formats(format::all())
            .mediators(mediation::builtin())
            .upstream(upstream)
            .analytics(calls)
            .metrics(metrics.clone())
            .config(settings);
        let gateway = logs.give(builder).build().await.or_fail("cannot start the gateway")?;

        let ports = flags.ports();
        let mut server = ServerConfig::default();
        server.http = Some(flags.listen(ports.http));
        server.https = Some(flags.listen(ports.https));
        let shown = Shown::open(identity, config.tls.as_ref(), &config.listeners.certificates)?;
        config.listeners.apply(&shown, &mut server)?;
        server.workers = workers;
        server.shedding = config.shedding.resolve()?;
        let server = Server::new(gateway.clone(), server).bind().or_fail("cannot start the gateway")?;
        metrics.watch(server.traffic());
        let ready = gateway.clone();
        let health = Health::new(move || match ready.ready() {
            true => Ok(()),
            false => Err("the gateway has not loaded its APIs yet".to_owned()),
        });
        let knows = gateway.clone();
        let counted = gateway.clone();
        let reload = Reload::new(gateway.clone(), server.control(), shown, logs.clone(), data.path(), config);
        let reload = Arc::new(reload);
        let again = reload.clone();
        let health = health
            .with_why(move |request| knows.why(request))
            .with_metrics(move || metrics.exposition(&counted))
            .with_reload(move || {
                let again = again.clone();
                async move { again.reload().await.map_err(|error| error.to_string()) }
            });
        let health =
            health.bind(([127, 0, 0, 1], ports.health).into()).or_fail("cannot start the health port")?;
        Ok(Self { gateway, server, health, logs, reload })
    }

    /// Where the settings are read anew on SIGHUP, and on `POST /reload` at the health port. Without it only the files
    /// are that they name.
    #[must_use]
    pub fn rereading(self, read: impl Fn() -> Result<Config, Failure> + Send + Sync + 'static) -> Self {
        self.reload.read_by(read);
        self
    }

    /// Loads a source that never changes, and insists that all of it can be served: what is refused now would
    /// be refused for ever.
    ///
    /// # Errors
    ///
    /// If the source cannot be read, or something in it cannot be served; the text names it.
    pub async fn insist(&self, source: &dyn SnapshotSource) -> Result<(), Failure> {
        let report = self.gateway.load(source.snapshot().await.or_fail("cannot read what to serve")?).await;
        match report.refused.first() {
            None => Ok(()),
            Some(refused) => {
                Err(Failure::new(format!("cannot serve {}: {}", refused.subject, refused.error)))
            }
        }
    }

    /// Follows a source, answers requests, and drains when `end` says so.
    ///
    /// # Errors
    ///
    /// If a worker dies.
    pub async fn run(
        self,
        source: Arc<dyn SnapshotSource>,
        end: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let follower = self.gateway.clone();
        let following = {
            let end = ended(end.clone());
            tokio::spawn(async move { follower.follow(source, end).await })
        };
        tokio::spawn(self.logs.reopen_on_hangup());
        let reload = self.reload;
        let reloading = tokio::spawn(async move { reload.follow().await });
        tokio::spawn(self.health.run(ended(end.clone())));
        let served = self.server.run(ended(end)).await.or_fail("the gateway failed");
        following.abort();
        reloading.abort();
        served
    }
}

/// A file that the gateway reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Document {
    /// The settings, of `--config`.
    Settings,
    /// One API, in the folder of `--apis`.
    Api,
}

/// The JSON Schema of a file, with everything that it can name: what editors complete and check it by.
pub fn schema(document: Document) -> String {
    let builder = Gateway::builder();
    let schema = match document {
        Document::Settings => builder.schema::<Config>(),
        Document::Api => builder.schema::<Api>(),
    };
    format!("{:#}", schema.to_value())
}

/// What a gateway says when it is up.
pub fn describe(flags: &Flags) -> String {
    let (host, ports) = (flags.host(), flags.ports());
    format!(
        "gateway        https://{host}:{}  http://{host}:{}\n\
         health         http://127.0.0.1:{}/{{livez,readyz,metrics,why/REQUEST-ID}}\n\
         calls          {}, a line each\n",
        ports.https,
        ports.http,
        ports.health,
        flags.data.join(CALLS).display()
    )
}

/// Turns a flag that everybody watches into something to wait for.
fn ended(mut end: watch::Receiver<bool>) -> Shutdown {
    Shutdown::new(async move {
        // A sender that is gone has nothing more to say either.
        let _ = end.wait_for(|ended| *ended).await;
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Backends over TLS need authorities to trust; a machine without any can still serve the others.
fn upstream(authorities: Option<&Path>) -> Result<UpstreamConfig, Failure> {
    let mut config = UpstreamConfig::default();
    let path = authorities.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
    match std::fs::read(path) {
        Ok(pem) => {
            let attempt = format!("cannot use the authorities in {}", path.display());
            let roots = roots(&pem).or_fail(&attempt)?;
            config.tls = Some(Arc::new(client_config(roots).or_fail(&attempt)?));
        }
        Err(error) if authorities.is_none() => {
            tracing::info!(%error, "{SYSTEM_AUTHORITIES} cannot be read, so no backend over TLS can be called");
        }
        Err(error) => return Err(error).or_fail(format!("cannot read {}", path.display())),
    }
    Ok(config)
}
