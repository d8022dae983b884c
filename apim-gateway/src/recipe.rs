//! What a gateway is made of, and how it is made of a configuration: at the start, and again while it runs.

use std::sync::{Arc, OnceLock};

use apim_core::fault::Rescue;
use apim_core::message::{Format, Formats};
use apim_core::model::Api;
use apim_core::{BuildError, Clock, Entry, Link, Mediator, Parts, Registry, TokenVerifier, Transport};

use crate::auth::{ByForm, JwtVerifier};
use crate::chain::{Chain, Source, Transports};
use crate::config;
use crate::correlation::Correlation;
use crate::deploy::{Current, Site};
use crate::gateway::{CertificateHeader, Proxies, Settings};
use crate::log::Log;
use crate::observer::Observers;
use crate::upstream::{Upstream, UpstreamConfig};
use crate::why::Records;

/// What to make of a gateway that runs; see [`Gateway::reconfigure`](crate::Gateway::reconfigure).
#[derive(Debug)]
pub struct Reconfiguration {
    config: config::Gateway,
    upstream: Option<UpstreamConfig>,
    access_log: Option<Option<Arc<Log>>>,
}

impl Reconfiguration {
    /// To another configuration. What was given in code stays.
    pub fn to(config: config::Gateway) -> Self {
        Self { config, upstream: None, access_log: None }
    }

    /// And talks to backends in another way. Its connections are opened anew, and what is known of the health of
    /// backends is learned anew.
    #[must_use]
    pub fn upstream(mut self, config: UpstreamConfig) -> Self {
        self.upstream = Some(config);
        self
    }

    /// And writes the access log to another place, or nowhere.
    #[must_use]
    pub fn access_log(mut self, log: Option<Arc<Log>>) -> Self {
        self.access_log = Some(log);
        self
    }
}

/// Everything that was given in code, and stays.
pub(crate) struct Recipe {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) parts: Parts,
    pub(crate) verifier: Option<Arc<dyn TokenVerifier>>,
    pub(crate) opaque: Option<Arc<dyn TokenVerifier>>,
    pub(crate) links: Registry<Link>,
    pub(crate) mediators: Registry<Arc<dyn Mediator>>,
    pub(crate) formats: Formats,
    pub(crate) named_formats: Registry<Format>,
    pub(crate) verifiers: Registry<Arc<dyn TokenVerifier>>,
    pub(crate) transports: Registry<Arc<dyn Transport>>,
    pub(crate) rescue: Arc<dyn Rescue>,
    pub(crate) api_log: Option<Arc<Log>>,
    pub(crate) workers: usize,
    pub(crate) current: Current,
}

/// What holds state that another configuration should not lose, unless it is about just that.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) source: Source,
    pub(crate) observers: Observers,
    /// The gateway's own verifier, which remembers tokens.
    pub(crate) verifier: Option<Arc<JwtVerifier>>,
    /// Refusals and failures, and how many of each.
    pub(crate) records: Option<(usize, Arc<Records>)>,
}

/// A configuration, made.
pub(crate) struct Made {
    pub(crate) chain: Chain,
    pub(crate) settings: Settings,
    pub(crate) kept: Kept,
}

impl Recipe {
    /// Makes a gateway of another configuration.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make).
    pub(crate) async fn make_again(&self, to: Reconfiguration, mut kept: Kept) -> Result<Made, BuildError> {
        if let (Some(upstream), Source::Endpoints(_)) = (to.upstream, &kept.source) {
            kept.source = self.endpoints(upstream);
        }
        if let Some(access_log) = to.access_log {
            kept.observers.access_log = access_log;
        }
        self.make(to.config, kept).await
    }

    /// Endpoints that are talked to in this way.
    pub(crate) fn endpoints(&self, config: UpstreamConfig) -> Source {
        Source::Endpoints(Upstream::new(config, self.workers, self.clock.clone(), self.rescue.clone()))
    }

    /// Makes a gateway.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with the place in the configuration, if something that it names cannot be built, or was
    /// given in code as well.
    pub(crate) async fn make(&self, config: config::Gateway, mut kept: Kept) -> Result<Made, BuildError> {
        let proxies = Proxies::new(config.trusted_proxies);
        let correlation = Correlation::new(config.correlation_header);
        let certificates =
            config.client_certificate_header.map(|told| Arc::new(CertificateHeader::new(told, self.workers)));
        let parts = self.parts.clone().with(proxies.clone()).with(correlation.clone());
        let parts = parts.with(config.region).with(certificates.clone());
        let named = &self.verifiers;
        let verifier = one("gateway.verifier", &self.verifier, config.verifier, named, &parts).await?;
        let verifier = match verifier {
            Some(other) => other,
            None => {
                let wanted = (config.leeway, config.token_memory);
                let usual = kept.verifier.take().filter(|usual| (usual.leeway(), usual.room()) == wanted);
                let usual = usual.unwrap_or_else(|| {
                    let (trust, clock) = (Arc::new(self.current.clone()), self.clock.clone());
                    let (leeway, room) = wanted;
                    Arc::new(JwtVerifier::with_room(trust, clock, leeway, self.workers, room))
                });
                kept.verifier = Some(usual.clone());
                usual
            }
        };
        let opaque = one("gateway.opaque", &self.opaque, config.opaque, named, &parts).await?;
        let verifier: Arc<dyn TokenVerifier> = match opaque {
            Some(opaque) => Arc::new(ByForm::new(verifier, opaque)),
            None => verifier,
        };
        let parts = parts.with(verifier).with(self.rescue.clone());
        let transports = self.transports.build_all("gateway.transports", &config.transports, &parts).await?;
        let named = self.named_formats.build_all("gateway.formats", &config.formats, &parts).await?;
        // From the last to the first, since each goes in front of those before it.
        let formats = named.into_iter().rev().fold(self.formats.clone(), Formats::preferring);
        let most = config.explanations;
        let records = kept.records.take().filter(|(known, _)| *known == most);
        let (_, records) = kept
            .records
            .insert(records.unwrap_or_else(|| (most, Arc::new(Records::new(self.workers, most)))));
        let settings = Settings {
            formats,
            proxies,
            correlation,
            certificates: certificates.clone(),
            unrouted: kept.observers.unrouted(),
            #[cfg(feature = "otel")]
            tracer: kept.observers.tracer.clone(),
            records: records.clone(),
            leeway: config.leeway,
            websockets_outlive_credentials: config.websockets_outlive_credentials,
        };
        let chain = Chain {
            entries: config.handlers,
            links: self.links.clone(),
            mediators: self.mediators.clone(),
            parts,
            source: kept.source.clone(),
            transports: Transports::new(transports)?,
            rescue: self.rescue.clone(),
            observers: kept.observers.clone(),
            api_log: self.api_log.clone(),
            common: OnceLock::new(),
        };
        // A list that no API could be deployed with is refused now, and not with each API.
        chain.build(Arc::new(Site::new(&probe()?)?)).await?;
        Ok(Made { chain, settings, kept })
    }
}

/// A verifier that was given in code, or is named by the configuration; not both, since one would be ignored.
async fn one(
    path: &str,
    given: &Option<Arc<dyn TokenVerifier>>,
    named: Option<Entry>,
    registry: &Registry<Arc<dyn TokenVerifier>>,
    parts: &Parts,
) -> Result<Option<Arc<dyn TokenVerifier>>, BuildError> {
    match (given, named) {
        (Some(_), Some(_)) => Err(BuildError::at(path, "this gateway was given another in code")),
        (given, None) => Ok(given.clone()),
        (None, Some(entry)) => {
            registry.build(&entry, parts).await.map(Some).map_err(|error| error.within(path))
        }
    }
}

/// An API to try the links on.
fn probe() -> Result<Arc<Api>, BuildError> {
    let probe = serde_json::json!({ "id": "probe", "name": "probe", "version": "1", "context": "/probe" });
    serde_json::from_value(probe).map(Arc::new).map_err(|error| BuildError::at("", error))
}
