//! When new requests are refused, so that those in flight are answered in time.
//!
//! A server that is asked for more than it can do and takes everything answers everybody too late. What it
//! should look at is neither the number of requests in flight, of which a slow backend makes thousands that
//! cost nothing, nor the load of the machine, which is high when all is well. It is how long work that is
//! ready stands in line. As in CoDel (RFC 8289), a line is good that is short now and then, however long it was
//! before, and bad if it has not been short for a whole interval. From then on a share of the requests is let
//! in, and as in PIE (RFC 8033) that share follows the line's length and how it changes. To let in either all
//! or nobody by the line of the moment would not do: it is known only after standing in it, and between two
//! measurements the line would run empty, or full.

use std::time::Duration;

/// What a worker does when it cannot keep up: new requests are answered `503` with `Retry-After` before they
/// reach the gateway, at once and for next to nothing, until work stands in line no longer than it may.
///
/// Each worker measures for itself. Requests that were let in are never refused later, and a line is only taken
/// for long if more than [`spared`](Self::spared) requests came while it was passed: what makes it long otherwise is
/// that each of them takes its time, of which refusing one more would save nobody anything. A client that asks again on
/// the same HTTP/1.1 connection without having waited is not read for a while, at most for as long as it was told
/// to wait: even a refusal costs two system calls, and those that ask most would otherwise get all of the
/// processor. New connections wait in the system's queue meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shedding {
    /// How long work may stand in a worker's line; a fifth of it while requests are refused. Default 50 ms, several
    /// times what a worker that keeps up shows even where it has to share its processor.
    pub delay: Duration,
    /// For how long it must have stood longer, at every moment, before requests are refused. Default 100 ms.
    pub interval: Duration,
    /// Requests of a worker at a time that are never too many, however dear each is. Default 32.
    pub spared: usize,
    /// What refused clients are told to wait, in whole seconds. Default 1 s.
    pub retry_after: Duration,
}

impl Default for Shedding {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(50),
            interval: Duration::from_millis(100),
            spared: 32,
            retry_after: Duration::from_secs(1),
        }
    }
}

/// While requests are refused the line is kept at this part of what it may be. A line of 50 ms is one of a thousand
/// requests, each half done and gone from the processor's caches when its turn comes again, and costs half as much again
/// to work off as one of two hundred. To be so short all the time is too much to ask of a worker that refuses nobody.
const KEPT: f64 = 0.2;

/// The line of a worker, judged by how long it took to pass it. All times are seconds of one clock.
#[derive(Debug)]
pub(super) struct Line {
    delay: f64,
    /// What it may take while requests are refused.
    kept: f64,
    interval: f64,
    /// How long it took the last time.
    last: f64,
    /// How long somebody has stood in it who still does.
    waited: f64,
    /// The shortest it took in the present interval, and when that interval ends.
    shortest: f64,
    ends: f64,
    overload: Option<Overload>,
}

/// What is let in while there is more to do than can be done.
#[derive(Debug)]
struct Overload {
    /// Of all requests.
    share: f64,
    /// What those before have left over of a whole request.
    credit: f64,
    /// How long the line was when the share was set, and when that was.
    line: f64,
    set: f64,
    /// Since when everybody is let in.
    all_since: Option<f64>,
}

/// What a measurement has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    Overloaded,
    Relieved,
}

impl Line {
    /// How often the share is set.
    const STEP: f64 = 0.025;
    /// How the share answers a line that is a second too long, and one that has grown by a second, by the step.
    /// It shrinks by that part of itself, so that twice the load and ten times the load are answered alike; the
    /// two are such that it settles within a few steps, and does not swing.
    const LENGTH: f64 = 2.5;
    const GROWTH: f64 = 20.0;
    /// The most the share may shrink or grow by in a step, and the least it may be.
    const BOUNDS: (f64, f64) = (0.5, 0.25);
    const LEAST: f64 = 0.001;
    /// For how long everybody must have been let in until an overload is over.
    const RELIEF: f64 = 0.5;

    pub(super) fn new(shedding: &Shedding) -> Self {
        Self {
            delay: shedding.delay.as_secs_f64(),
            kept: shedding.delay.as_secs_f64() * KEPT,
            interval: shedding.interval.as_secs_f64(),
            last: 0.0,
            waited: 0.0,
            shortest: 0.0,
            ends: 0.0,
            overload: None,
        }
    }

    /// Somebody who joined the line at one moment was served at another.
    pub(super) fn passed(&mut self, joined: f64, served: f64) -> Turn {
        self.last = served - joined;
        self.waited = 0.0;
        if self.overload.is_none() && self.is_never_short(joined, served) {
            return self.begin(served);
        }
        self.follow(served)
    }

    /// Somebody who joined at one moment still stands there at another: a line that grows quickly is known to
    /// be long before anybody has passed it.
    pub(super) fn waits(&mut self, joined: f64, now: f64) -> Turn {
        self.waited = now - joined;
        if self.overload.is_none() && self.waited > self.interval {
            return self.begin(now);
        }
        self.follow(now)
    }

    /// How long the line is, as far as is known.
    fn length(&self) -> f64 {
        self.last.max(self.waited)
    }

    fn begin(&mut self, now: f64) -> Turn {
        self.overload =
            Some(Overload { share: 1.0, credit: 0.0, line: self.length(), set: now, all_since: None });
        Turn::Overloaded
    }

    fn follow(&mut self, now: f64) -> Turn {
        let (line, kept) = (self.length(), self.kept);
        let Some(overload) = self.overload.as_mut().filter(|overload| now >= overload.set + Self::STEP)
        else {
            return Turn::Nothing;
        };
        overload.follow(line, line - kept, now);
        // A share that swings touches the whole now and then.
        if !overload.all_since.is_some_and(|since| now >= since + Self::RELIEF) {
            return Turn::Nothing;
        }
        self.overload = None;
        // What was seen in an overload is no reason for the next.
        self.ends = 0.0;
        Turn::Relieved
    }

    /// Whether an interval has ended in which the line was always too long.
    fn is_never_short(&mut self, joined: f64, served: f64) -> bool {
        if served < self.ends {
            self.shortest = self.shortest.min(self.last);
            return false;
        }
        // Of a time in which nobody stood in line nothing is known but that.
        let known = joined <= self.ends + self.interval;
        let never_short = known && self.shortest.min(self.last) > self.delay;
        self.shortest = self.last;
        self.ends = served + self.interval;
        never_short
    }

    /// Whether one more request may join.
    pub(super) fn admits(&mut self) -> bool {
        let standing = self.is_standing();
        let Some(overload) = &mut self.overload else { return true };
        overload.credit = (overload.credit + overload.share).min(1.0);
        // Where nobody stands in line there is nothing to spare anybody, whatever the share is still.
        if overload.credit < 1.0 && standing {
            return false;
        }
        overload.credit = 0.0_f64.max(overload.credit - 1.0);
        true
    }

    /// Whether there is an overload.
    pub(super) fn is_overloaded(&self) -> bool {
        self.overload.is_some()
    }

    /// Whether there is one, and a line worth the name: in an overload it is as long as it may be.
    pub(super) fn is_standing(&self) -> bool {
        self.overload.is_some() && self.length() > self.kept / 2.0
    }

    /// Whether there is one, and the line is longer than it may be then.
    pub(super) fn is_too_long(&self) -> bool {
        self.overload.is_some() && self.length() > self.kept
    }
}

impl Overload {
    fn follow(&mut self, line: f64, too_long: f64, now: f64) {
        let shrink = Line::LENGTH * too_long + Line::GROWTH * (line - self.line);
        let (most, least) = Line::BOUNDS;
        self.share = (self.share * (1.0 - shrink.clamp(-least, most))).clamp(Line::LEAST, 1.0);
        self.all_since = if self.share < 1.0 { None } else { self.all_since.or(Some(now)) };
        self.line = line;
        self.set = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that may take 50 ms, over intervals of 100 ms, and 10 ms while requests are refused.
    fn line() -> Line {
        Line::new(&Shedding::default())
    }

    /// Somebody passes the line every ten milliseconds; how long it takes is told by the millisecond.
    fn pass(line: &mut Line, millis: std::ops::Range<u32>, took: impl Fn(u32) -> u32) {
        for now in millis.step_by(10) {
            let served = f64::from(now) / 1e3;
            line.passed(served - f64::from(took(now)) / 1e3, served);
        }
    }

    #[test]
    fn a_line_that_is_too_long_for_a_whole_interval_is_an_overload() {
        let mut line = line();
        pass(&mut line, 1_000..1_090, |_| 60);
        assert!(!line.is_overloaded(), "an interval has not passed yet");
        pass(&mut line, 1_090..1_220, |_| 60);
        assert!(line.is_overloaded() && line.is_too_long());
    }

    #[test]
    fn a_line_that_empties_now_and_then_is_none_however_long_it_was() {
        let mut line = line();
        pass(&mut line, 1_000..5_000, |now| if now % 90 == 0 { 1 } else { 500 });
        assert!(!line.is_overloaded());
        assert!((0..100).all(|_| line.admits()));
    }

    #[test]
    fn nobody_is_refused_where_nobody_stands_in_line() {
        let mut line = line();
        pass(&mut line, 1_000..1_500, |_| 60);
        assert!((0..100).any(|_| !line.admits()));
        line.passed(1.509, 1.510);
        assert!(line.is_overloaded());
        assert!((0..100).all(|_| line.admits()));
    }

    #[test]
    fn a_line_that_would_not_be_an_overload_is_too_long_in_one() {
        let mut line = line();
        pass(&mut line, 1_000..2_000, |_| 40);
        assert!(!line.is_overloaded());
        pass(&mut line, 2_000..2_500, |_| 60);
        pass(&mut line, 2_500..5_000, |_| 40);
        assert!(line.is_overloaded() && line.is_too_long());
        assert!((0..100).filter(|_| line.admits()).count() < 10);
    }

    #[test]
    fn an_overload_is_over_some_time_after_the_line_has_become_short() {
        let mut line = line();
        pass(&mut line, 1_000..1_500, |_| 60);
        pass(&mut line, 1_500..10_000, |_| 1);
        assert!(!line.is_overloaded());
    }

    #[test]
    fn of_a_time_when_nobody_stood_in_line_nothing_is_concluded() {
        let mut line = line();
        pass(&mut line, 1_000..1_050, |_| 60);
        // A minute later the machine stands still for a moment.
        assert_eq!(line.passed(60.0, 60.4), Turn::Nothing);
        assert!(!line.is_overloaded());
    }

    #[test]
    fn who_asks_is_told_when_it_begins_and_when_it_ends() {
        let mut line = line();
        assert_eq!(line.passed(0.0, 0.06), Turn::Nothing);
        assert_eq!(line.passed(0.10, 0.17), Turn::Overloaded);
        assert_eq!(
            line.passed(0.25, 0.251),
            Turn::Nothing,
            "the share is the whole, but has not been for long"
        );
        assert_eq!(line.passed(0.80, 0.801), Turn::Relieved);
    }

    /// A worker that is asked for so many times what it can do, for ten seconds: how busy it was, and the
    /// lines it had, in milliseconds, both in the last five.
    fn overloaded(times: f64) -> (f64, Vec<f64>) {
        let mut line = line();
        let (cost, mut work, mut due, mut probe) = (1e-4, 0.0, 0.0, None::<(f64, f64)>);
        let (mut busy, mut lines) = (0.0, Vec::new());
        for tick in 0..100_000 {
            let now = f64::from(tick) * cost;
            due += times;
            while due >= 1.0 {
                due -= 1.0;
                if let Some((joined, _)) = probe {
                    line.waits(joined, now);
                }
                if line.admits() {
                    work += cost;
                }
            }
            // Whoever measures joins behind all that stands there, and so learns of it only when it is done.
            match probe {
                None => probe = Some((now, now + work)),
                Some((joined, served)) if served <= now => {
                    line.passed(joined, now);
                    probe = None;
                }
                Some(_) => {}
            }
            let done = f64::min(work, cost);
            work -= done;
            if tick >= 50_000 {
                busy += done;
                lines.push(work * 1e3);
            }
        }
        (busy / 5.0, lines)
    }

    #[test]
    fn whatever_the_load_the_worker_stays_busy_and_the_line_about_as_long_as_it_may_be() {
        for times in [1.2, 2.0, 4.0, 10.0] {
            let (busy, mut lines) = overloaded(times);
            lines.sort_unstable_by(f64::total_cmp);
            let (median, p99) = (lines[lines.len() / 2], lines[lines.len() * 99 / 100]);
            assert!(busy > 0.95, "{times} times: {busy} busy");
            assert!(median > 3.0 && median < 30.0 && p99 < 60.0, "{times} times: {median} ms, {p99} ms");
        }
    }

    #[test]
    fn a_worker_that_can_do_it_all_refuses_nothing() {
        let (busy, lines) = overloaded(0.9);
        assert!((busy - 0.9).abs() < 0.01 && lines.iter().all(|line| *line < 1.0), "{busy}");
    }
}
