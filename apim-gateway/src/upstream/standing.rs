//! Whether a member may be called, by what became of the calls before: suspension, ejection, breaker.
//!
//! All three come to the same: after certain failures the member is closed for a time, then one request, the
//! probe, is let through, and its fate decides. Asking costs one load; a success costs one more, as long as
//! nothing has failed. Only failures take a lock.

use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Release,
};
use std::sync::{Mutex, PoisonError};

use apim_core::model::{Breaker, Ejection, Suspension};

/// How long a probe is waited for before another request may be one: its caller may have gone away.
const PROBE_MS: u64 = 10_000;

/// The rules of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) suspension: Option<Suspension>,
    pub(super) ejection: Option<Ejection>,
    pub(super) breaker: Option<Breaker>,
}

impl Rules {
    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        self.suspension.is_some() || self.ejection.is_some() || self.breaker.is_some()
    }

    /// Whether successes must be counted, too.
    fn count_all(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.ratio.is_some())
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A response with a status below 500.
    Good,
    /// A response with a status from 500 on.
    Failing,
    /// No response: the number of the fault.
    Error(u32),
}

/// How many members an endpoint has, and how many of them are ejected.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) members: usize,
    out: AtomicUsize,
}

impl Crew {
    pub(super) fn of(members: usize) -> Self {
        Self { members, out: AtomicUsize::new(0) }
    }

    /// Lets one more go, if that leaves enough.
    fn let_go(&self, percent: u8) -> bool {
        let most = self.members * usize::from(percent) / 100;
        self.out.fetch_update(AcqRel, Acquire, |out| (out < most).then_some(out + 1)).is_ok()
    }

    /// One that has joined is out already.
    fn is_without_one(&self) {
        self.out.fetch_add(1, AcqRel);
    }

    fn take_back(&self) {
        self.out.fetch_sub(1, AcqRel);
    }
}

/// Leave to call a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Whether the member is closed and this is the request that shows whether it may open.
    probe: bool,
}

/// How a member stands.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Until when nobody may call it, in milliseconds of the clock; 0: it is open. When the time has come, who
    /// moves it on is the probe.
    until: AtomicU64,
    /// Whether anything has failed that a success would make forgotten.
    troubled: AtomicBool,
    record: Mutex<Record>,
}

/// What must be remembered of failures.
#[derive(Debug, Default, Clone)]
struct Record {
    in_a_row: u32,
    /// Failures that the suspension was patient with.
    tolerated: u32,
    /// The last suspension, if the member is suspended or has come back from one for its probe.
    suspended_ms: u64,
    ejected: bool,
    ejections: u32,
    returned_at: u64,
    broken: bool,
    window: Window,
}

/// Calls within the breaker's window.
#[derive(Debug, Default, Clone)]
struct Window {
    began: u64,
    calls: u32,
    failures: u32,
}

impl Standing {
    /// Leave to call it now, if there is.
    pub(super) fn admit(&self, now: u64) -> Option<Admitted> {
        let until = self.until.load(Acquire);
        if until == 0 {
            return Some(Admitted { probe: false });
        }
        let claimed = now >= until
            && self.until.compare_exchange(until, now.saturating_add(PROBE_MS), AcqRel, Acquire).is_ok();
        claimed.then_some(Admitted { probe: true })
    }

    /// Whether leave to call it could be had now, without taking it.
    pub(super) fn is_open(&self, now: u64) -> bool {
        now >= self.until.load(Acquire)
    }

    /// When it may be called again.
    pub(super) fn closed_until(&self) -> u64 {
        self.until.load(Acquire)
    }

    /// The same of the same member in another crew.
    pub(super) fn copied(&self, crew: &Crew) -> Self {
        // Held while the others are read: who learns holds it, too.
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.ejected {
            crew.is_without_one();
        }
        Self {
            until: AtomicU64::new(self.until.load(Acquire)),
            troubled: AtomicBool::new(self.troubled.load(Acquire)),
            record: Mutex::new(record.clone()),
        }
    }

    /// Learns what became of a call.
    pub(super) fn learn(&self, fate: Fate, admitted: Admitted, rules: &Rules, crew: &Crew, now: u64) {
        let good = fate == Fate::Good;
        if good && !self.troubled.load(Acquire) && !rules.count_all() {
            return;
        }
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if self.until.load(Acquire) != 0 && !admitted.probe {
            // It was sent before the member was closed, and tells nothing that was not known then.
            return;
        }
        let closed = match good {
            true => {
                record.recover(admitted, crew, now);
                0
            }
            false => record.fail(fate, rules, crew, admitted, now),
        };
        if let Some(breaker) = &rules.breaker {
            record.window.count(!good, breaker.window_ms, now);
        }
        let ratio = rules.breaker.as_ref().map_or(0, |breaker| record.by_ratio(breaker));
        let closed = closed.max(ratio);
        self.troubled.store(!good || closed > 0, Release);
        self.until.store(if closed == 0 { 0 } else { now.saturating_add(closed) }, Release);
    }
}

impl Record {
    fn recover(&mut self, admitted: Admitted, crew: &Crew, now: u64) {
        self.in_a_row = 0;
        self.tolerated = 0;
        self.suspended_ms = 0;
        if admitted.probe {
            self.broken = false;
            self.window = Window::default();
        }
        if std::mem::take(&mut self.ejected) {
            crew.take_back();
            self.returned_at = now;
        }
    }

    /// Takes a failure down; answers for how long the member is closed.
    fn fail(&mut self, fate: Fate, rules: &Rules, crew: &Crew, admitted: Admitted, now: u64) -> u64 {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let suspended = match (&rules.suspension, fate) {
            (Some(rule), Fate::Error(code)) => self.suspend(rule, code),
            _ => 0,
        };
        let ejected = rules.ejection.as_ref().map_or(0, |rule| self.eject(rule, crew, now));
        let broken = match &rules.breaker {
            Some(rule) if self.breaks(rule, admitted) => {
                self.broken = true;
                rule.open_ms
            }
            _ => 0,
        };
        suspended.max(ejected).max(broken)
    }

    fn suspend(&mut self, rule: &Suspension, code: u32) -> u64 {
        if rule.patient_errors.contains(&code) && self.tolerated < rule.patience {
            self.tolerated += 1;
            return rule.patience_delay_ms;
        }
        if !rule.patient_errors.contains(&code) && !rule.errors.is_empty() && !rule.errors.contains(&code) {
            return 0;
        }
        let longest = rule.max_ms.unwrap_or(u64::MAX);
        self.suspended_ms = match self.suspended_ms {
            0 => rule.initial_ms.min(longest),
            // A float saturates when it becomes an integer.
            last => ((last as f64 * rule.factor) as u64).min(longest),
        };
        self.suspended_ms
    }

    fn eject(&mut self, rule: &Ejection, crew: &Crew, now: u64) -> u64 {
        if self.in_a_row < rule.failures || !(self.ejected || crew.let_go(rule.max_percent)) {
            return 0;
        }
        if !self.ejected && now.saturating_sub(self.returned_at) > rule.max_ms {
            self.ejections = 0;
        }
        self.ejected = true;
        self.ejections = self.ejections.saturating_add(1);
        rule.base_ms.saturating_mul(u64::from(self.ejections)).min(rule.max_ms)
    }

    fn breaks(&self, rule: &Breaker, admitted: Admitted) -> bool {
        (rule.failures > 0 && self.in_a_row >= rule.failures) || (self.broken && admitted.probe)
    }

    fn by_ratio(&mut self, rule: &Breaker) -> u64 {
        let Some(ratio) = rule.ratio else { return 0 };
        let Window { calls, failures, .. } = self.window;
        if calls < rule.least_requests.max(1)
            || f64::from(failures) < ratio * f64::from(calls)
            || failures == 0
        {
            return 0;
        }
        self.broken = true;
        rule.open_ms
    }
}

impl Window {
    fn count(&mut self, failed: bool, width: u64, now: u64) {
        if now.saturating_sub(self.began) >= width || now < self.began {
            *self = Self { began: now, calls: 0, failures: 0 };
        }
        self.calls = self.calls.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(failed));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ERROR: Fate = Fate::Error(101_503);

    struct Subject {
        standing: Standing,
        rules: Rules,
        crew: Crew,
    }

    impl Subject {
        fn under(rules: Rules) -> Self {
            Self { standing: Standing::default(), rules, crew: Crew::of(2) }
        }

        /// Whether it could be called, and if it was, with this fate.
        fn call(&self, now: u64, fate: Fate) -> bool {
            let Some(admitted) = self.standing.admit(now) else { return false };
            self.standing.learn(fate, admitted, &self.rules, &self.crew, now);
            true
        }
    }

    fn suspension(rule: Suspension) -> Rules {
        Rules { suspension: Some(rule), ..Rules::default() }
    }

    #[test]
    fn suspensions_grow_until_a_success_ends_them() {
        let rule = Suspension { initial_ms: 100, factor: 2.0, max_ms: Some(300), ..Suspension::default() };
        let subject = Subject::under(suspension(rule));
        assert!(subject.call(1, ERROR));
        assert!(!subject.call(100, ERROR));
        assert!(subject.call(101, ERROR));
        assert!(!subject.call(300, ERROR));
        assert!(subject.call(301, ERROR));
        assert!(!subject.call(600, ERROR), "400 is more than the longest, 300");
        assert!(subject.call(601, Fate::Good));
        assert!(subject.call(602, ERROR));
        assert!(subject.call(702, Fate::Good), "it begins with the shortest again");
    }

    #[test]
    fn when_the_time_is_over_one_request_is_let_through_and_no_second() {
        let subject = Subject::under(suspension(Suspension { initial_ms: 100, ..Suspension::default() }));
        assert!(subject.call(1, ERROR));
        let probe = subject.standing.admit(101).unwrap();
        assert!(subject.standing.admit(101).is_none());
        assert!(subject.standing.admit(101 + PROBE_MS).is_some(), "a probe that was given up is replaced");
        subject.standing.learn(Fate::Good, probe, &subject.rules, &subject.crew, 102);
        assert!(subject.standing.admit(102).is_some() && subject.standing.admit(102).is_some());
    }

    #[test]
    fn patient_errors_suspend_only_when_they_come_again() {
        let rule =
            Suspension { initial_ms: 100, patience: 2, patience_delay_ms: 10, ..Suspension::default() };
        let subject = Subject::under(suspension(rule));
        let timeout = Fate::Error(101_504);
        assert!(subject.call(1, timeout));
        assert!(!subject.call(10, timeout));
        assert!(subject.call(11, timeout));
        assert!(subject.call(21, timeout));
        assert!(!subject.call(120, timeout));
    }

    #[test]
    fn errors_that_are_not_named_and_statuses_do_not_suspend() {
        let rule = Suspension { errors: vec![101_503], ..Suspension::default() };
        let subject = Subject::under(suspension(rule));
        assert!(subject.call(1, Fate::Error(101_506)));
        assert!(subject.call(2, Fate::Failing));
        assert!(subject.call(3, ERROR));
        assert!(!subject.call(4, Fate::Good));
    }

    #[test]
    fn a_late_success_does_not_open_what_has_been_closed() {
        let subject = Subject::under(suspension(Suspension::default()));
        let early = subject.standing.admit(1).unwrap();
        assert!(subject.call(1, ERROR));
        subject.standing.learn(Fate::Good, early, &subject.rules, &subject.crew, 2);
        assert!(subject.standing.admit(3).is_none());
    }

    #[test]
    fn a_member_is_ejected_for_longer_each_time_but_not_the_last_one() {
        let rule = Ejection { failures: 2, base_ms: 100, max_ms: 1_000, max_percent: 50 };
        let rules = || Rules { ejection: Some(rule.clone()), ..Rules::default() };
        let crew = Crew::of(2);
        let (one, other) = (Standing::default(), Standing::default());
        let fail = |standing: &Standing, now| match standing.admit(now) {
            Some(admitted) => {
                standing.learn(Fate::Failing, admitted, &rules(), &crew, now);
                true
            }
            None => false,
        };
        assert!(fail(&one, 1) && fail(&one, 1) && !fail(&one, 100));
        assert!(fail(&other, 1) && fail(&other, 1) && fail(&other, 1), "half of two may be out, and is");
        assert!(fail(&one, 101) && !fail(&one, 300));
        let probe = one.admit(301).unwrap();
        one.learn(Fate::Good, probe, &rules(), &crew, 301);
        assert!(fail(&other, 302) && !fail(&other, 303), "there is room for it now");
    }

    #[test]
    fn a_member_that_joins_another_crew_stands_there_as_it_did() {
        let rule = Ejection { failures: 2, base_ms: 100, max_ms: 1_000, max_percent: 50 };
        let rules = Rules { ejection: Some(rule), ..Rules::default() };
        let fail = |standing: &Standing, crew: &Crew, now| match standing.admit(now) {
            Some(admitted) => {
                standing.learn(Fate::Failing, admitted, &rules, crew, now);
                true
            }
            None => false,
        };
        let (before, crew) = (Crew::of(2), Crew::of(2));
        let (one, other) = (Standing::default(), Standing::default());
        assert!(fail(&one, &before, 1) && fail(&one, &before, 1));
        let one = one.copied(&crew);
        assert!(!fail(&one, &crew, 100));
        assert!((0..3).all(|_| fail(&other, &crew, 100)), "half of two are out already");
        let probe = one.admit(101).unwrap();
        one.learn(Fate::Good, probe, &rules, &crew, 101);
        assert!(fail(&other, &crew, 102) && !fail(&other, &crew, 103), "there is room for it now");
    }

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_and_closes_by_one_success() {
        let rule = Breaker { failures: 3, open_ms: 100, ..Breaker::default() };
        let subject = Subject::under(Rules { breaker: Some(rule), ..Rules::default() });
        assert!(subject.call(1, ERROR) && subject.call(1, Fate::Good) && subject.call(1, ERROR));
        assert!(subject.call(1, Fate::Failing) && subject.call(1, ERROR));
        assert!(!subject.call(100, Fate::Good));
        assert!(subject.call(101, ERROR));
        assert!(!subject.call(200, Fate::Good), "half open, it opens with one failure");
        assert!(subject.call(201, Fate::Good) && subject.call(201, ERROR) && subject.call(201, Fate::Good));
    }

    #[test]
    fn a_breaker_opens_by_the_share_of_failures_once_there_are_enough_calls() {
        let rule =
            Breaker { failures: 0, ratio: Some(0.5), window_ms: 1_000, least_requests: 4, open_ms: 100 };
        let subject = Subject::under(Rules { breaker: Some(rule), ..Rules::default() });
        for fate in [ERROR, Fate::Good, ERROR] {
            assert!(subject.call(1, fate));
        }
        assert!(subject.call(1_001, ERROR), "that was another window");
        for fate in [Fate::Good, ERROR, Fate::Good] {
            assert!(subject.call(1_001, fate));
        }
        assert!(!subject.call(1_100, Fate::Good));
        assert!(subject.call(1_101, Fate::Good));
        assert!(subject.call(1_101, ERROR), "with a new window");
        assert!(subject.call(1_102, Fate::Good));
    }
}
