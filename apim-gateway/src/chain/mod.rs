//! From a list of entries to the pipeline of an API.
//!
//! Each API has a pipeline of its own, of links that were built for it, so that what follows from the API
//! (header names, keys of limits, rules) is computed when it is deployed and not for every request. Links that are
//! the same whatever the API is, as this crate's are, are built once and find what follows from the API in its
//! [`Site`]; pipelines of nothing else share the list, too. First
//! stand the gateway's links, then the API's own handlers, then its mediators, then the upstream.

mod foreign;
mod origin;

use std::sync::{Arc, OnceLock};

use apim_core::fault::Rescue;
use apim_core::handler::LinkList;
use apim_core::model::Api;
use apim_core::{BuildError, Entry, Link, Mediator, Parts, Pipeline, Provide as _, Registry};

pub(crate) use foreign::Transports;
pub(crate) use origin::{Erased, Origin, Source};

use crate::analytics::Analytics;
use crate::api_log;
use crate::cors::Cors;
use crate::deploy::{Deployed, Site};
use crate::log::Log;
use crate::mediation;
use crate::observer::Observers;

/// The gateway's links, where its configuration names none.
///
/// The order is WSO2's (spec: gateway-flow, section 4; throttling, section 2), and each place has its
/// reason: CORS comes first, so that browsers can read what the others refuse; what needs no credential is
/// decided before credentials are looked at; nobody is counted who was not let in; and what backends may
/// believe is settled last, when nobody needs the originals any more.
///
/// | Name | What it does |
/// |---|---|
/// | `analytics` | counts the call, and has its event written |
/// | `cors` | cross-origin rules, preflights |
/// | `resource` | no such operation, no such method |
/// | `api-status` | an API that is blocked or retired |
/// | `deny` | deny policies on the API and the address |
/// | `authentication` | who calls: token, API key, client certificate |
/// | `subscription` | whether the caller's application has subscribed |
/// | `authorization` | the operation's scopes |
/// | `deny-caller` | deny policies on the application and the user |
/// | `throttle` | limits |
/// | `headers` | what the backend may believe |
pub const USUAL: [&str; 11] = [
    "analytics",
    "cors",
    "resource",
    "api-status",
    "deny",
    "authentication",
    "subscription",
    "authorization",
    "deny-caller",
    "throttle",
    "headers",
];

/// The usual list as entries.
pub fn usual() -> Vec<Entry> {
    USUAL.into_iter().map(Entry::new).collect()
}

/// What it takes to make a pipeline of an API.
pub(crate) struct Chain {
    pub(crate) entries: Vec<Entry>,
    pub(crate) links: Registry<Link>,
    pub(crate) mediators: Registry<Arc<dyn Mediator>>,
    pub(crate) parts: Parts,
    pub(crate) source: Source,
    pub(crate) transports: Transports,
    pub(crate) rescue: Arc<dyn Rescue>,
    pub(crate) observers: Observers,
    pub(crate) api_log: Option<Arc<Log>>,
    pub(crate) common: OnceLock<Common>,
}

/// What the pipelines of all APIs share, so that ten thousand of them walk one list of one set of links, and find it
/// in the processor's caches.
pub(crate) struct Common {
    /// Those of the gateway's list as they were built first.
    links: Vec<Link>,
    observer: Option<Link>,
    api_log: Option<[Link; 2]>,
    #[cfg(feature = "otel")]
    traces: Option<Link>,
    /// Of APIs that add nothing of their own.
    list: OnceLock<Option<LinkList>>,
}

impl Common {
    /// Puts those that were built first in the place of others that are the same.
    fn share(&self, links: &mut [Link]) {
        for (link, first) in links.iter_mut().zip(&self.links).filter(|(link, _)| link.is_shared()) {
            *link = first.clone();
        }
    }

    fn pipeline(&self, links: Vec<Link>, origin: Origin, rescue: Arc<dyn Rescue>) -> Pipeline<Origin> {
        let usual = links.iter().all(Link::is_shared);
        let pipeline = Pipeline::new(links, origin, rescue);
        match self.list.get_or_init(|| pipeline.list().filter(|_| usual)) {
            Some(list) => pipeline.sharing(list),
            None => pipeline,
        }
    }
}

impl Chain {
    /// Builds the pipeline of an API.
    pub(crate) async fn build(&self, site: Arc<Site>) -> Result<Deployed, BuildError> {
        let api = site.api.clone();
        let parts = self.parts.clone().with(site.clone()).with::<Arc<Api>>(api.clone());
        let mut links = self.links.build_all("gateway.handlers", &self.entries, &parts).await?;
        #[cfg(feature = "otel")]
        let traces = self.observers.tracer.as_ref().map(crate::traces::link);
        let common = self.common.get_or_init(|| Common {
            links: links.clone(),
            observer: self.observers.link(),
            api_log: self.api_log.as_ref().map(|log| api_log::links(log, &parts.clock())),
            #[cfg(feature = "otel")]
            traces,
            list: OnceLock::new(),
        });
        common.share(&mut links);
        links.extend(self.links.build_all("handlers", &api.handlers, &parts).await?);
        let mediation = mediation::compile(&api, &self.mediators, &parts).await?.links();
        if let Some(faults) = mediation.outer {
            links.insert(behind_observers(&links), faults);
        }
        links.extend(mediation.inner);
        #[cfg(feature = "otel")]
        if let Some(traces) = common.traces.clone() {
            links.insert(0, traces);
        }
        if let Some([outer, inner]) = common.api_log.clone() {
            links.insert(0, outer);
            links.push(inner);
        }
        if let Some(observer) = common.observer.clone() {
            links.insert(0, observer);
        }
        let origin = self.source.origin(&api, &site.known, &self.transports, self.rescue.clone()).await?;
        Ok(Deployed::new(site, common.pipeline(links, origin, self.rescue.clone())))
    }
}

/// Where the mediators of faults stand: before all that may refuse, and behind what must see their answers
/// too, since a page could not read an answer to which CORS has added nothing.
fn behind_observers(links: &[Link]) -> usize {
    let observes = |link: &Link| matches!(link.name(), Analytics::NAME | Cors::NAME);
    links.iter().rposition(observes).map_or(0, |last| last + 1)
}
