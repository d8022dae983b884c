//! Where lines about requests go, without the secrets in them: what the [access log](crate::access_log) and the
//! [API log](crate::api_log) are written to.

mod redact;

use std::io;
use std::path::PathBuf;

use apim_core::Worker;

use crate::journal::Journal;
pub(crate) use redact::Redact;

/// A file of lines, or standard output, and what must not stand there.
///
/// A line is written in place onto the worker's page of a journal (no allocation, no system call); a thread of its own
/// brings the pages to where they go. While that does not keep up a worker keeps 8 MiB; further lines are dropped and
/// counted. Dropping the log writes what is waiting.
#[derive(Debug)]
pub struct Log {
    journal: Journal,
    redact: Redact,
}

impl Log {
    /// Appends to a file, which is made if it is not there, up to a limit in bytes; it is then renamed to
    /// `….1`, over the one of that name. `workers` is how many the gateway has.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or no thread can be started.
    pub fn append(path: impl Into<PathBuf>, limit: u64, workers: usize) -> io::Result<Self> {
        Ok(Self { journal: Journal::append(path.into(), limit, workers)?, redact: Redact::default() })
    }

    /// Writes to standard output.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn stdout(workers: usize) -> io::Result<Self> {
        Ok(Self { journal: Journal::stdout(workers)?, redact: Redact::default() })
    }

    /// Redacts the values of these keys of a query, and of headers of these names where headers are written, in any case
    /// of letters, besides the usual ones: `apikey`, `api_key`, `access_token`, `token`, `id_token`, `refresh_token`,
    /// `code`, `client_secret`, `password`, `secret`, `signature`, `sig`; and headers that carry credentials.
    #[must_use]
    pub fn redacting(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.redact.also(keys);
        self
    }

    /// Opens the file anew, as after somebody has moved it away.
    pub fn reopen(&self) {
        self.journal.reopen();
    }

    /// How many lines were not written.
    pub fn dropped(&self) -> u64 {
        self.journal.dropped()
    }

    /// Adds one line. `write` puts it at the end of the bytes it is given, without a line feed.
    pub(crate) fn line(&self, worker: Worker, write: impl FnOnce(&mut Vec<u8>)) {
        self.journal.line(worker, write);
    }

    pub(crate) fn redact(&self) -> &Redact {
        &self.redact
    }
}
