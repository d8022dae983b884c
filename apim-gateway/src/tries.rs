//! The tries of a call: each time that its request is sent to a backend, or waits for a token for one, for whoever
//! traces it.
//!
//! Whoever sends a request tells of each. In a build without traces nobody listens.

#[cfg(feature = "otel")]
pub(crate) use crate::traces::{answered, begin, failed, refused, wants_token};
#[cfg(not(feature = "otel"))]
pub(crate) use nobody::{answered, begin, failed, refused, wants_token};

#[cfg(not(feature = "otel"))]
mod nobody {
    use std::sync::Arc;

    use apim_core::Context;
    use apim_core::fault::Code;
    use http::{HeaderMap, StatusCode};

    pub(crate) fn begin(_: &mut Context, _: &mut HeaderMap, _: &Arc<str>) {}
    pub(crate) fn wants_token(_: &mut Context, _: &Arc<str>) {}
    pub(crate) fn answered(_: &mut Context, _: StatusCode) {}
    pub(crate) fn failed(_: &mut Context, _: Code) {}
    pub(crate) fn refused(_: &mut Context, _: StatusCode, _: Code) {}
}
