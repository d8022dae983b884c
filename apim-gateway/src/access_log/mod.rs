//! One line of JSON for each request, with what must not be in a log taken out.
//!
//! Off unless a gateway is [built with a log](crate::builder::Builder::access_log) for it.
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

use apim_core::Outcome;

use crate::log::Log;

/// Writes the line of a request that has ended.
pub(crate) fn record(log: &Log, outcome: &Outcome<'_>) {
    log.line(outcome.context.worker, |line| {
        // Adding to a vector never fails.
        let _ = line::write(line, outcome, log.redact());
    });
}
