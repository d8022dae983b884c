//! Builds a gateway in code.

use std::fmt;
use std::sync::Arc;

use apim_core::fault::Rescue;
use apim_core::message::{Format, Formats};
use apim_core::registry::{
    FileSchema, FormatEntry, HandlerEntry, MediatorEntry, TransportEntry, VerifierEntry,
};
use apim_core::{
    AnalyticsSink, Backend, BuildError, Clock, Link, Mediator, Parts, Registry, SystemClock, ThrottleEngine,
    TokenVerifier, Transport,
};
use schemars::{JsonSchema, Schema};

use crate::chain::{Erased, Source};
use crate::config;
use crate::deploy::Current;
use crate::gateway::Gateway;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::observer::Observers;
use crate::recipe::{Kept, Recipe};
use crate::throttle::Unlimited;
use crate::upstream::UpstreamConfig;
use crate::{builtin, format, mediation, rescue};

/// What a gateway is made of; everything has a default.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use apim_gateway::Gateway;
///
/// let gateway = Gateway::builder().workers(4).build().await.unwrap();
/// assert!(!gateway.ready());
/// gateway.load(apim_core::Snapshot::default()).await;
/// assert!(gateway.ready());
/// # });
/// ```
pub struct Builder {
    clock: Arc<dyn Clock>,
    throttle: Arc<dyn ThrottleEngine>,
    verifier: Option<Arc<dyn TokenVerifier>>,
    opaque: Option<Arc<dyn TokenVerifier>>,
    analytics: Option<Arc<dyn AnalyticsSink>>,
    observers: Observers,
    api_log: Option<Arc<Log>>,
    links: Registry<Link>,
    mediators: Registry<Arc<dyn Mediator>>,
    formats: Formats,
    named_formats: Registry<Format>,
    verifiers: Registry<Arc<dyn TokenVerifier>>,
    transports: Registry<Arc<dyn Transport>>,
    config: config::Gateway,
    workers: usize,
    rescue: Arc<dyn Rescue>,
    upstream: UpstreamConfig,
    backend: Option<Arc<dyn Erased>>,
    parts: Vec<Box<dyn FnOnce(Parts) -> Parts + Send>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            throttle: Arc::new(Unlimited),
            verifier: None,
            opaque: None,
            analytics: None,
            observers: Observers::default(),
            api_log: None,
            links: builtin::links(),
            mediators: mediation::builtin(),
            formats: format::all(),
            named_formats: Registry::default(),
            verifiers: Registry::default(),
            transports: Registry::default(),
            config: config::Gateway::default(),
            workers: 1,
            rescue: Arc::new(rescue::Json),
            upstream: UpstreamConfig::default(),
            backend: None,
            parts: Vec::new(),
        }
    }
}

impl Builder {
    /// Who says what time it is. Default: the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Who counts calls. **Without one no limit is enforced**, whatever the policies say.
    #[must_use]
    pub fn throttle(mut self, engine: Arc<dyn ThrottleEngine>) -> Self {
        self.throttle = engine;
        self
    }

    /// Who says what a token is worth. Default: a [`JwtVerifier`](crate::auth::JwtVerifier) over the key managers that the gateway
    /// knows from its changes.
    #[must_use]
    pub fn verifier(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Who says what tokens are worth that are no JWTs, as by introspection (RFC 7662). Default: they are
    /// refused.
    #[must_use]
    pub fn opaque(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.opaque = Some(verifier);
        self
    }

    /// Who learns of each call. Default: nobody.
    #[must_use]
    pub fn analytics(mut self, sink: Arc<dyn AnalyticsSink>) -> Self {
        self.analytics = Some(sink);
        self
    }

    /// Who counts requests. Default: nobody.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.observers.metrics = Some(metrics);
        self
    }

    /// Where a line is written for each request. Default: nowhere.
    #[must_use]
    pub fn access_log(mut self, log: Arc<Log>) -> Self {
        self.observers.access_log = Some(log);
        self
    }

    /// Where messages of APIs are written that have a [level](apim_core::model::LogSetting). Default: nowhere, whatever
    /// level they have.
    #[must_use]
    pub fn api_log(mut self, log: Arc<Log>) -> Self {
        self.api_log = Some(log);
        self
    }

    /// Who continues traces, and tells a collector of them. Default: nobody; traces pass as they are.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn tracer(mut self, tracer: Arc<crate::traces::Tracer>) -> Self {
        self.observers.tracer = Some(tracer);
        self
    }

    /// The links that configuration may name. Default: [`builtin::links`].
    #[must_use]
    pub fn links(mut self, links: Registry<Link>) -> Self {
        self.links = links;
        self
    }

    /// The mediators that APIs may name. Default: [`mediation::builtin`].
    #[must_use]
    pub fn mediators(mut self, mediators: Registry<Arc<dyn Mediator>>) -> Self {
        self.mediators = mediators;
        self
    }

    /// Builders and formatters of payloads. Default: [`format::all`].
    #[must_use]
    pub fn formats(mut self, formats: Formats) -> Self {
        self.formats = formats;
        self
    }

    /// The formats that configuration may name; those it does name win over [`formats`](Self::formats). Default:
    /// none.
    #[must_use]
    pub fn named_formats(mut self, formats: Registry<Format>) -> Self {
        self.named_formats = formats;
        self
    }

    /// The verifiers of access tokens that configuration may name, as `verifier` or `opaque`: the hot halves of
    /// key managers. Default: none.
    #[must_use]
    pub fn verifiers(mut self, verifiers: Registry<Arc<dyn TokenVerifier>>) -> Self {
        self.verifiers = verifiers;
        self
    }

    /// The transports that configuration may name, for endpoints of other schemes than HTTP's. Default: none.
    #[must_use]
    pub fn transports(mut self, transports: Registry<Arc<dyn Transport>>) -> Self {
        self.transports = transports;
        self
    }

    /// The configuration, as resolved from a file or written in code.
    #[must_use]
    pub fn config(mut self, config: config::Gateway) -> Self {
        self.config = config;
        self
    }

    /// How many workers there are, so that each has its own memory, connections and ids. Default: 1.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// How faults look to callers. Default: [`rescue::Json`].
    #[must_use]
    pub fn rescue(mut self, rescue: Arc<dyn Rescue>) -> Self {
        self.rescue = rescue;
        self
    }

    /// How the endpoints of APIs are talked to.
    #[must_use]
    pub fn upstream(mut self, config: UpstreamConfig) -> Self {
        self.upstream = config;
        self
    }

    /// Who answers instead of the APIs' endpoints, as a service in the same process.
    #[must_use]
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    /// Something that links may ask for by its type, through [`Parts`].
    #[must_use]
    pub fn part<P: Clone + Send + Sync + 'static>(mut self, part: P) -> Self {
        self.parts.push(Box::new(move |parts| parts.with(part)));
        self
    }

    /// The JSON Schema of a file that is read as a `C`, as [`config::File`] or
    /// [`Api`](apim_core::model::Api), or something that holds one: with all that is installed so far, by name, and its
    /// configuration. Editors complete and check files by it.
    ///
    /// ```
    /// use apim_gateway::{Gateway, config};
    ///
    /// let schema = Gateway::builder().schema::<config::File>();
    /// let text = serde_json::to_string_pretty(&schema).unwrap();
    /// assert!(text.contains("keep_credentials")); // of `use: authentication`
    /// ```
    pub fn schema<C: JsonSchema>(&self) -> Schema {
        FileSchema::default()
            .with::<HandlerEntry, _>(&self.links)
            .with::<MediatorEntry, _>(&self.mediators)
            .with::<FormatEntry, _>(&self.named_formats)
            .with::<VerifierEntry, _>(&self.verifiers)
            .with::<TransportEntry, _>(&self.transports)
            .of::<C>()
    }

    /// Builds the gateway. It serves nothing until it is given something to serve.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with the place in the configuration, if something that it names cannot be built, or was
    /// given in code as well.
    pub async fn build(self) -> Result<Gateway, BuildError> {
        let current = Current::new(self.workers);
        let mut parts = Parts::new(self.clock.clone()).with(self.throttle);
        if let Some(sink) = self.analytics {
            parts = parts.with(sink);
        }
        if let Some(metrics) = self.observers.metrics.clone() {
            parts = parts.with(metrics);
        }
        for add in self.parts {
            parts = add(parts);
        }
        let recipe = Recipe {
            clock: self.clock,
            parts,
            verifier: self.verifier,
            opaque: self.opaque,
            links: self.links,
            mediators: self.mediators,
            formats: self.formats,
            named_formats: self.named_formats,
            verifiers: self.verifiers,
            transports: self.transports,
            rescue: self.rescue,
            api_log: self.api_log,
            workers: self.workers,
            current,
        };
        let source = match self.backend {
            Some(backend) => Source::Other(backend),
            None => recipe.endpoints(self.upstream),
        };
        let kept = Kept { source, observers: self.observers, verifier: None, records: None };
        let made = recipe.make(self.config, kept).await?;
        Ok(Gateway::new(recipe, made))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("links", &self.links)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
