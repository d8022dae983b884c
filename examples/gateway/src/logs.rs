//! Files with a line for each request, and for each message of APIs that are looked at.

use std::io;
use std::sync::Arc;

use apim_gateway::access_log::AccessLog;
use apim_gateway::api_log::ApiLog;
use apim_gateway::builder::Builder;
use apim_gateway::metrics::{Kind, Metrics};
use launch::{Data, Failure, OrFail as _};
use schemars::JsonSchema;
use serde::Deserialize;

/// Bytes of a file, where nobody says how many.
const USUAL_LIMIT: u64 = 64 << 20;

/// Where a log goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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

    fn open<L>(
        &self,
        data: &Data,
        append: impl FnOnce(std::path::PathBuf, u64) -> io::Result<L>,
        stdout: impl FnOnce() -> io::Result<L>,
    ) -> Result<L, Failure> {
        let opened = match self.to.as_str() {
            "stdout" => stdout(),
            file => append(data.path().join(file), self.limit_bytes.unwrap_or(USUAL_LIMIT)),
        };
        opened.or_fail(format!("cannot write a log to {}", self.to))
    }
}

/// The logs of a gateway.
pub(crate) struct Logs {
    access: Option<Arc<AccessLog>>,
    api: Arc<ApiLog>,
}

impl Logs {
    pub(crate) fn open(
        access: Option<LogTo>,
        api: LogTo,
        data: &Data,
        workers: usize,
    ) -> Result<Self, Failure> {
        let open_access = |to: LogTo| {
            let append = |file, limit| AccessLog::append(file, limit, workers);
            let log = to.open(data, append, || AccessLog::stdout(workers))?;
            Ok(Arc::new(log.redacting(to.redact)))
        };
        let access = access.map(open_access).transpose()?;
        let append = |file, limit| ApiLog::append(file, limit, workers);
        let log = api.open(data, append, || ApiLog::stdout(workers))?;
        Ok(Self { access, api: Arc::new(log.redacting(api.redact)) })
    }

    pub(crate) fn give(&self, builder: Builder) -> Builder {
        let builder = builder.api_log(self.api.clone());
        match &self.access {
            Some(access) => builder.access_log(access.clone()),
            None => builder,
        }
    }

    /// Counts what could not be written.
    pub(crate) fn count(&self, metrics: Metrics) -> Metrics {
        let (access, api) = (self.access.clone(), self.api.clone());
        let lost = move || access.as_ref().map_or(0, |log| log.dropped()) + api.dropped();
        let name = "apim_gateway_log_lines_dropped_total";
        metrics.with(name, "Lines of access and API log that were not written", Kind::Counter, lost)
    }

    /// Whoever moves log files away says so by SIGHUP.
    pub(crate) async fn reopen_on_hangup(self) {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(mut hangup) => {
                while hangup.recv().await.is_some() {
                    self.api.reopen();
                    if let Some(log) = &self.access {
                        log.reopen();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "SIGHUP cannot be received"),
        }
    }
}
