//! What passes through an API, written while its operator wants to know: a line of JSON for each of the four
//! messages of a call.
//!
//! Each API has a [level](apim_core::model::LogLevel), which its operator sets at the control plane while everything
//! runs; it is in force when the change has arrived. `OFF` is what all begin with, and costs a call two looks at one
//! flag. A gateway that was [built without a log](crate::builder::Builder::api_log) for it has none of this in its chains.
//!
//! | Flow | Is written |
//! |---|---|
//! | `REQUEST_IN` | as the client sent it, before any link has seen it |
//! | `REQUEST_OUT` | as it leaves the chain for the endpoint; credentials towards the endpoint are added behind that |
//! | `RESPONSE_IN` | as the endpoint answered; missing if it did not |
//! | `RESPONSE_OUT` | as it leaves the chain for the client, refusals included |
//!
//! | Field | From level | Is |
//! |---|---|---|
//! | `time`, `flow` | `BASIC` | when and which |
//! | `correlationId`, `requestId` | `BASIC` | as in the access log |
//! | `apiId`, `api` | `BASIC` | id, `name:version` |
//! | `sourceIP` | `BASIC` | the client's address; of requests |
//! | `verb`, `apiTo` | `BASIC` | method and path with query, as the client sent them |
//! | `target` | `BASIC` | the path and query below the endpoint's own; of `REQUEST_OUT` |
//! | `backend` | `BASIC` | the endpoint's address; of `RESPONSE_IN` |
//! | `statusCode` | `BASIC` | of responses |
//! | `headers` | `STANDARD` | `name=value` |
//! | `payload` | `FULL` | its first 8 KiB; missing if they are no text, as a compressed body's |
//! | `payloadBytes` | `FULL` | bytes that had passed when the line was written |
//! | `payloadCut` | `FULL` | `true` if the payload had more bytes than are written |
//!
//! Values of the query and of headers are redacted as in the [access log](crate::access_log): of headers those that
//! carry credentials, those that the API has named for that, and those whose names end in `token`, `key`, `secret`,
//! `password` or `signature`. Payloads are written as they are: `FULL` is for those who may read them. A line with a
//! payload is written when the payload has passed, or as much of it as is written.

mod line;
mod link;
mod payload;
mod switch;

pub(crate) use link::links;
pub(crate) use switch::Switch;
