//! Gets answers from backends.
//!
//! An [`Upstream`] has the connections; [`Upstream::serve`] resolves the endpoints of an API when it is
//! deployed, and the [`ApiUpstream`] that it answers is the inner end of that API's pipeline. It chooses the
//! endpoint by the caller's key and a member of it by the endpoint's policy, takes a connection that this worker
//! has open or opens one, sends the request as it streams in, and hands the response on as it streams out.
//!
//! What an endpoint does not ask for costs its calls nothing: with a single URL and no rules no member is chosen,
//! nothing is counted, and no lock is taken but that of the worker's own pool.
//!
//! # What it changes in a message
//!
//! The endpoint's base path goes before the path, `Host` becomes the backend's. Headers that mean one hop
//! only are dropped in both directions. `X-Forwarded-For`, `-Proto` and `-Host` are written; what a client
//! claims in such headers is only believed when the gateway knew its peer for a trusted proxy, which shows in
//! [`Context::client_ip`](apim_core::Context). `Expect` is dropped: the gateway answers `100 Continue` itself,
//! when the backend's connection asks for the first piece of the body, so that a refused upload never starts.
//! `Via` is only sent where it is configured, since common servers stop compressing for requests that carry
//! one.
//!
//! # When it tries again
//!
//! Once, on a new connection, if a connection that was open already turns out to be closed: always if nothing
//! had been written, otherwise only for idempotent requests without a body, since a backend may have acted on
//! any other (RFC 9110 section 9.2.2). Beyond that as the endpoint says: see
//! [`Retry`](apim_core::model::Retry) and [`Balance::Failover`](apim_core::model::Balance::Failover). Of several
//! members, one that cannot be connected to is passed over in any case.

mod alike;
mod backends;
mod balance;
mod body;
mod budget;
mod call;
mod challenge;
mod clients;
mod dynamic;
mod failure;
mod forward;
mod group;
mod health;
mod http1;
mod known;
mod lambda;
mod line;
mod load;
mod mock;
pub(crate) mod once;
mod pool;
mod relay;
mod retry;
mod rules;
mod security;
mod side;
mod standing;
mod target;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use apim_core::fault::{self, Rescue};
use apim_core::model::{Api, AuthType, Endpoint, KeyType, LifecycleState};
use apim_core::{Answer, Backend, Body, BuildError, Clock, Context, Exchange, Fault, SystemClock, Worker};
use http::Response;

pub use challenge::Challenge;
pub use dynamic::Chosen;
#[cfg(feature = "otel")]
pub(crate) use target::Place;

use crate::fetch::Fetch;
use alike::Alike;
use call::Call;
use group::Group;
use health::Checks;
use pool::Own;
use side::Side;

pub(crate) use forward::vouch;
pub(crate) use known::Known;

/// How backends are talked to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UpstreamConfig {
    /// TLS towards `https` and `wss` endpoints: whom to trust, what to present. Without it they cannot be
    /// called. ALPN is set by the upstream. See [`client_config`](crate::transport::tls::client_config).
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Until a connection stands, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// Between two pieces of a response's body. Default 60 s.
    pub body_timeout: Duration,
    /// How long an upgraded connection may be silent. Default 15 minutes.
    pub tunnel_timeout: Duration,
    /// How many connections to keep open for later, per worker and backend. Default 256.
    pub idle_connections: usize,
    /// How long to keep them. Default 50 s, less than the usual backend does.
    pub idle_timeout: Duration,
    /// Bytes of a response's head. Default 64 KiB.
    pub head_bytes: usize,
    /// The name to add to `Via`, if any.
    pub via: Option<String>,
    /// Where chance begins, for members that are chosen at random. Default: by chance.
    pub seed: u64,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            tls: None,
            connect_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(60),
            tunnel_timeout: Duration::from_secs(15 * 60),
            idle_connections: 256,
            idle_timeout: Duration::from_secs(50),
            head_bytes: 64 << 10,
            via: None,
            seed: RandomState::new().hash_one(0),
        }
    }
}

/// Connections to backends. Cheap to clone; all clones share them.
///
/// Each worker has connections of its own. Under a runtime with many threads every request says worker 0 and
/// they share. A connection by HTTP/1.1 is run by whoever uses it, one by HTTP/2 by a task of its own.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    workers: Box<[Arc<Own>]>,
    settings: Arc<pool::Settings>,
    clock: Arc<dyn Clock>,
    rescue: Arc<dyn Rescue>,
    checks: Checks,
    alike: Alike,
    /// Counts the groups that chance was given to.
    seeds: AtomicU64,
}

impl Inner {
    fn config(&self) -> &UpstreamConfig {
        &self.settings
    }

    /// Where the chance of a new group begins.
    fn chance(&self) -> u64 {
        self.config().seed.wrapping_add(self.seeds.fetch_add(1, Relaxed))
    }
}

impl Upstream {
    /// For so many workers. Suspensions and the like go by the clock; faults become answers through `rescue`.
    pub fn new(
        config: UpstreamConfig,
        workers: usize,
        clock: Arc<dyn Clock>,
        rescue: Arc<dyn Rescue>,
    ) -> Self {
        let settings = Arc::new(pool::Settings::new(config));
        let workers = (0..workers.max(1)).map(|_| Arc::new(Own::new(settings.clone()))).collect();
        let (checks, alike, seeds) = (Checks::default(), Alike::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { workers, settings, clock, rescue, checks, alike, seeds }))
    }

    /// Resolves the endpoints of an API.
    ///
    /// # Errors
    ///
    /// The place in the API's endpoints, as `endpoints.sandbox.members[1].url`, and what is wrong there.
    pub fn serve(&self, api: &Api) -> Result<ApiUpstream, BuildError> {
        self.serve_again(api, &Known::default())
    }

    /// The same, with what is known of the same endpoints.
    pub(crate) fn serve_again(&self, api: &Api, known: &Known) -> Result<ApiUpstream, BuildError> {
        let side = |name: &str, endpoint: &Endpoint| {
            Side::new(name, endpoint, api, self, known)
                .map_err(|error| error.within(name).within("endpoints"))
        };
        let given = &api.endpoints;
        let usual = |name, endpoint: &Option<Endpoint>| {
            endpoint.as_ref().map(|endpoint| side(name, endpoint)).transpose()
        };
        let mut named = BTreeMap::new();
        for (name, endpoint) in &given.named {
            named.insert(name.as_str().into(), side(&format!("named.{name}"), endpoint)?);
        }
        Ok(ApiUpstream {
            upstream: self.clone(),
            production: usual("production", &given.production)?,
            sandbox: usual("sandbox", &given.sandbox)?,
            named,
        })
    }

    /// Resolves an endpoint, if this gateway can reach it.
    fn resolve(&self, endpoint: &Endpoint) -> Result<Arc<Group>, BuildError> {
        self.group(endpoint).map(|group| self.0.alike.one_of(group))
    }

    fn group(&self, endpoint: &Endpoint) -> Result<Group, BuildError> {
        let group = Group::new(endpoint, &self.0)?;
        let secure = group.members.iter().map(|member| &member.address).find(|address| address.secure);
        match secure {
            Some(address) if address.tls.is_none() && !self.0.settings.has_tls() => {
                let why = format!("{} needs TLS, which this gateway was not given", address.url);
                Err(BuildError::at("", why))
            }
            _ => Ok(group),
        }
    }

    /// Resolves an endpoint, with what is known of its members, and checks their health from now on.
    fn begin(&self, endpoint: &Endpoint, akin: Option<&Group>) -> Result<Arc<Group>, BuildError> {
        let mut group = self.group(endpoint)?;
        if let Some(akin) = akin {
            group.take_over(akin);
        }
        let group = self.0.alike.one_of(group);
        self.0.checks.watch(&group)?;
        Ok(group)
    }

    fn own(&self, worker: Worker) -> &Arc<Own> {
        &self.0.workers[worker.0 % self.0.workers.len()]
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({} workers)", self.0.workers.len())
    }
}

/// Says what is wrong with an endpoint, if anything is; for those who only look at files.
///
/// # Errors
///
/// The place in the endpoint, and what is wrong there.
///
/// ```
/// use apim_core::model::Endpoint;
/// use apim_gateway::upstream::check;
///
/// assert!(check(&Endpoint::new("https://pets.example/v2")).is_ok());
/// assert_eq!(check(&Endpoint::new("ftp://pets.example")).unwrap_err().path(), "url");
/// ```
pub fn check(endpoint: &Endpoint) -> Result<(), BuildError> {
    // Whether the gateway has TLS is not the file's business.
    let tls = crate::transport::tls::client_config(rustls::RootCertStore::empty()).ok().map(Arc::new);
    let config = UpstreamConfig { tls, ..UpstreamConfig::default() };
    let nowhere = Upstream::new(config, 1, Arc::new(SystemClock), Arc::new(crate::rescue::Json));
    // Of an endpoint alone; what concerns the operations is looked at when the API is deployed.
    let calls = Endpoint { lambda: None, mock: false, ..endpoint.clone() };
    let answers = endpoint.lambda.is_some() || endpoint.mock;
    match answers && calls.url.is_empty() && calls.members.is_empty() && calls.dynamic.is_none() {
        true => rules::check(&calls),
        false => Side::check(&calls, &nowhere),
    }
}

/// The inner end of one API's pipeline: its endpoints.
pub struct ApiUpstream {
    upstream: Upstream,
    production: Option<Side>,
    sandbox: Option<Side>,
    named: BTreeMap<Box<str>, Side>,
}

impl ApiUpstream {
    /// Asks for what a call is about to look at.
    pub(crate) fn fetch(&self, fetch: &mut Fetch) {
        if let Some(group) = self.production.as_ref().and_then(Side::backends) {
            fetch.shared(group);
        }
    }

    fn endpoint(&self, context: &Context) -> Result<&Side, Fault> {
        if !self.named.is_empty()
            && let Some(Chosen::Name(name)) = context.slots.get()
        {
            return self.named.get(name.as_str()).ok_or_else(|| {
                Fault::new(fault::INTERNAL)
                    .detail(format!("the endpoint `{name}` was chosen, and there is none"))
            });
        }
        choose(context, self.production.as_ref(), self.sandbox.as_ref())
    }

    async fn get(&self, exchange: &mut Exchange) -> Result<Response<Body>, Fault> {
        exchange.write()?;
        let request = &mut exchange.take_request();
        let context = exchange.context_mut();
        let own = self.upstream.own(context.worker);
        let side = self.endpoint(context)?;
        match side.backends() {
            Some(group) => Call::to(own, group).run(request, context).await,
            // Boxed, since few calls go this way and all would pay for its size.
            None => Box::pin(side.get(own, request, context)).await,
        }
    }
}

/// The endpoint for this caller's key (spec: gateway-flow, section 8).
pub(crate) fn choose<'a, T>(
    context: &Context,
    production: Option<&'a T>,
    sandbox: Option<&'a T>,
) -> Result<&'a T, Fault> {
    let prototyped = context.api.as_ref().is_some_and(|api| api.state == LifecycleState::Prototyped);
    if let Some(production) = production.filter(|_| prototyped) {
        return Ok(production);
    }
    let open = context.operation().is_some_and(|operation| operation.auth == AuthType::None);
    let found = match context.key_type() {
        KeyType::Production if open => production.or(sandbox),
        KeyType::Production => production,
        KeyType::Sandbox => sandbox,
    };
    found.ok_or_else(|| {
        Fault::new(fault::WRONG_ENVIRONMENT).rule("api.endpoints").because(match context.key_type() {
            KeyType::Production => "Production key offered to an API with no production endpoint",
            KeyType::Sandbox => "Sandbox key offered to an API with no sandbox endpoint",
        })
    })
}

impl fmt::Debug for ApiUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiUpstream")
    }
}

impl Backend for ApiUpstream {
    async fn call(&self, mut exchange: Exchange) -> Answer {
        match self.get(&mut exchange).await {
            Ok(response) => exchange.answer(response),
            Err(fault) => {
                exchange.context_mut().answered_by = Some("upstream");
                exchange.fail(fault, &*self.upstream.0.rescue)
            }
        }
    }
}
