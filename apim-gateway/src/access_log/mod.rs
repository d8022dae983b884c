//! One line of JSON for each request, with what must not be in a log taken out.
//!
//! Off unless a gateway is built with one. A line is written in place onto the worker's page of a journal
//! (no allocation, no system call); a thread of its own brings the pages to a file or to standard output.
//!
//! | Field | Is |
//! |---|---|
//! | `time` | when the head had been read; RFC 3339, UTC, milliseconds |
//! | `requestId` | 32 hexadecimal digits, as in `x-request-id` |
//! | `correlationId` | the client's, or the request's |
//! | `client` | the client's address, behind trusted proxies |
//! | `method`, `path` | the client's; the path is normalised, cut after 2048 bytes; values of the query under redacted keys are `[redacted]` |
//! | `userAgent` | cut after 256 bytes; missing if there is none, or it is not plain text |
//! | `status` | sent to the client; 0 if it went away before |
//! | `code`, `stage`, `rule` | of the refusal or failure; missing if there was none |
//! | `api`, `apiId`, `operation` | `name:version`, id, path template; missing if the router found none |
//! | `application`, `user` | who called, once that was known |
//! | `backend`, `backendStatus` | the endpoint's address and its status; missing if it was not asked, or gave none |
//! | `durationMs` | from the head to the last byte, or the client's going away; milliseconds with three decimals |
//! | `backendMs` | from asking the backend to its head; the same unit; missing if it was not asked |
//! | `sentBytes` | of the answer's body, as far as it left |
//! | `complete` | whether the answer left whole |
//! | `worker` | which worker served it, from 0 |
//!
//! No header but `User-Agent` and the correlation id is written, so no credential in a header can be.

mod line;
mod redact;

use std::io;
use std::path::PathBuf;

use apim_core::Outcome;

use crate::journal::Journal;
pub(crate) use redact::Redact;

/// Writes a line for each request.
#[derive(Debug)]
pub struct AccessLog {
    journal: Journal,
    redact: Redact,
}

impl AccessLog {
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

    /// Redacts the values of these keys of a query, in any case of letters, besides the usual ones: `apikey`,
    /// `api_key`, `access_token`, `token`, `id_token`, `refresh_token`, `code`, `client_secret`, `password`,
    /// `secret`, `signature`, `sig`.
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

    pub(crate) fn record(&self, outcome: &Outcome<'_>) {
        self.journal.line(outcome.context.worker, |line| {
            // Adding to a vector never fails.
            let _ = line::write(line, outcome, &self.redact);
        });
    }
}
