//! An API at its place on this gateway.

use std::fmt;
use std::sync::Arc;

use apim_core::exchange::Completion;
use apim_core::model::{Api, KeyType, LifecycleState, Operation, PolicyName, Transports};
use apim_core::{BuildError, CallSite, Context, Fault, Outcome, Pipeline, fault};
use http::{HeaderName, Method};

use crate::api_log::Switch;
use crate::auth::{Mutual, Readers};
use crate::chain::Origin;
use crate::cors;
use crate::fetch::Fetch;
use crate::metrics::Place;
use crate::router::{Base, Host, Resources};
use crate::upstream::Known;

/// Operations an API may have.
const MOST_OPERATIONS: usize = 4096;

/// What links may know of an API: the API, checked, and what follows from it.
///
/// Links that are built for one API have it when they are built, through [`Parts`](apim_core::Parts) as
/// `Arc<Site>`; those that [all APIs share](apim_core::Link::shared), from the request's context.
#[derive(Debug)]
#[non_exhaustive]
pub struct Site {
    /// The API, with at least one operation.
    pub api: Arc<Api>,
    /// Its versioned context, as `/petstore/1.0.0`.
    pub context: Arc<str>,
    /// Its operations, by method and path.
    pub resources: Resources,
    pub(crate) readers: Readers,
    pub(crate) mutual: Option<Arc<Mutual>>,
    /// What is written of its calls.
    pub(crate) log: Switch,
    /// What the events of its calls have in common.
    pub(crate) call: CallSite,
    /// Where it is counted.
    pub(crate) place: Place,
    /// Where calls without a credential are led: to the sandbox only if there is nothing else.
    pub(crate) open_to: KeyType,
    /// The API's own, where every call looks. With ten thousand APIs each place that is looked at is fetched anew, and
    /// the API itself is large.
    pub(crate) state: LifecycleState,
    pub(crate) transports: Transports,
    pub(crate) policy: Option<PolicyName>,
    /// What has been learned of its backends.
    pub(crate) known: Known,
    source: Arc<Api>,
    bases: Vec<Base>,
}

impl Site {
    /// Checks an API.
    ///
    /// # Errors
    ///
    /// The place in the API, and the rule that is broken.
    pub fn new(source: &Arc<Api>) -> Result<Self, BuildError> {
        // All that have none would be revisions of one API, of which the last is served.
        if source.id.is_empty() {
            return Err(BuildError::at("id", "it is empty; each API has one of its own"));
        }
        let api = with_operations(source);
        if api.operations.len() > MOST_OPERATIONS {
            return Err(BuildError::at("operations", format!("there are more than {MOST_OPERATIONS}")));
        }
        if api.version.is_empty() || api.version.contains('/') {
            return Err(BuildError::at("version", "it is empty, or has a slash"));
        }
        let operations = api.operations.iter().map(|operation| (&*operation.method, &*operation.path));
        let resources = Resources::new(operations)
            .map_err(|(index, error)| BuildError::at(format!("operations[{index}]"), error))?;
        let readers = Readers::new(
            api.schemes,
            header("authorization_header", api.authorization_header.as_deref())?,
            header("api_key_header", api.api_key_header.as_deref())?,
        );
        api.cors.as_ref().map_or(Ok(()), cors::check).map_err(|error| error.within("cors"))?;
        let mutual = mutual(&api)?;
        let bases = bases(&api)?;
        let context: Arc<str> = api.versioned_context().into();
        let endpoints = &api.endpoints;
        let open_to = match endpoints.production.is_none() && endpoints.sandbox.is_some() {
            true => KeyType::Sandbox,
            false => KeyType::Production,
        };
        Ok(Self {
            open_to,
            state: api.state,
            transports: api.transports,
            policy: api.policy.clone(),
            resources,
            readers,
            mutual,
            log: Switch::default(),
            call: CallSite::new(api.clone(), context.clone()),
            place: Place::default(),
            context,
            api,
            known: Known::default(),
            source: source.clone(),
            bases,
        })
    }

    /// With what the revision before has learned of backends that both have.
    pub(super) fn after(self, before: &Self) -> Self {
        let known = before.known.hand_on(&before.api.endpoints, &self.api.endpoints);
        Self { known, ..self }
    }

    /// The API that a request was routed to.
    ///
    /// # Errors
    ///
    /// If no gateway has routed it.
    pub fn of(context: &Context) -> Result<&Self, Fault> {
        Ok(Self::routed(context)?)
    }

    /// The same, for those who change the context meanwhile.
    pub(crate) fn held(context: &Context) -> Result<Arc<Self>, Fault> {
        Self::routed(context).cloned()
    }

    fn routed(context: &Context) -> Result<&Arc<Self>, Fault> {
        let deployed = context.reports_to::<Deployed>();
        let why = "no gateway has routed the request";
        deployed.map(Deployed::site).ok_or_else(|| Fault::new(fault::UNCLASSIFIED).detail(why))
    }

    fn fetch(&self, fetch: &mut Fetch) {
        fetch.shared(&self.api).at(self.api.state as usize).text(&self.context);
        // The site's own lines.
        fetch.at(self.state as usize).at(usize::from(self.log.is_on())).at(self.policy.is_some().into());
        fetch.at(self.mutual.is_some().into()).at(self.readers.schemes.oauth2.into());
        fetch.text(&self.call.api_members).text(&self.call.context_member);
        self.resources.fetch(fetch);
        if let Some(operation) = self.api.operations.first() {
            fetch.at(operation.auth as usize).at(operation.scopes.len()).text(&operation.path);
        }
    }

    /// The API as it was deployed.
    pub(super) fn source(&self) -> &Arc<Api> {
        &self.source
    }

    pub(super) fn bases(&self) -> &[Base] {
        &self.bases
    }
}

/// What the API accepts of client certificates, if they are one of its schemes.
fn mutual(api: &Api) -> Result<Option<Arc<Mutual>>, BuildError> {
    let schemes = api.schemes;
    match (&api.client_certificates, schemes.mutual_tls) {
        (None, false) => Ok(None),
        (Some(accepted), true) => {
            let alone = !schemes.oauth2 && !schemes.api_key;
            Mutual::new(accepted, alone).map(|mutual| Some(Arc::new(mutual)))
        }
        (None, true) => Err(BuildError::at("client_certificates", "`mutual_tls` needs some")),
        (Some(_), false) => Err(BuildError::at(
            "schemes.mutual_tls",
            "there are client certificates, and nobody would ask for one",
        )),
    }
}

/// An API that names no operation serves every method on every path.
fn with_operations(api: &Arc<Api>) -> Arc<Api> {
    if !api.operations.is_empty() {
        return api.clone();
    }
    let every = Operation { method: "*".to_owned(), ..Operation::new(&Method::GET, "/*") };
    Arc::new(Api { operations: vec![every], ..(**api).clone() })
}

fn bases(api: &Api) -> Result<Vec<Base>, BuildError> {
    let mut hosts = Vec::with_capacity(api.hosts.len());
    for (index, host) in api.hosts.iter().enumerate() {
        hosts.push(Host::parse(host).map_err(|error| BuildError::at(format!("hosts[{index}]"), error))?);
    }
    let hosts: Vec<_> =
        if hosts.is_empty() { vec![None] } else { hosts.iter().map(|host| Some(host.as_str())).collect() };
    let mut contexts = vec![(api.versioned_context(), true)];
    if api.default_version {
        contexts.push((api.default_context(), false));
    }
    let mut bases = Vec::new();
    for (context, versioned) in &contexts {
        for host in &hosts {
            let base = Base::new(context, *host, *versioned);
            bases.push(base.map_err(|error| BuildError::at("context", error))?);
        }
    }
    Ok(bases)
}

fn header(place: &str, name: Option<&str>) -> Result<Option<HeaderName>, BuildError> {
    name.map(HeaderName::try_from).transpose().map_err(|error| BuildError::at(place, error))
}

/// An API that is served: its site, and its links folded into one pipeline.
pub struct Deployed {
    site: Arc<Site>,
    pub(crate) pipeline: Pipeline<Origin>,
}

impl Deployed {
    pub(crate) fn new(site: Arc<Site>, pipeline: Pipeline<Origin>) -> Self {
        Self { site, pipeline }
    }

    /// The API.
    pub fn api(&self) -> &Arc<Api> {
        &self.site.api
    }

    /// What its links know.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    pub(super) fn bases(&self) -> &[Base] {
        &self.site.bases
    }

    /// Asks for what the links are about to look at; see [`Fetch`].
    pub(crate) fn fetch(&self) {
        let mut fetch = Fetch::default();
        fetch.shared(&self.site);
        self.site.fetch(&mut fetch);
        self.pipeline.backend().inspect(|origin| origin.fetch(&mut fetch));
    }
}

/// It learns of its requests' end, and keeps what they were routed by until then.
impl Completion for Deployed {
    fn complete(&self, outcome: &Outcome<'_>) {
        self.pipeline.complete(outcome);
    }
}

impl fmt::Debug for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployed").field("api", &self.site.api.id).field("links", &self.pipeline).finish()
    }
}
