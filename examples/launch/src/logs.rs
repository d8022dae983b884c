//! Structured logs on demand.

use tracing_subscriber::EnvFilter;

use crate::{Failure, Flags, OrFail as _};

/// Starts logging to standard error as the flags say.
///
/// # Errors
///
/// If the filter is malformed.
pub fn start(flags: &Flags) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&flags.log).or_fail(format!("--log {:?} is not a filter", flags.log))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if flags.log_json { logs.json().try_init() } else { logs.try_init() };
    started.map_err(|error| Failure::new(format!("cannot start logging: {error}")))
}
