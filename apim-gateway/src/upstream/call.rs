//! One request on its way to one endpoint.

use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use apim_core::{Body, Context, Fault};
use http::{Method, Request, Response, StatusCode, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::body::{Download, Upload};
use super::group::{Busy, Group, Picked, Wait};
use super::line::{self, Line};
use super::pool::Own;
use super::retry::{Retrying, Spare};
use super::standing::Fate;
use super::target::Target;
use super::{failure, forward};
use crate::transport::watch::Watch;
use crate::transport::{hop, tunnel};

/// A request's way through one endpoint, on one worker.
pub(super) struct Call<'a> {
    pub(super) own: &'a Arc<Own>,
    pub(super) group: &'a Arc<Group>,
}

/// A response, with the connection it came by.
type Answered = (Response<Incoming>, Line);

/// Why there was none.
struct Lost {
    fault: Fault,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<Body>>,
}

impl From<Fault> for Box<Lost> {
    fn from(fault: Fault) -> Self {
        Box::new(Lost { fault, unsent: None })
    }
}

impl Call<'_> {
    /// Sends it, and again where it may be.
    pub(super) async fn run(
        &self,
        mut head: request::Parts,
        body: Body,
        context: &mut Context,
    ) -> Result<Response<Body>, Fault> {
        let client = forward::upgrade(&mut head, &body);
        let upgrades = client.is_some();
        forward::prepare(&mut head, &body, upgrades, context, self.own);
        let (answered, picked) = match &self.group.retry {
            None => {
                let picked = self.group.pick(context.worker, 0)?;
                let answered = self.one(head, body, &picked, upgrades, self.group.wait, context).await;
                (answered, picked)
            }
            Some(retrying) => self.some(retrying, head, body, upgrades, context).await?,
        };
        let (response, line) = answered.map_err(|lost| lost.fault)?;
        let target = self.group.target(self.own, context.worker, picked.member);
        self.receive(response, line, target, client, picked.busy)
    }

    /// Tries one member after the other, as far as the rules go.
    async fn some(
        &self,
        retrying: &Retrying,
        mut head: request::Parts,
        mut body: Body,
        upgrades: bool,
        context: &mut Context,
    ) -> Result<(Result<Answered, Box<Lost>>, Picked), Fault> {
        retrying.begin();
        let path = head.uri.clone();
        let began = Instant::now();
        let (mut tries, mut tried) = (0, 0);
        let mut picked = self.group.pick(context.worker, 0)?;
        loop {
            let spare = retrying.spare(&head, &body);
            let wait = retrying.wait(self.group.wait, began.elapsed());
            let answered = self.one(head, body, &picked, upgrades, wait, context).await;
            tries += 1;
            tried |= 1 << picked.member;
            let (answered, request) = again(retrying, answered, spare);
            let time_left = began.elapsed() < self.group.wait.time;
            let next = match request {
                Some(request) if time_left && self.another(retrying, tries, tried) => {
                    self.next(retrying, tried, context).map(|next| (next, request))
                }
                _ => None,
            };
            let Some((next, request)) = next else { return Ok((answered, picked)) };
            (head, body) = request.into_parts();
            head.uri = path.clone();
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
        mut head: request::Parts,
        body: Body,
        picked: &Picked,
        upgrades: bool,
        wait: Wait,
        context: &mut Context,
    ) -> Result<Answered, Box<Lost>> {
        let target = self.group.target(self.own, context.worker, picked.member);
        context.destination = Some(target.destination.clone());
        forward::address(&mut head, target)?;
        let began = Instant::now();
        context.backend_started.get_or_insert(began);
        let sending = Sending { own: self.own, target, wait, upgrades };
        let answered = sending.run(head, body).await;
        let ended = Instant::now();
        let fate = match &answered {
            Ok((response, _)) => {
                context.backend_ended = Some(ended);
                context.backend_status = Some(response.status());
                if response.status().is_server_error() { Fate::Failing } else { Fate::Good }
            }
            Err(lost) => Fate::Error(lost.fault.code().number),
        };
        self.group.learn(picked, fate, ended - began);
        answered
    }

    fn receive(
        &self,
        mut response: Response<Incoming>,
        line: Line,
        target: &Arc<Target>,
        client: Option<OnUpgrade>,
        busy: Option<Busy>,
    ) -> Result<Response<Body>, Fault> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = client.filter(|_| forward::is_websocket(response.headers())) else {
                return Err(failure::unasked_upgrade(target));
            };
            let backend = hyper::upgrade::on(&mut response);
            let idle = self.own.settings.tunnel_timeout;
            let tunnel = tunnel::join(client, backend, self.own.sweep.clone(), idle);
            tokio::spawn(async move {
                tunnel.await;
                drop(busy);
            });
            let (mut head, _) = response.into_parts();
            forward::switch(&mut head.headers);
            return Ok(Response::from_parts(head, Body::empty()));
        }
        let (mut head, incoming) = response.into_parts();
        forward::check_framing(&mut head.headers, target)?;
        hop::clean_response(&mut head.headers);
        Ok(Response::from_parts(head, Download::body(incoming, line, self.own, target, busy)))
    }
}

/// The request once more, if what came of it is worth another try.
fn again(
    retrying: &Retrying,
    answered: Result<Answered, Box<Lost>>,
    spare: Option<Spare>,
) -> (Result<Answered, Box<Lost>>, Option<Request<Body>>) {
    match answered {
        Err(mut lost) if retrying.is_worth(lost.fault.code().number) => {
            let unsent = lost.unsent.take();
            (Err(lost), unsent.or_else(|| spare.map(Spare::request)))
        }
        Ok(answered) if retrying.is_bad(answered.0.status()) => (Ok(answered), spare.map(Spare::request)),
        other => (other, None),
    }
}

/// A request on its way to one backend.
struct Sending<'a> {
    own: &'a Arc<Own>,
    target: &'a Arc<Target>,
    wait: Wait,
    /// Whether it asks for another protocol, and so must go by HTTP/1.1.
    upgrades: bool,
}

impl Sending<'_> {
    async fn run(self, head: request::Parts, body: Body) -> Result<Answered, Box<Lost>> {
        let line = match self.target.pool.take() {
            Some(line) if !self.upgrades || matches!(line, Line::H1(_)) => line,
            _ => match line::open(self.own, self.target, self.upgrades).await {
                Ok(line) => line,
                Err(fault) => {
                    let unsent = Some(Request::from_parts(head, body));
                    return Err(Box::new(Lost { fault, unsent }));
                }
            },
        };
        self.send(head, body, line).await
    }

    /// Sends the request, and once more if a connection that had been open turns out to be closed.
    async fn send(&self, head: request::Parts, body: Body, line: Line) -> Result<Answered, Box<Lost>> {
        let used = line.is_used();
        let spare = (used && is_repeatable(&head.method, &body)).then(|| Spare::of(&head, Body::empty()));
        let Failed { error, unsent } = match self.attempt(head, body, line).await? {
            Ok(answered) => return Ok(answered),
            Err(failed) => *failed,
        };
        let closed = error.as_ref().is_none_or(failure::is_closed);
        let again = match (unsent, spare) {
            (Some(request), _) if used => Some(request),
            (None, Some(spare)) if closed => Some(spare.request()),
            _ => None,
        };
        let Some(request) = again else { return Err(failure::sending(self.target, error).into()) };
        let (head, body) = request.into_parts();
        let line = match line::open(self.own, self.target, self.upgrades).await {
            Ok(line) => line,
            Err(fault) => {
                let unsent = Some(Request::from_parts(head, body));
                return Err(Box::new(Lost { fault, unsent }));
            }
        };
        match self.attempt(head, body, line).await? {
            Ok(answered) => Ok(answered),
            Err(failed) => {
                let Failed { error, unsent } = *failed;
                Err(Box::new(Lost { fault: failure::sending(self.target, error), unsent }))
            }
        }
    }

    async fn attempt(&self, mut head: request::Parts, body: Body, mut line: Line) -> Result<Attempt, Fault> {
        match &line {
            Line::H1(_) => forward::prepare_h1(&mut head, self.target),
            Line::H2(_) => forward::prepare_h2(&mut head, self.target)?,
        }
        let sweep = &self.own.sweep;
        let watch = line.watch().clone();
        watch.arm(sweep.from(Instant::now(), self.wait.time));
        match in_time(&watch, line.is_free()).await {
            None => return Err(self.wait.over(self.target)),
            Some(true) => {}
            Some(false) => {
                return Ok(Err(Failed { error: None, unsent: Some(Request::from_parts(head, body)) }.into()));
            }
        }
        let body = Upload::new(body, &line, sweep, self.wait.time);
        match in_time(&watch, line.send(Request::from_parts(head, body))).await {
            None => Err(self.wait.over(self.target)),
            Some(Ok(response)) => {
                line.course().answered();
                watch.disarm();
                Ok(Ok((response, line)))
            }
            Some(Err(mut error)) => {
                let unsent = error.take_message().map(|request| request.map(Upload::into_body));
                Ok(Err(Failed { error: Some(error.into_error()), unsent }.into()))
            }
        }
    }
}

/// What comes of some work; none if the deadline passes before.
async fn in_time<F: Future>(watch: &Watch, work: F) -> Option<F::Output> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => watch.poll_expired(cx).map(|()| None),
    })
    .await
}

/// What came of sending a request on one connection.
type Attempt = Result<Answered, Box<Failed>>;

/// A request that got no response.
struct Failed {
    /// None: the connection had gone before anything was sent.
    error: Option<hyper::Error>,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<Body>>,
}

/// Whether a backend that has seen the request before it went away may see it again.
fn is_repeatable(method: &Method, body: &Body) -> bool {
    method.is_idempotent() && http_body::Body::is_end_stream(body)
}
