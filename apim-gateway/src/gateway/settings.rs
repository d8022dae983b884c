//! What of the configuration every request looks at.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apim_core::exchange::Completion;
use apim_core::message::Formats;
use apim_core::{Context, Worker};
use http::HeaderMap;

use super::{CertificateHeader, Proxies};
use crate::auth::JwtVerifier;
use crate::correlation::{self, Correlation};
use crate::why::Records;

/// Stands in the view, so that a request keeps the settings it began with, and another configuration comes into
/// force together with the pipelines that were built by it.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) formats: Formats,
    pub(crate) proxies: Proxies,
    pub(crate) correlation: Correlation,
    pub(crate) certificates: Option<Arc<CertificateHeader>>,
    /// Who learns of requests that the router found no API for.
    pub(crate) unrouted: Option<Arc<dyn Completion>>,
    /// Who is told of requests that pass no chain.
    #[cfg(feature = "otel")]
    pub(crate) tracer: Option<Arc<crate::traces::Tracer>>,
    pub(crate) records: Arc<Records>,
    /// By how much the clocks of key managers may differ.
    pub(crate) leeway: Duration,
    /// Whether WebSockets stay open when their credential expires or is revoked.
    pub(crate) websockets_outlive_credentials: bool,
}

impl Settings {
    /// Tells a context what a request's headers say of who calls.
    pub(super) fn complete(&self, context: &mut Context, headers: &HeaderMap, worker: Worker) {
        context.worker = worker;
        context.correlation_id = self.correlation.sent(headers);
        context.formats = self.formats.clone();
        context.client_ip = self.proxies.client(context.client_ip, headers);
    }
}

/// Those of a view that nobody has configured.
impl Default for Settings {
    fn default() -> Self {
        Self {
            formats: Formats::default(),
            proxies: Proxies::default(),
            correlation: Correlation::new(correlation::ACTIVITY_ID),
            certificates: None,
            unrouted: None,
            #[cfg(feature = "otel")]
            tracer: None,
            records: Arc::new(Records::new(1, 0)),
            leeway: JwtVerifier::USUAL_LEEWAY,
            websockets_outlive_credentials: false,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("proxies", &self.proxies)
            .field("correlation", &self.correlation)
            .finish_non_exhaustive()
    }
}
