//! The gateway itself.

mod admit;
mod certificate_header;
mod id;
mod proxies;
mod sent;
mod service;
mod settings;
mod tenure;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apim_core::event::{Change, Event, Revision};
use apim_core::fault::Rescue;
use apim_core::unwind::{self, Panicked};
use apim_core::{
    Answer, Body, BuildError, Clock, Context, Exchange, Explanation, Fault, Peer, RequestId, Shutdown,
    Snapshot, SnapshotSource, Worker,
};
use http::{HeaderValue, Request, Response, StatusCode, request};
use tokio::sync::Mutex;

pub use certificate_header::{Told, read as read_certificates};
pub use proxies::Proxies;
pub use sent::Sent;

pub(crate) use certificate_header::{CertificateHeader, Vouched};
pub(crate) use id::header as id_header;
pub(crate) use settings::Settings;
pub(crate) use tenure::{Opening, Tenures, Unlocked};

use crate::builder::Builder;
use crate::deploy::{self, Current, Deployer, Pinned, Report};
use crate::recipe::{Kept, Made, Recipe, Reconfiguration};
use crate::rescue::{self, REQUEST_ID};
use crate::server::Reply as _;
use crate::transport::client_certificate::ClientCertificate;
use crate::why;

/// The data plane as one service.
///
/// Cheap to clone; all clones are one gateway. It serves what it was given by [`load`](Self::load) and
/// [`apply`](Self::apply), or by following a source of changes.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) current: Current,
    pub(crate) deployer: Deployer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rescue: Arc<dyn Rescue>,
    pub(crate) tenures: Tenures,
    recipe: Recipe,
    /// Held while a configuration is brought into force.
    kept: Mutex<Kept>,
}

impl Inner {
    /// Sends an answer on its way. One of the gateway's own carries the request's id, and leaves a record
    /// under it. A payload that cannot be written fails it now, while there is still something to say.
    fn respond(&self, mut answer: Answer, rescue: &dyn Rescue, settings: &Settings) -> Sent {
        if let Err(error) = answer.write() {
            answer.fail(error.into(), rescue);
        }
        let context = answer.context();
        if context.fault.is_some() || context.answered_by.is_some() {
            settings.records.note(context, answer.status());
            let id = id::header(context.request_id);
            let correlation = context.correlation_id.clone().unwrap_or_else(|| id.clone());
            let headers = answer.headers_mut();
            headers.insert(REQUEST_ID, id);
            headers.insert(settings.correlation.header(), correlation);
        } else if let Some(id) = context.correlation_id.clone() {
            answer.headers_mut().insert(settings.correlation.header(), id);
        }
        Sent::of(answer)
    }
}

impl Gateway {
    /// Builds one in code.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(recipe: Recipe, made: Made) -> Self {
        let (current, clock, workers) = (recipe.current.clone(), recipe.clock.clone(), recipe.workers);
        let Made { chain, settings, kept } = made;
        Self(Arc::new(Inner {
            deployer: Deployer::new(chain, settings, clock.clone(), current.clone()),
            tenures: Tenures::new(workers, current.clone(), clock.clone()),
            current,
            clock,
            rescue: recipe.rescue.clone(),
            recipe,
            kept: Mutex::new(kept),
        }))
    }

    /// Answers a request. It never fails: what goes wrong is an answer too, be it a panic.
    ///
    /// The request's end, with its duration and bytes, is reported when the response's body has been sent
    /// or dropped. Dropping the future ends the request where it stands.
    pub async fn handle(&self, mut request: Request<Body>, peer: Peer, worker: Worker) -> Response<Sent> {
        self.answer(&mut request, peer, worker).await.into_response()
    }

    /// The same for a request that is taken out of its place.
    pub(crate) async fn answer(&self, request: &mut Request<Body>, peer: Peer, worker: Worker) -> Sent {
        let pinned = self.0.current.pin(worker);
        let settings = &pinned.0.settings;
        let mut exchange = self.begin(request, peer, worker, settings);
        let opening = tenure::opening(&mut exchange.head_mut().extensions);
        if opening.is_some() {
            exchange.context_mut().slots.insert(Opening);
        }
        let id = exchange.context().request_id;
        let mut answer = std::pin::pin!(self.pass(exchange, pinned));
        match std::future::poll_fn(|cx| unwind::poll(answer.as_mut(), cx)).await {
            Ok(sent) => {
                if let Some(end) = opening.filter(|_| sent.status() == StatusCode::SWITCHING_PROTOCOLS) {
                    self.0.tenures.begin(&end, sent.context());
                }
                sent
            }
            Err(panicked) => self.broken(id, peer, panicked),
        }
    }

    /// What is known of a request from its head and its connection.
    fn begin(
        &self,
        request: &mut Request<Body>,
        peer: Peer,
        worker: Worker,
        settings: &Settings,
    ) -> Exchange {
        let id = id::next();
        let mut exchange = Exchange::begin(request, id, peer, self.0.clock.now());
        let (head, context) = exchange.split_mut();
        settings.complete(context, &head.headers, worker);
        let mut certificate = head.extensions.remove::<ClientCertificate>();
        if let Some(header) = &settings.certificates {
            let told = header.take(&mut head.headers, peer.address.ip(), worker);
            certificate = certificate.or(told);
        }
        if let Some(certificate) = certificate {
            context.slots.insert(certificate);
        }
        exchange
    }

    /// Finds the API, and has it answer.
    async fn pass(&self, mut exchange: Exchange, pinned: Arc<Pinned>) -> Sent {
        let (head, context) = exchange.split_mut();
        context.pin(pinned.clone());
        let answer = match admit::admit(&pinned.0, head, context) {
            Ok(deployed) => {
                context.on_completion(deployed.clone());
                deployed.pipeline.call(exchange).await
            }
            Err(fault) => {
                context.answered_by = Some("router");
                #[cfg(feature = "otel")]
                if let Some(tracer) = &pinned.0.settings.tracer {
                    tracer.begin(&head.headers, context);
                }
                if let Some(unrouted) = &pinned.0.settings.unrouted {
                    context.on_completion(unrouted.clone());
                }
                exchange.fail(fault, &*self.0.rescue)
            }
        };
        self.0.respond(answer, &*self.0.rescue, &pinned.0.settings)
    }

    /// The answer to a request that something outside the handlers panicked at, as a backend given in code: its
    /// context is lost, but not its id. The rescue may be what panicked, so the usual one answers.
    fn broken(&self, id: RequestId, peer: Peer, panicked: Panicked) -> Sent {
        let exchange = Exchange::begin(&mut Request::default(), id, peer, self.0.clock.now());
        let fault = panicked.fault("the backend, or what answers for it,");
        let mut answer = exchange.fail(fault, &rescue::Json);
        answer.context_mut().answered_by = Some("gateway");
        self.0.respond(answer, &rescue::Json, &self.0.current.load().settings)
    }

    /// Remembers a request that the server refused before it came here; answers its id.
    fn note(&self, head: &request::Parts, fault: Fault, peer: Peer, worker: Worker) -> HeaderValue {
        let pinned = self.0.current.pin(worker);
        let settings = &pinned.0.settings;
        let mut context = Context::new(id::next(), peer, self.0.clock.now(), head);
        settings.complete(&mut context, &head.headers, worker);
        refuse(&mut context, fault);
        settings.records.note(&context, context.status.unwrap_or_default());
        #[cfg(feature = "otel")]
        if let Some(tracer) = &settings.tracer {
            tracer.tell(&head.headers, &mut context);
        }
        id::header(context.request_id)
    }

    /// Tells of a request that was shed, if it is to be traced.
    #[cfg(feature = "otel")]
    fn shed(&self, request: &mut Request<Body>, peer: Peer, worker: Worker) {
        let pinned = self.0.current.pin(worker);
        let settings = &pinned.0.settings;
        let Some(tracer) = &settings.tracer else { return };
        let (head, _) = std::mem::take(request).into_parts();
        let mut context = Context::new(id::next(), peer, self.0.clock.now(), &head);
        settings.complete(&mut context, &head.headers, worker);
        refuse(&mut context, Fault::new(apim_core::fault::UNAVAILABLE).rule("server.overload"));
        tracer.tell(&head.headers, &mut context);
    }

    /// Serves a snapshot instead of whatever was served.
    pub async fn load(&self, snapshot: Snapshot) -> Report {
        self.0.deployer.load(snapshot).await
    }

    /// Brings one change into force. When this returns, every request that comes sees it.
    ///
    /// An event that is not newer than what is in force is in force already, and does nothing. A program that makes
    /// the changes itself, instead of hearing of them, leaves the numbers to [`change`](Self::change).
    pub async fn apply(&self, event: Event) -> Report {
        self.0.deployer.apply(event).await
    }

    /// Brings a change of this program's own into force, as the revision after the present one; whoever else does so
    /// at the same time gets another. When this returns, every request that comes sees it.
    ///
    /// Not beside [`follow`](Self::follow): the source's next event would have the number that is given here, and be
    /// taken for one that is in force already.
    ///
    /// ```
    /// use apim_core::{Change, Snapshot};
    /// use apim_gateway::Gateway;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let gateway = Gateway::builder().build().await.unwrap();
    /// gateway.load(Snapshot::default()).await; // nothing yet, but from now on it is ready
    /// let pets = serde_json::from_value(serde_json::json!({
    ///     "id": "pets", "name": "PetStore", "version": "1.0.0", "context": "/petstore",
    ///     "endpoints": {"production": {"url": "http://127.0.0.1:8080"}},
    /// })).unwrap();
    /// let revision = gateway.change(Change::ApiDeployed(pets)).await.into_result().unwrap();
    /// assert_eq!(revision, gateway.revision());
    ///
    /// let wrong = serde_json::from_value(serde_json::json!({
    ///     "id": "cats", "name": "Cats", "version": "1", "context": "/cats", "request": [{"use": "set-haeder"}],
    /// })).unwrap();
    /// let refused = gateway.change(Change::ApiDeployed(wrong)).await.into_result().unwrap_err();
    /// assert!(refused.to_string().starts_with("API Cats:1 (cats): request[0].set-haeder: "));
    /// # });
    /// ```
    pub async fn change(&self, change: Change) -> Report {
        self.0.deployer.change(change).await
    }

    /// Brings another configuration into force, for requests that begin from then on; those in flight keep the one
    /// they began with. Connections to backends and what is known of their health, limits that are being counted, tokens
    /// that were verified and what [`why`](Self::why) knows are kept, where the new configuration is not about just
    /// them.
    ///
    /// It costs as much as deploying every API, on the caller's runtime.
    ///
    /// # Errors
    ///
    /// The place of the mistake in the configuration, or the API that could not be served by it. Everything stays as
    /// it was then.
    pub async fn reconfigure(&self, to: Reconfiguration) -> Result<(), BuildError> {
        let mut kept = self.0.kept.lock().await;
        let made = self.0.recipe.make_again(to, kept.clone()).await?;
        self.0.deployer.rebuild(made.chain, made.settings).await?;
        *kept = made.kept;
        Ok(())
    }

    /// Serves what a source has, and every change of it, until shutdown.
    ///
    /// While the source is away the gateway serves what it has, and takes up the changes where it left off.
    /// It also answers the source's questions about requests, as [`why`](Self::why) does.
    pub async fn follow(&self, source: Arc<dyn SnapshotSource>, shutdown: Shutdown) {
        tokio::select! {
            () = deploy::follow(&self.0.deployer, source.clone(), shutdown) => {}
            // Never ends on its own.
            () = why::answer(self, &*source) => {}
        }
    }

    /// Whether a snapshot is in force: every route, policy, key and revocation.
    pub fn ready(&self) -> bool {
        *self.0.deployer.loaded().borrow()
    }

    /// Waits until the gateway is [`ready`](Self::ready).
    pub async fn until_ready(&self) {
        // The sender lives as long as the gateway does.
        let _ = self.0.deployer.loaded().wait_for(|loaded| *loaded).await;
    }

    /// The revision that is in force.
    pub fn revision(&self) -> Revision {
        self.0.current.load().revision()
    }

    /// Why a request was answered as it was: by its id, as in the answer's `x-request-id`. None, if the
    /// backend answered it, or so long ago that other requests have taken its place.
    pub fn why(&self, request: RequestId) -> Option<Explanation> {
        let view = self.0.current.load();
        view.settings.records.find(request, &view)
    }

    /// How long ago the last change came into force; none before the first.
    pub fn age(&self) -> Option<Duration> {
        self.0.deployer.changed_at().map(|at| self.0.clock.now().since(at))
    }

    /// What is served now.
    pub fn current(&self) -> &Current {
        &self.0.current
    }
}

/// What there is to say of a request that the server refuses.
fn refuse(context: &mut Context, fault: Fault) {
    context.answered_by = Some("server");
    context.status = Some(fault.status());
    context.fault = Some(Arc::new(fault));
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("revision", &self.revision()).finish_non_exhaustive()
    }
}
