//! One request on its way to one endpoint.
//!
//! A future that hands a request on by value has room for it at every step, and is moved as a whole when the
//! call begins. So the request stays in one place until a connection takes it; what a connection did not take
//! is put back there. What seldom happens and is large, as opening a connection, is boxed when it does.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use apim_core::{Body, BoxFuture, Context, Fault};
use http::{Request, Response, StatusCode, Version, response};

use super::body::{Download, Rest, Upload};
use super::failure::Broken;
use super::forward::Sender;
use super::group::{Busy, Group, Picked, Wait};
use super::http1::{Failure, H1, Patience};
use super::line::{self, H2, Line};
use super::pool::Own;
use super::retry::{Retrying, Spare};
use super::security::Security;
use super::standing::Fate;
use super::target::Target;
use super::{failure, forward};
use crate::transport::http1::encoder::Address;
use crate::transport::upgrade::Upgrade;
use crate::transport::watch::Watch;
use crate::transport::{hop, tunnel};
use crate::tries;

/// Bytes of a body that is sent again when the backend challenges it.
const MOST_REPLAYED: usize = 1 << 20;

/// The numbers of faults that are a backend's doing (spec: gateway-errors, section 5).
const SENDER: std::ops::RangeInclusive<u32> = 101_500..=101_599;

/// A request's way through one endpoint, on one worker.
pub(super) struct Call<'a> {
    pub(super) own: &'a Arc<Own>,
    pub(super) group: &'a Arc<Group>,
    pub(super) wait: &'a Wait,
    /// Whether the request is the gateway's own, and not its client's passed on.
    pub(super) made_here: bool,
}

/// A response: its head, and where its body comes from.
type Answered = (response::Parts, Rest);

/// Why there was none.
struct Lost {
    fault: Fault,
    /// Whether nothing of the request was sent; it is in its place again then.
    unsent: bool,
}

impl From<Fault> for Box<Lost> {
    fn from(fault: Fault) -> Self {
        Box::new(Lost { fault, unsent: false })
    }
}

impl<'a> Call<'a> {
    /// A client's request, on its way to this endpoint.
    pub(super) fn to(own: &'a Arc<Own>, group: &'a Arc<Group>) -> Self {
        Self { own, group, wait: &group.wait, made_here: false }
    }

    /// Sends it, and again where it may be.
    pub(super) async fn run(
        &self,
        request: &mut Request<Body>,
        context: &mut Context,
    ) -> Result<Response<Body>, Fault> {
        let client = match self.made_here {
            true => None,
            false => forward::upgrade(request),
        };
        let upgrades = client.is_some();
        let sender = match self.made_here {
            true => None,
            false => forward::prepare(request, upgrades, context, self.own),
        };
        let sent = Sent { upgrades, sender };
        let (answered, picked) = match &self.group.retry {
            None => {
                let picked = self.group.pick(context.worker, 0)?;
                let answered = self.one(request, &picked, &sent, *self.wait, context).await;
                (answered, picked)
            }
            Some(retrying) => Box::pin(self.some(retrying, request, &sent, context)).await?,
        };
        let answered = answered.map_err(|lost| lost.fault)?;
        let target = self.group.target(self.own, context.worker, picked.member);
        self.receive(answered, target, client, picked.busy)
    }

    /// Tries one member after the other, as far as the rules go.
    async fn some(
        &self,
        retrying: &Retrying,
        request: &mut Request<Body>,
        sent: &Sent,
        context: &mut Context,
    ) -> Result<(Result<Answered, Box<Lost>>, Picked), Fault> {
        retrying.begin();
        let path = request.uri().clone();
        let began = Instant::now();
        let (mut tries, mut tried) = (0, 0);
        let mut picked = self.group.pick(context.worker, 0)?;
        loop {
            let spare = retrying.spare(request);
            let wait = retrying.wait(*self.wait, began.elapsed());
            let answered = self.one(request, &picked, sent, wait, context).await;
            tries += 1;
            tried |= 1 << picked.member;
            let again = again(retrying, &answered, spare, request);
            let time_left = began.elapsed() < self.wait.time;
            let next = match again && time_left && self.another(retrying, tries, tried) {
                true => self.next(retrying, tried, context),
                false => None,
            };
            let Some(next) = next else { return Ok((answered, picked)) };
            *request.uri_mut() = path.clone();
            picked = next;
        }
    }

    fn another(&self, retrying: &Retrying, tries: u32, tried: u64) -> bool {
        (retrying.may_repeat() || self.group.has_another(tried)) && retrying.allows(tries, self.group.now())
    }

    fn next(&self, retrying: &Retrying, tried: u64, context: &Context) -> Option<Picked> {
        let fresh = self.group.pick(context.worker, tried).ok();
        fresh.or_else(|| self.group.pick(context.worker, 0).ok().filter(|_| retrying.may_repeat()))
    }

    /// Sends it to one member, and tells the group what became of it.
    async fn one(
        &self,
        request: &mut Request<Body>,
        picked: &Picked,
        sent: &Sent,
        wait: Wait,
        context: &mut Context,
    ) -> Result<Answered, Box<Lost>> {
        let target = self.group.target(self.own, context.worker, picked.member);
        context.destination = Some(target.destination.clone());
        let began = Instant::now();
        context.backend_started.get_or_insert(began);
        let mut sending = Sending { own: self.own, target, wait, sent, base: &target.base };
        let answered = match &self.group.security {
            None => sending.run(request, context, began).await,
            Some(security) => {
                // What authenticates the gateway may stand in the target or be computed from it.
                forward::address(request, target)?;
                sending.base = "";
                match security.settles(request)? {
                    true => sending.run(request, context, began).await,
                    false => Box::pin(sending.secured(security, request, context, began)).await,
                }
            }
        };
        let ended = Instant::now();
        let fate = match &answered {
            Ok((head, _)) => {
                context.backend_ended = Some(ended);
                context.backend_status = Some(head.status);
                tries::answered(context, head.status);
                Some(if head.status.is_server_error() { Fate::Failing } else { Fate::Good })
            }
            Err(lost) => {
                tries::failed(context, lost.fault.code());
                // Other faults are the client's, or of who gives out tokens: they say nothing of this backend.
                Some(lost.fault.code().number).filter(|code| SENDER.contains(code)).map(Fate::Error)
            }
        };
        if let Some(fate) = fate {
            self.group.learn(picked, fate, ended - began);
        }
        answered
    }

    fn receive(
        &self,
        answered: Answered,
        target: &Arc<Target>,
        client: Option<tunnel::Client>,
        busy: Option<Busy>,
    ) -> Result<Response<Body>, Fault> {
        let (mut head, rest) = answered;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let client = client.filter(|_| forward::is_websocket(&head.headers));
            let (Some(client), Rest::H1(line)) = (client, rest) else {
                return Err(failure::unasked_upgrade(target));
            };
            let idle = self.own.settings.tunnel_timeout;
            let backend = Upgrade::Done(line.into_raw());
            let tunnel = tunnel::join(client, backend, self.own.sweep.clone(), idle);
            tokio::spawn(async move {
                tunnel.await;
                drop(busy);
            });
            forward::switch(&mut head.headers);
            return Ok(Response::from_parts(head, Body::empty()));
        }
        hop::clean_response(&mut head.headers);
        Ok(Response::from_parts(head, Download::body(rest, self.own, target, busy)))
    }
}

/// Whether what came of it is worth another try, and can have one: the request is in its place then.
fn again(
    retrying: &Retrying,
    answered: &Result<Answered, Box<Lost>>,
    spare: Option<Spare>,
    request: &mut Request<Body>,
) -> bool {
    let (worth, unsent) = match answered {
        Err(lost) => (retrying.is_worth(lost.fault.code().number), lost.unsent),
        Ok((head, _)) => (retrying.is_bad(head.status), false),
    };
    match spare {
        _ if !worth => false,
        _ if unsent => true,
        Some(spare) => {
            *request = spare.request();
            true
        }
        None => false,
    }
}

/// A request on its way to one backend.
struct Sending<'a> {
    own: &'a Arc<Own>,
    target: &'a Arc<Target>,
    wait: Wait,
    sent: &'a Sent,
    /// What stands before its path and is not part of its target yet.
    base: &'a str,
}

/// What a request's backends are told of it, whichever they are.
struct Sent {
    /// Whether it asks for another protocol, and so must go by HTTP/1.1.
    upgrades: bool,
    sender: Option<Sender>,
}

impl Sending<'_> {
    /// Sends it with what authenticates the gateway, and once more if the backend wants something else of that and
    /// the body is still there.
    async fn secured(
        &self,
        security: &Security,
        request: &mut Request<Body>,
        context: &mut Context,
        began: Instant,
    ) -> Result<Answered, Box<Lost>> {
        let given = security.authorize(request, context).await?;
        let body = request.body().replay(MOST_REPLAYED).filter(|_| !self.sent.upgrades);
        let spare = body.map(|body| Spare::of(request, body));
        let (head, rest) = self.run(request, context, began).await?;
        if head.status != StatusCode::UNAUTHORIZED || !security.refused(&given, &head.headers) {
            return Ok((head, rest));
        }
        let Some(spare) = spare else { return Ok((head, rest)) };
        tries::answered(context, head.status);
        // Gives the connection back, if the refusal has no body.
        drop(Download::body(rest, self.own, self.target, None));
        *request = spare.request();
        security.authorize(request, context).await?;
        self.run(request, context, Instant::now()).await
    }

    /// Sends the request, and once more if a connection that had been open turns out to be closed.
    async fn run(
        &self,
        request: &mut Request<Body>,
        context: &mut Context,
        began: Instant,
    ) -> Result<Answered, Box<Lost>> {
        tries::begin(context, request.headers_mut(), &self.target.destination);
        let (line, began) = match self.target.pool.take() {
            Some(line) if !self.sent.upgrades || matches!(line, Line::H1(_)) => (line, began),
            _ => (self.open().await?, Instant::now()),
        };
        let used = line.is_used();
        let second = Second {
            used,
            repeatable: used && is_repeatable(request),
            // HTTP/1.1 leaves the head where it is.
            spare: (used && matches!(line, Line::H2(_)) && is_repeatable(request))
                .then(|| Box::new(Spare::of(request, Body::empty()))),
        };
        match self.attempt(request, line, began).await? {
            Ok(answered) => Ok(answered),
            Err(failed) => Box::pin(self.once_more(request, context, *failed, second)).await,
        }
    }

    fn open(&self) -> BoxFuture<'_, Result<Line, Box<Lost>>> {
        Box::pin(async {
            let opened = line::open(self.own, self.target, self.sent.upgrades).await;
            opened.map_err(|fault| Box::new(Lost { fault, unsent: true }))
        })
    }

    async fn once_more(
        &self,
        request: &mut Request<Body>,
        context: &mut Context,
        failed: Failed,
        second: Second,
    ) -> Result<Answered, Box<Lost>> {
        let Failed { error, unsent } = failed;
        let again = (unsent && second.used) || (second.repeatable && error.is_closed());
        if !again {
            return Err(Box::new(Lost { fault: failure::sending(self.target, error), unsent }));
        }
        if let Some(spare) = second.spare.filter(|_| !unsent) {
            *request = spare.request();
        }
        tries::failed(context, failure::code(&error));
        tries::begin(context, request.headers_mut(), &self.target.destination);
        let line = self.open().await?;
        match self.attempt(request, line, Instant::now()).await? {
            Ok(answered) => Ok(answered),
            Err(failed) => {
                let Failed { error, unsent } = *failed;
                Err(Box::new(Lost { fault: failure::sending(self.target, error), unsent }))
            }
        }
    }

    async fn attempt(
        &self,
        request: &mut Request<Body>,
        line: Line,
        began: Instant,
    ) -> Result<Attempt, Fault> {
        match line {
            Line::H1(line) => self.by_http1(request, line, began).await,
            Line::H2(line) => Box::pin(self.by_http2(request, line, began)).await,
        }
    }

    async fn by_http1(
        &self,
        request: &mut Request<Body>,
        mut line: Box<H1>,
        began: Instant,
    ) -> Result<Attempt, Fault> {
        let client = self.sent.sender.as_ref().map(Sender::beside);
        let to = Address { base: self.base, host: &self.target.host, client };
        let patience = Patience { sweep: &self.own.sweep, wait: self.wait.time };
        line.watch.arm(self.own.sweep.from(began, self.wait.time));
        match line.exchange(request, to, patience).await {
            Ok(head) => Ok(Ok((head, Rest::H1(line)))),
            Err(Failure::Late) => Err(self.wait.over(self.target)),
            Err(Failure::Broken { error, unsent }) => Ok(Err(Failed { error, unsent }.into())),
        }
    }

    async fn by_http2(
        &self,
        request: &mut Request<Body>,
        mut line: Box<H2>,
        began: Instant,
    ) -> Result<Attempt, Fault> {
        let before = request.uri().clone();
        if !self.base.is_empty() {
            forward::address(request, self.target)?;
        }
        let sender = self.sent.sender.as_ref();
        forward::prepare_h2(request, sender, self.target)?;
        let sweep = &self.own.sweep;
        let watch = line.watch.clone();
        watch.arm(sweep.from(began, self.wait.time));
        let sent = std::mem::take(request).map(|body| Upload::new(body, &line, sweep, self.wait.time));
        match in_time(&watch, pin!(line.send(sent))).await {
            None => Err(self.wait.over(self.target)),
            Some(Ok(response)) => {
                line.course.answered();
                watch.disarm();
                let (head, incoming) = response.into_parts();
                Ok(Ok((head, Rest::H2(incoming, line))))
            }
            Some(Err(mut error)) => {
                let back = error.take_message().map(|message| message.map(Upload::into_body));
                let unsent = back.map(|back| *request = back).is_some();
                *request.version_mut() = Version::HTTP_11;
                *request.uri_mut() = before;
                forward::take_back_h2(request.headers_mut(), sender);
                Ok(Err(Failed { error: Broken::Http2(error.into_error()), unsent }.into()))
            }
        }
    }
}

/// What comes of some work; none if the deadline passes before.
fn in_time<F: Future>(watch: &Watch, mut work: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    std::future::poll_fn(move |cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => watch.poll_expired(cx).map(|()| None),
    })
}

/// What came of sending a request on one connection.
type Attempt = Result<Answered, Box<Failed>>;

/// A request that got no response.
struct Failed {
    error: Broken,
    /// Whether nothing of the request was sent; it is in its place again then.
    unsent: bool,
}

/// Whether a request can be sent again if its connection turns out to be closed.
struct Second {
    /// Whether the connection had been open.
    used: bool,
    /// Whether the backend may see the request twice.
    repeatable: bool,
    spare: Option<Box<Spare>>,
}

/// Whether a backend that has seen the request before it went away may see it again.
fn is_repeatable(request: &Request<Body>) -> bool {
    request.method().is_idempotent() && http_body::Body::is_end_stream(request.body())
}
