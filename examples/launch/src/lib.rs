//! What the example servers share, so that each of them reads as what it is: which parts it puts together.
//!
//! * [`Flags`]: the flags all of them understand, and [`Ports`], which they move together.
//! * [`Data`]: the folder that holds all state, and the certificates made in it at the first start.
//! * [`Failure`] and [`run`]: one clear line on standard error and a non-zero exit, whatever went wrong.
//! * [`https`]: a TLS listener for an axum router, with a graceful end.
//! * [`logs`]: structured logs on demand.
//!
//! This is a package of the examples, not of the libraries: a team that embeds the gateway has flags, logs
//! and certificates of its own.

mod certificate;
pub mod config;
mod data;
mod flags;
pub mod https;
pub mod logs;
mod sockets;

use std::fmt;
use std::process::ExitCode;

pub use certificate::{Authority, Identity};
pub use data::Data;
pub use flags::{Flags, Ports};

/// Why a server did not start, or did not go on: one line for whoever started it.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// With what was attempted and why it failed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Says what was attempted when something failed: `open(path).or_fail("cannot open the data folder")?`.
pub trait OrFail<T> {
    /// Puts the attempt before the error and all its causes, on one line.
    fn or_fail(self, attempt: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: std::error::Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, attempt: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let mut text = format!("{attempt}: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                // Many errors repeat their cause in their own text.
                if !text.contains(&cause_text) {
                    text.push_str(": ");
                    text.push_str(&cause_text);
                }
                source = cause.source();
            }
            Failure(text.replace('\n', " "))
        })
    }
}

/// Runs a server to its end and turns a failure into one line and exit code 1.
///
/// The control plane lives on an ordinary multi-thread runtime; a gateway's workers bring their own threads.
/// The process may have as many sockets open from here on as the system allows it.
#[allow(clippy::print_stderr, reason = "the one place where a server says why it did not start")]
pub fn run<F>(name: &str, server: F) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    sockets::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = runtime.or_fail("cannot start the runtime").and_then(|runtime| runtime.block_on(server));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Ready when the process is asked to end: SIGTERM, or Ctrl-C.
pub async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = match signal(SignalKind::terminate()) {
        Ok(term) => term,
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be received, only Ctrl-C ends this process in order");
            let _ = tokio::signal::ctrl_c().await;
            return;
        }
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
