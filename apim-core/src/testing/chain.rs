//! Links without a gateway: what they make of a request, and what a backend sees of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::body::Body;
use crate::clock::{Clock, Timestamp};
use crate::exchange::{Answer, Context, Exchange, Peer, RequestId};
use crate::fault::{self, Fault, Rescue};
use crate::handler::{Backend, Flow, Handler, Link, Pipeline};
use crate::mediator::{Mediator, Stage};
use crate::message::Formats;
use crate::registry::{BuildError, Entry, Named, Parts, Provide, Registry};
use crate::{BoxError, BoxFuture};

/// Builds a plug-in as a gateway would: `provide::<Link, Sunset>(json!({"date": "…"}), &parts)`.
///
/// # Errors
///
/// As a gateway would report them, with the plug-in's name in front, as `sunset.date: …`: a configuration that does not
/// fit, an unknown key, the plug-in's refusal.
///
/// # Panics
///
/// If the configuration is no JSON object.
pub async fn provide<T: Named + 'static, P: Provide<T>>(
    config: Value,
    parts: &Parts,
) -> Result<T, BuildError> {
    let Value::Object(config) = config else { panic!("a configuration is a JSON object, not {config}") };
    let entry = Entry { name: P::NAME.to_owned(), config };
    Registry::default().with::<P>().build(&entry, parts).await
}

/// Links in front of a backend that records what reaches it. No network, no gateway.
///
/// ```
/// use apim_core::testing::{self, Chain, ManualClock};
/// use apim_core::{AtKey, BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide, fault};
/// use http::{HeaderValue, Request, Response};
/// use serde_json::json;
/// # use std::sync::Arc;
///
/// /// Tells the backend where a request comes from.
/// struct From(HeaderValue);
///
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Config { place: String }
/// impl Filter for From {
///     fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
///         if exchange.headers().contains_key("x-from") {
///             return Err(Fault::new(fault::BAD_REQUEST).because("That is not yours to say"));
///         }
///         exchange.headers_mut().insert("x-from", self.0.clone());
///         Ok(Flow::Continue)
///     }
/// }
///
/// impl Provide<Link> for From {
///     const NAME: &'static str = "from";
///     type Config = Config;
///     async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
///         Ok(Link::filter(From(config.place.parse().at_key("place")?)))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let parts = Parts::new(Arc::new(ManualClock::default()));
/// let link = testing::provide::<Link, From>(json!({"place": "Ulm"}), &parts).await.unwrap();
/// let chain = Chain::new([link]).answering(|_| Response::new("hello".into()));
///
/// let call = chain.call(Request::get("/a").body("".into()).unwrap()).await;
/// assert_eq!((call.status().as_u16(), call.text()), (200, "hello"));
/// assert_eq!(call.received[0].headers()["x-from"], "Ulm");
///
/// let call = chain.call(Request::get("/a").header("x-from", "Rome").body("".into()).unwrap()).await;
/// assert_eq!(call.fault().unwrap().code(), fault::BAD_REQUEST);
/// assert!(call.received.is_empty());
/// # });
/// ```
pub struct Chain {
    pipeline: Pipeline<Recorder>,
    recorder: Recorder,
    formats: Formats,
    clock: Option<Arc<dyn Clock>>,
    given: Box<dyn Fn(&mut Context) + Send + Sync>,
    calls: AtomicU64,
}

/// What became of one call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// What the client got.
    pub response: Response<Bytes>,
    /// What the backend got: one request; none where a link answered or refused; several where one tried again.
    pub received: Vec<Request<Bytes>>,
    /// What was known of the request at its end.
    pub context: Context,
}

impl Chain {
    /// These links, in front of a backend that answers 200 and nothing.
    pub fn new(links: impl IntoIterator<Item = Link>) -> Self {
        let recorder = Recorder(Arc::new(Inner {
            backend: Mutex::new(Arc::new(Function(|_: &Request<Bytes>| Response::new(Body::empty())))),
            seen: Mutex::default(),
        }));
        Self {
            pipeline: Pipeline::new(links, recorder.clone(), Arc::new(Plain)),
            recorder,
            formats: Formats::default(),
            clock: None,
            given: Box::new(|_| ()),
            calls: AtomicU64::new(0),
        }
    }

    /// These mediators, of the request, the response and the fault alike, as an API might name them.
    pub fn mediators(mediators: impl IntoIterator<Item = Arc<dyn Mediator>>) -> Self {
        Self::new(mediators.into_iter().map(|mediator| Link::handler(Steps(mediator))))
    }

    /// How the backend answers.
    #[must_use]
    pub fn answering(
        self,
        answer: impl Fn(&Request<Bytes>) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        *lock(&self.recorder.0.backend) = Arc::new(Function(answer));
        self
    }

    /// Another backend, as one that takes its time.
    #[must_use]
    pub fn backend(self, backend: impl Backend) -> Self {
        *lock(&self.recorder.0.backend) = Arc::new(Other(backend));
        self
    }

    /// Builders and formatters of payloads. Default: none, every body is binary.
    #[must_use]
    pub fn formats(mut self, formats: Formats) -> Self {
        self.formats = formats;
        self
    }

    /// What says when a request is received. Default: the epoch.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// What is known of each request beforehand, as its API or who calls.
    #[must_use]
    pub fn given(mut self, given: impl Fn(&mut Context) + Send + Sync + 'static) -> Self {
        self.given = Box::new(given);
        self
    }

    /// Sends a request through the links and reads the whole answer. When this returns, every link's `complete`
    /// has run.
    pub async fn call(&self, request: Request<Body>) -> Call {
        let id = RequestId(self.calls.fetch_add(1, Ordering::Relaxed).into());
        let (head, body) = request.into_parts();
        let peer = Peer { address: ([127, 0, 0, 1], 4000).into(), tls: false };
        let now = self.clock.as_ref().map_or(Timestamp::default(), |clock| clock.now());
        let mut context = Context::new(id, peer, now, &head);
        context.formats = self.formats.clone();
        (self.given)(&mut context);
        context.on_completion(self.pipeline.completion());

        let answer = self.pipeline.call(Exchange::new(Request::from_parts(head, body), context)).await;
        let (response, mut context) = answer.into_parts();
        let (head, body) = response.into_parts();
        context.status = Some(head.status);
        // A body that breaks leaves what was sent before; that it broke is in `finished`.
        let body = body.collect().await.map(|body| body.to_bytes());
        context.finished = body.is_ok();
        let body = body.unwrap_or_default();
        context.sent = body.len() as u64;
        let known = Context::clone(&context);
        drop(context);
        let received = lock(&self.recorder.0.seen).remove(&id).unwrap_or_default();
        Call { response: Response::from_parts(head, body), received, context: known }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&self.pipeline).finish()
    }
}

impl Call {
    /// The status that the client got.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers that the client got.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body that the client got.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        match std::str::from_utf8(self.response.body()) {
            Ok(text) => text,
            Err(error) => panic!("the answer is no text: {error}"),
        }
    }

    /// Why the call failed, if it did.
    pub fn fault(&self) -> Option<&Fault> {
        self.context.fault.as_deref()
    }
}

/// Answers a fault with its number and description.
struct Plain;

impl Rescue for Plain {
    fn rescue(&self, fault: &Fault, _: &Context) -> Response<Body> {
        let mut response =
            Response::new(Body::from(format!("{} {}", fault.code().number, fault.description())));
        *response.status_mut() = fault.status();
        response.headers_mut().extend(fault.headers().clone());
        response
    }
}

/// Runs one mediator in each stage.
struct Steps(Arc<dyn Mediator>);

impl Handler for Steps {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        self.0.mediate(Stage::Request(exchange)).await
    }

    async fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        let failed = answer.context().fault.is_some();
        let stage = if failed { Stage::Fault(answer) } else { Stage::Response(answer) };
        if let Flow::Respond(response) = self.0.mediate(stage).await? {
            let (head, body) = response.into_parts();
            *answer.head_mut() = head;
            answer.message_mut().set_body(body);
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Recorder(Arc<Inner>);

struct Inner {
    backend: Mutex<Arc<dyn Answers>>,
    seen: Mutex<HashMap<RequestId, Vec<Request<Bytes>>>>,
}

impl Recorder {
    /// What the backend says, and a copy of the request for it and for the test.
    async fn ask(&self, exchange: &mut Exchange) -> Result<(Arc<dyn Answers>, Request<Bytes>), BoxError> {
        exchange.write().map_err(Fault::from)?;
        let (head, body) = exchange.take_request().into_parts();
        let request = Request::from_parts(head, body.collect().await?.to_bytes());
        lock(&self.0.seen).entry(exchange.context().request_id).or_default().push(request.clone());
        Ok((lock(&self.0.backend).clone(), request))
    }
}

impl Backend for Recorder {
    async fn call(&self, mut exchange: Exchange) -> Answer {
        match self.ask(&mut exchange).await {
            Ok((backend, request)) => backend.answer(request, exchange).await,
            Err(error) => {
                let fault = error.downcast::<Fault>().map_or_else(
                    |error| {
                        Fault::new(fault::BAD_REQUEST).because("The body ended too early").caused_by(error)
                    },
                    |fault| *fault,
                );
                exchange.fail(fault, &Plain)
            }
        }
    }
}

/// What a test has for a backend. The exchange's own request has been taken out.
trait Answers: Send + Sync {
    fn answer(&self, request: Request<Bytes>, exchange: Exchange) -> BoxFuture<'_, Answer>;
}

struct Function<F>(F);

impl<F: Fn(&Request<Bytes>) -> Response<Body> + Send + Sync> Answers for Function<F> {
    fn answer(&self, request: Request<Bytes>, exchange: Exchange) -> BoxFuture<'_, Answer> {
        let response = (self.0)(&request);
        Box::pin(async move { exchange.answer(response) })
    }
}

struct Other<B>(B);

impl<B: Backend> Answers for Other<B> {
    fn answer(&self, request: Request<Bytes>, mut exchange: Exchange) -> BoxFuture<'_, Answer> {
        exchange.put_request(request.map(Body::from));
        Box::pin(self.0.call(exchange))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
