//! Another settings file for a gateway that runs: read, checked as a whole, and brought into force.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apim_gateway::server::Control;
use apim_gateway::{Gateway, Reconfiguration};
use launch::{Failure, OrFail as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use crate::certificates::{Shown, Stamp, stamp};
use crate::logs::Logs;
use crate::{Config, SYSTEM_AUTHORITIES, upstream};

/// How often is looked whether a certificate has changed.
const LOOK: Duration = Duration::from_secs(10);

/// What the settings are brought into force by.
pub(crate) struct Reload {
    pub(crate) gateway: Gateway,
    pub(crate) control: Control,
    pub(crate) shown: Arc<Shown>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) data: PathBuf,
    read: OnceLock<Read>,
    in_force: Mutex<InForce>,
}

type Read = Box<dyn Fn() -> Result<Config, Failure> + Send + Sync>;

struct InForce {
    config: Config,
    authorities: Stamp,
}

impl Reload {
    pub(crate) fn new(
        gateway: Gateway,
        control: Control,
        shown: Arc<Shown>,
        logs: Arc<Logs>,
        data: &Path,
        config: Config,
    ) -> Self {
        let authorities = stamp(authorities(&config));
        let in_force = Mutex::new(InForce { config, authorities });
        Self { gateway, control, shown, logs, data: data.to_owned(), read: OnceLock::new(), in_force }
    }

    /// Where the settings are read.
    pub(crate) fn read_by(&self, read: impl Fn() -> Result<Config, Failure> + Send + Sync + 'static) {
        let _ = self.read.set(Box::new(read));
    }

    /// Reads the settings and the files that they name, and brings them into force for all that begins from now on.
    /// Answers what has changed.
    ///
    /// # Errors
    ///
    /// The place of the mistake, or the setting that needs a restart. Everything stays as it was.
    pub(crate) async fn reload(&self) -> Result<String, Failure> {
        let mut in_force = self.in_force.lock().await;
        let before = &in_force.config;
        let config = match self.read.get() {
            Some(read) => read()?,
            None => before.clone(),
        };
        refuse_what_is_fixed(before, &config)?;
        let settings = config.gateway.clone().resolve().or_fail("a mistake in the settings")?;
        let certificates = self.shown.prepare(config.tls.as_ref(), &config.listeners.certificates)?;
        let mut server = self.control.config();
        let tls = server.tls.clone();
        config.listeners.apply(&self.shown, &mut server)?;
        if config.listeners.agrees_like(&before.listeners) {
            // Sessions of clients can be resumed, and connections stay.
            server.tls = tls;
        }
        server.shedding = config.shedding.resolve()?;
        let mut to = Reconfiguration::to(settings);
        let mut changed = Changed::default();
        let authorities = stamp(authorities(&config));
        if (&before.backend_authorities, in_force.authorities) != (&config.backend_authorities, authorities) {
            changed.note("backend_authorities");
            to = to.upstream(upstream(config.backend_authorities.as_deref())?);
        }
        let access_log = match before.access_log == config.access_log {
            true => None,
            false => Some(self.logs.open_access(config.access_log.clone(), &self.data)?),
        };
        if let Some(log) = &access_log {
            changed.note("access_log");
            to = to.access_log(log.clone());
        }
        if before.gateway != config.gateway {
            changed.note("gateway");
        }
        if !changed.0.is_empty() {
            self.gateway.reconfigure(to).await.or_fail("a mistake in the settings")?;
        }
        if let Some(log) = access_log {
            self.logs.take_access(log);
        }
        if before.shedding != config.shedding {
            changed.note("shedding");
        }
        if before.listeners != config.listeners {
            changed.note("listeners");
        }
        self.control.reconfigure(server).or_fail("a mistake in the settings")?;
        certificates();
        *in_force = InForce { config, authorities };
        Ok(changed.told())
    }

    /// Reloads on SIGHUP, and takes certificates up whose files have changed, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return tracing::warn!("SIGHUP cannot be received, so settings are not read anew");
        };
        loop {
            let done = tokio::select! {
                _ = hangup.recv() => self.reload().await,
                () = tokio::time::sleep(LOOK) => match self.shown.has_changed() {
                    true => self.shown.renew().map(|()| "new certificates are in use".to_owned()),
                    false => continue,
                },
            };
            match done {
                Ok(done) => tracing::info!("{done}"),
                Err(error) => tracing::error!(%error, "everything stays as it was"),
            }
        }
    }
}

/// What holds files open, threads or tables from the start to the end.
fn refuse_what_is_fixed(before: &Config, config: &Config) -> Result<(), Failure> {
    for (name, is_same) in [
        ("workers", before.workers == config.workers),
        ("api_log", before.api_log == config.api_log),
        ("metrics_apis", before.metrics_apis == config.metrics_apis),
        #[cfg(feature = "otel")]
        ("traces", crate::traces::are_same(before.traces.as_ref(), config.traces.as_ref())),
    ] {
        if !is_same {
            return Err(Failure::new(format!("{name}: cannot change without a restart")));
        }
    }
    Ok(())
}

fn authorities(config: &Config) -> &Path {
    config.backend_authorities.as_deref().unwrap_or(Path::new(SYSTEM_AUTHORITIES))
}

/// The settings that are others than before.
#[derive(Default)]
struct Changed(Vec<&'static str>);

impl Changed {
    fn note(&mut self, name: &'static str) {
        self.0.push(name);
    }

    fn told(&self) -> String {
        let mut text = "certificates were read anew".to_owned();
        if self.0.is_empty() {
            text.push_str("; no setting has changed");
        } else {
            let _ = write!(text, "; in force: {}", self.0.join(", "));
        }
        text
    }
}
