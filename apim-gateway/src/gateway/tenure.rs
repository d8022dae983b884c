//! How long a WebSocket may stay that was let in.
//!
//! Once it is open nobody asks the chain about it again, so what it rests on is looked at whenever something has
//! changed and whenever its credential runs out: the API, the token, API key or certificate, the application and
//! its subscription, deny policies. What the chain did not look at is not asked for later either.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use apim_core::model::{ApiId, LifecycleState};
use apim_core::{Claims, Clock, Context, PerWorker, Principal, Timestamp, Worker};
use http::Extensions;

use crate::auth::{ByCertificate, Subscription};
use crate::deploy::{Current, KeyDigest, Site, View};
use crate::transport::client_certificate::ClientCertificate;
use crate::transport::ending::{Asked, End, Farewell};
use crate::transport::upgrade;

/// How often is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(250);

const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);

const API: Farewell = Farewell::leaving("the API is not served any more");
const CREDENTIAL: Farewell = Farewell::refusing("the credential is not good any more");
const SUBSCRIPTION: Farewell = Farewell::refusing("the subscription is not good any more");
const DENIED: Farewell = Farewell::refusing("blocked");

/// Marks the context of a request that wants an upgrade, so that what it shows is kept.
#[derive(Clone)]
pub(crate) struct Opening;

/// The API key that opened a connection, in the context of a request that is [`Opening`] one.
#[derive(Clone)]
pub(crate) struct Unlocked(pub(crate) KeyDigest);

/// By what a connection can be ended that this request wants upgraded, if it does.
pub(super) fn opening(extensions: &mut Extensions) -> Option<End> {
    if !upgrade::is_offered(extensions) {
        return None;
    }
    Some(extensions.get_or_insert_default::<End>().clone())
}

/// What an open connection rests on.
struct Tenure {
    end: Weak<Asked>,
    api: ApiId,
    address: IpAddr,
    principal: Option<Principal>,
    credential: Credential,
}

/// What was shown to be let in. Of several, each has to stay good.
struct Credential {
    key: Option<KeyDigest>,
    certificate: Option<ClientCertificate>,
    /// Whether the certificate alone was enough.
    by_certificate: bool,
    /// Whether the gateway itself knew the issuer of the token.
    known_issuer: bool,
    /// When the first of them runs out; there may be some leeway.
    until: Timestamp,
}

impl Tenure {
    fn of(end: &End, context: &Context, view: &View) -> Option<Self> {
        let principal = context.principal.clone();
        let claims = principal.as_ref().and_then(|principal| principal.claims.as_ref());
        let key = context.slots.get::<Unlocked>().map(|unlocked| unlocked.0);
        let certificate = context.slots.get::<ClientCertificate>().cloned();
        let ends = [
            claims.map(|claims| claims.expires_at),
            key.and_then(|key| view.key(&key)?.expires_at),
            certificate.as_ref().map(ClientCertificate::not_after),
        ];
        let credential = Credential {
            key,
            certificate,
            by_certificate: ByCertificate::of(context).is_some(),
            known_issuer: claims.is_some_and(|claims| is_known(view, claims)),
            until: ends.into_iter().flatten().min().unwrap_or(NEVER),
        };
        let api = context.api.as_ref()?.id.clone();
        Some(Self { end: end.weak(), api, address: context.client_ip, principal, credential })
    }

    /// Why it is over, if it is.
    fn is_over(&self, view: &View, now: Timestamp) -> Option<Farewell> {
        let Some(deployed) = view.api(&self.api) else { return Some(API) };
        let site = deployed.site();
        if matches!(site.api.state, LifecycleState::Blocked | LifecycleState::Created) {
            return Some(API);
        }
        if self.is_denied(view, site) {
            return Some(DENIED);
        }
        let principal = self.principal.as_ref()?;
        let outlives = view.settings.websockets_outlive_credentials;
        if !outlives && !self.credential.is_good(principal, view, site, now) {
            return Some(CREDENTIAL);
        }
        (!Subscription::still_holds(&site.api, view, principal)).then_some(SUBSCRIPTION)
    }

    fn is_denied(&self, view: &View, site: &Site) -> bool {
        let (denies, tenant) = (view.denies(), &site.api.tenant);
        denies.context(&site.context).is_some()
            || denies.address(tenant, self.address).is_some()
            || self.principal.as_ref().is_some_and(|principal| {
                let application = principal.application.as_ref();
                application.is_some_and(|application| denies.application(application).is_some())
                    || denies.user(tenant, &principal.user).is_some()
            })
    }
}

impl Credential {
    fn is_good(&self, principal: &Principal, view: &View, site: &Site, now: Timestamp) -> bool {
        let token = principal.claims.as_ref().is_none_or(|claims| {
            let trusted = &site.api.key_managers;
            now < claims.expires_at.plus(view.settings.leeway)
                && !view.revocations().cover(claims)
                && (trusted.is_empty() || trusted.contains(&claims.key_manager))
                && (!self.known_issuer || is_known(view, claims))
        });
        let key = self.key.is_none_or(|digest| {
            view.key(&digest).is_some_and(|key| {
                key.expires_at.is_none_or(|at| now < at)
                    && key.api.as_ref().is_none_or(|api| *api == site.api.id)
            })
        });
        token && key && self.is_certificate_good(principal, site, now)
    }

    fn is_certificate_good(&self, principal: &Principal, site: &Site, now: Timestamp) -> bool {
        // The chain that let it in may not ask for credentials at all.
        let authenticated = self.by_certificate || self.key.is_some() || principal.claims.is_some();
        let Some(mutual) = &site.mutual else { return !self.by_certificate };
        match mutual.judge(self.certificate.as_ref(), now) {
            Ok(Some(_)) => true,
            Ok(None) => !self.by_certificate,
            Err(_) => !authenticated,
        }
    }
}

fn is_known(view: &View, claims: &Claims) -> bool {
    view.key_managers().named(&claims.issuer).is_some()
}

/// All connections that are open, and who looks after them.
pub(crate) struct Tenures {
    workers: Arc<PerWorker<Watched>>,
    rules: Rules,
}

/// By what is judged.
#[derive(Clone)]
struct Rules {
    current: Current,
    clock: Arc<dyn Clock>,
}

/// The connections of a worker.
#[derive(Default)]
struct Watched {
    all: Vec<Tenure>,
    /// What they were judged by last. Weak, so that a former view is freed by whoever deploys.
    view: Weak<View>,
    running: bool,
}

impl Tenures {
    pub(super) fn new(workers: usize, current: Current, clock: Arc<dyn Clock>) -> Self {
        let workers = Arc::new(PerWorker::new(workers, Watched::default));
        Self { workers, rules: Rules { current, clock } }
    }

    /// A connection has been opened. Its worker looks after it; must be called within a runtime.
    pub(super) fn begin(&self, end: &End, context: &Context) {
        // By the view that let it in: what has changed since is seen at the next look.
        let Some(view) = View::of(context) else { return };
        let Some(tenure) = Tenure::of(end, context, view) else { return };
        let mut watched = self.workers.of(context.worker);
        watched.all.push(tenure);
        watched.view = Weak::new();
        if !std::mem::replace(&mut watched.running, true) {
            let running = Running(Some(self.workers.clone()), context.worker);
            tokio::spawn(look_after(running, self.rules.clone()));
        }
    }
}

/// Remembers that nobody looks any more when a runtime ends and drops the task.
struct Running(Option<Arc<PerWorker<Watched>>>, Worker);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(workers) = self.0.take() {
            workers.of(self.1).running = false;
        }
    }
}

/// Looks after a worker's connections until there are none.
async fn look_after(mut running: Running, rules: Rules) {
    while let Some(workers) = &running.0 {
        tokio::time::sleep(LOOK).await;
        if !workers.of(running.1).look(&rules) {
            // The look has said so itself, and another task may be running by now.
            running.0 = None;
        }
    }
}

impl Watched {
    /// Ends what is over and forgets what has ended. False when none is left.
    fn look(&mut self, rules: &Rules) -> bool {
        let view = rules.current.load();
        let now = rules.clock.now();
        let changed = !std::ptr::eq(self.view.as_ptr(), Arc::as_ptr(&view));
        self.all.retain(|tenure| {
            let Some(end) = tenure.end.upgrade() else { return false };
            if !changed && now < tenure.credential.until {
                return true;
            }
            let over = tenure.is_over(&view, now);
            over.inspect(|farewell| end.ask(*farewell)).is_none()
        });
        if changed {
            self.view = Arc::downgrade(&view);
        }
        self.running = !self.all.is_empty();
        self.running
    }
}
