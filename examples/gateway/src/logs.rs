//! Files with a line for each request, and for each message of APIs that are looked at.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use apim_gateway::builder::Builder;
use apim_gateway::log::Log;
use apim_gateway::metrics::{Kind, Metrics};
use launch::{Failure, OrFail as _};
use schemars::JsonSchema;
use serde::Deserialize;

/// Bytes of a file, where nobody says how many.
const USUAL_LIMIT: u64 = 64 << 20;

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogTo {
    /// A file, relative to the data folder, or `stdout`.
    pub to: String,
    /// Bytes of the file, after which it is renamed to `….1`. Default 64 MiB.
    #[serde(default)]
    pub limit_bytes: Option<u64>,
    /// Keys of a query whose values are not written, besides the usual ones; names of headers as well, where headers
    /// are written.
    #[serde(default)]
    pub redact: Vec<String>,
}

impl LogTo {
    /// The API log, where nobody says where it goes: its levels are set while the gateway runs.
    pub(crate) fn usual_api_log() -> Self {
        Self { to: "api.jsonl".to_owned(), limit_bytes: None, redact: Vec::new() }
    }

    fn open(self, data: &Path, workers: usize) -> Result<Arc<Log>, Failure> {
        let opened = match self.to.as_str() {
            "stdout" => Log::stdout(workers),
            file => Log::append(data.join(file), self.limit_bytes.unwrap_or(USUAL_LIMIT), workers),
        };
        let log = opened.or_fail(format!("cannot write a log to {}", self.to))?;
        Ok(Arc::new(log.redacting(self.redact)))
    }
}

/// The logs of a gateway.
pub(crate) struct Logs {
    access: Mutex<Option<Arc<Log>>>,
    api: Arc<Log>,
    workers: usize,
}

impl Logs {
    pub(crate) fn open(
        access: Option<LogTo>,
        api: LogTo,
        data: &Path,
        workers: usize,
    ) -> Result<Arc<Self>, Failure> {
        let opened = Self { access: Mutex::default(), api: api.open(data, workers)?, workers };
        opened.take_access(opened.open_access(access, data)?);
        Ok(Arc::new(opened))
    }

    /// Opens an access log, if one is wanted.
    pub(crate) fn open_access(&self, to: Option<LogTo>, data: &Path) -> Result<Option<Arc<Log>>, Failure> {
        to.map(|to| to.open(data, self.workers)).transpose()
    }

    /// The access log that is in use from now on.
    pub(crate) fn take_access(&self, log: Option<Arc<Log>>) {
        *self.access.lock().unwrap_or_else(PoisonError::into_inner) = log;
    }

    fn access(&self) -> Option<Arc<Log>> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn give(&self, builder: Builder) -> Builder {
        let builder = builder.api_log(self.api.clone());
        match self.access() {
            Some(access) => builder.access_log(access),
            None => builder,
        }
    }

    /// Counts what could not be written.
    pub(crate) fn count(self: &Arc<Self>, metrics: Metrics) -> Metrics {
        let logs = self.clone();
        let lost = move || logs.access().map_or(0, |log| log.dropped()) + logs.api.dropped();
        let name = "apim_gateway_log_lines_dropped_total";
        metrics.with(name, "Lines of access and API log that were not written", Kind::Counter, lost)
    }

    /// Whoever moves log files away says so by SIGHUP.
    pub(crate) async fn reopen_on_hangup(self: Arc<Self>) {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(mut hangup) => {
                while hangup.recv().await.is_some() {
                    self.api.reopen();
                    if let Some(log) = self.access() {
                        log.reopen();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "SIGHUP cannot be received"),
        }
    }
}
