//! Whether a request that got no good answer is sent again.

use std::time::Duration;

use apim_core::model::{Balance, Endpoint, Retry};
use apim_core::{Body, Timestamp};
use http::{Method, Request, StatusCode};

use super::budget::Budget;
use super::group::Wait;

/// The rules of an endpoint that sends again at all.
pub(super) struct Retrying {
    /// None: each member once, for errors alone.
    pub(super) rule: Option<Retry>,
    budget: Budget,
    methods: Box<[Method]>,
    members: usize,
}

impl Retrying {
    /// What an endpoint says, if it says anything.
    pub(super) fn of(endpoint: &Endpoint) -> Option<Self> {
        let rule = endpoint.retry.as_deref().cloned();
        let members = endpoint.members.len();
        if rule.is_none() && members < 2 {
            return None;
        }
        let (budget, free) = rule.as_ref().map_or((0.0, 0), |rule| (rule.budget, rule.least_per_second));
        let methods = rule.as_ref().map(|rule| rule.methods.iter().flat_map(|name| name.parse()).collect());
        // Other policies than failover go on to the next member only if nothing was sent.
        let usual = || match endpoint.policy {
            Balance::Failover => {
                vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE]
            }
            _ => Vec::new(),
        };
        let methods = methods.unwrap_or_else(usual).into();
        Some(Self { rule, budget: Budget::new(budget, free), methods, members })
    }

    /// Counts a request.
    pub(super) fn begin(&self) {
        if self.rule.is_some() {
            self.budget.save();
        }
    }

    /// Whether another try is allowed after so many.
    pub(super) fn allows(&self, tries: u32, now: Timestamp) -> bool {
        match &self.rule {
            Some(rule) => tries <= rule.retries && self.budget.spend(now.as_secs()),
            None => (tries as usize) < self.members,
        }
    }

    /// Whether an error is worth another try.
    pub(super) fn is_worth(&self, code: u32) -> bool {
        self.rule.as_ref().is_none_or(|rule| rule.errors.contains(&code))
    }

    /// Whether a status is.
    pub(super) fn is_bad(&self, status: StatusCode) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.statuses.contains(&status.as_u16()))
    }

    /// How long one try may take, after so much time.
    pub(super) fn wait(&self, whole: Wait, passed: Duration) -> Wait {
        match self.rule.as_ref().and_then(|rule| rule.try_timeout_ms) {
            Some(each) => {
                let time = whole.time.saturating_sub(passed).min(Duration::from_millis(each));
                Wait { time, ..whole }
            }
            None => whole,
        }
    }

    /// Whether a try may go to a member that has been tried.
    pub(super) fn may_repeat(&self) -> bool {
        self.rule.is_some()
    }

    /// The request once more, if a backend may see it twice.
    pub(super) fn spare(&self, request: &Request<Body>) -> Option<Spare> {
        let limit = self.rule.as_ref().map_or(64 << 10, |rule| rule.body_bytes);
        if !self.methods.contains(request.method()) {
            return None;
        }
        Some(Spare::of(request, request.body().replay(limit)?))
    }
}

/// What is needed to send a request again that has been given away.
pub(super) struct Spare(Request<Body>);

impl Spare {
    pub(super) fn of(request: &Request<Body>, body: Body) -> Self {
        let mut spare = Request::new(body);
        spare.method_mut().clone_from(request.method());
        spare.uri_mut().clone_from(request.uri());
        spare.headers_mut().clone_from(request.headers());
        Self(spare)
    }

    pub(super) fn request(self) -> Request<Body> {
        self.0
    }
}
