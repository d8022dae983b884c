//! Asks members whether they are well: one task for the whole gateway, whose findings all workers read.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use apim_core::BuildError;
use apim_core::model::HealthCheck;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::Request;
use http::header::{HOST, USER_AGENT};
use http_body_util::Full;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::group::Group;
use super::once;
use crate::transport::dial::Destination;

/// Checks under way at once: a gateway with thousands of members does not call all of them in one moment.
const AT_ONCE: usize = 64;

/// The task that checks.
pub(super) struct Checks {
    /// Where new members are announced to it.
    task: Mutex<Option<mpsc::UnboundedSender<Watching>>>,
    turns: Arc<Semaphore>,
}

/// The checks of one member, one after the other, until its group has gone.
type Watching = BoxFuture<'static, ()>;

impl Default for Checks {
    fn default() -> Self {
        Self { task: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Checks {
    /// Checks the members of a group, if its endpoint says so, until the group has gone.
    ///
    /// # Errors
    ///
    /// If this is not called within a runtime, in which the checks could run.
    pub(super) fn watch(&self, group: &Arc<Group>) -> Result<(), BuildError> {
        let Some(rule) = &group.health else { return Ok(()) };
        for member in 0..group.members.len() {
            let rule = Arc::new(HealthCheck::clone(rule));
            self.add(Box::pin(watch(Arc::downgrade(group), rule, member, self.turns.clone())))?;
        }
        Ok(())
    }

    fn add(&self, watching: Watching) -> Result<(), BuildError> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(mpsc::UnboundedSender::is_closed) {
            let runtime = Handle::try_current().map_err(|error| BuildError::at("health", error))?;
            let (sender, members) = mpsc::unbounded_channel();
            runtime.spawn(run(members));
            *task = Some(sender);
        }
        match task.as_ref().map(|task| task.send(watching)) {
            Some(Ok(())) => Ok(()),
            _ => Err(BuildError::at("health", "the runtime that checked has ended")),
        }
    }
}

/// Runs the checks of all members until the gateway has gone.
async fn run(mut members: mpsc::UnboundedReceiver<Watching>) {
    let mut going = FuturesUnordered::new();
    loop {
        tokio::select! {
            member = members.recv() => match member {
                Some(watching) => going.push(watching),
                None => return,
            },
            Some(()) = going.next() => {}
        }
    }
}

async fn watch(group: Weak<Group>, rule: Arc<HealthCheck>, member: usize, turns: Arc<Semaphore>) {
    let mut differing = 0;
    loop {
        let turn = turns.acquire().await;
        let Some(to) = group.upgrade().map(|group| group.destination(member)) else { return };
        let verdict = ask(&to, &rule).await;
        drop(turn);
        let Some(group) = group.upgrade() else { return };
        differing = found(&group, member, &rule, verdict, differing);
        drop(group);
        tokio::time::sleep(Duration::from_millis(rule.interval_ms)).await;
    }
}

/// Takes down what a check has found; answers how many in a row have found otherwise than the member stands.
fn found(
    group: &Group,
    member: usize,
    rule: &HealthCheck,
    verdict: Result<(), String>,
    differing: u32,
) -> u32 {
    let member = &group.members[member];
    let was = member.well.load(Relaxed);
    if verdict.is_ok() == was {
        return 0;
    }
    let enough = if was { rule.unhealthy } else { rule.healthy };
    if differing + 1 < enough {
        return differing + 1;
    }
    member.well.store(!was, Relaxed);
    match verdict {
        Ok(()) => tracing::info!(backend = %member.address.url, "a backend is well again"),
        Err(why) => tracing::warn!(backend = %member.address.url, %why, "a backend is unwell"),
    }
    0
}

/// Whom to ask.
pub(super) struct Patient {
    pub(super) to: Destination,
    pub(super) host: http::HeaderValue,
    pub(super) http2: bool,
}

async fn ask(patient: &Patient, rule: &HealthCheck) -> Result<(), String> {
    let target = match patient.http2 {
        // Over HTTP/2 the target names the host (RFC 9113 section 8.3.1).
        true => format!("http://{}{}", patient.host.to_str().unwrap_or_default(), rule.path),
        false => rule.path.clone(),
    };
    let mut request = Request::get(target).header(USER_AGENT, "apim-health-check");
    if !patient.http2 {
        request = request.header(HOST, patient.host.clone());
    }
    let request = request.body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
    let within = Duration::from_millis(rule.timeout_ms);
    let answer =
        once::ask(&patient.to, patient.http2, request, within).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let expected = match rule.statuses.is_empty() {
        true => (200..400).contains(&status),
        false => rule.statuses.contains(&status),
    };
    if expected { Ok(()) } else { Err(format!("it answered {status}")) }
}
