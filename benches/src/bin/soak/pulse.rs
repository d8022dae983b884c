//! Whether the machine goes on.
//!
//! A machine that is shared stands still at times: another program has a class of its own, or the host has something
//! else to do. Gateway, clients and backend then lie still together, and all that was appointed meanwhile is due at
//! once. A gateway that refuses part of that does what it should.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::site::Site;

/// How often this program looks at the clock.
const BEAT: Duration = Duration::from_millis(20);

/// How long it may be until it looks again. Compilers beside it make it tens of milliseconds late, not hundreds.
const LATE: Duration = Duration::from_millis(300);

/// For how long what fails after a standstill is put down to it: for as long as a client waits, and the gateway works
/// off what has come together.
const AFTERMATH: Duration = Duration::from_secs(15);

/// When this program has last looked at the clock, and when the machine has last stood still.
#[derive(Default)]
pub(crate) struct Pulse(Mutex<Beats>);

#[derive(Default)]
struct Beats {
    last: Option<Instant>,
    still: Option<Instant>,
}

impl Pulse {
    /// Whether the machine has stood still since the last beat.
    fn beats(&self, now: Instant) -> bool {
        let mut beats = self.0.lock().unwrap();
        let still = beats.last.replace(now).is_some_and(|last| now > last + LATE);
        if still {
            beats.still = Some(now);
        }
        still
    }

    /// Whether what fails now may be the machine's doing: it has stood still not long ago, or does so for all that is
    /// known yet.
    pub(crate) fn is_shaken(&self, now: Instant) -> bool {
        let beats = self.0.lock().unwrap();
        beats.last.is_some_and(|last| now > last + LATE)
            || beats.still.is_some_and(|still| now < still + AFTERMATH)
    }
}

/// Notes each time the machine has stood still.
pub(crate) async fn beat(site: Arc<Site>) {
    while !site.is_leaving() {
        if site.ledger.pulse.beats(Instant::now()) {
            site.ledger.stood_still();
        }
        tokio::time::sleep(BEAT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_the_machines_doing_from_a_missed_beat_until_some_time_after_it() {
        let (pulse, start) = (Pulse::default(), Instant::now());
        let at = |millis: u64| start + Duration::from_millis(millis);
        assert!(!pulse.beats(at(0)) && !pulse.is_shaken(at(10)));
        assert!(!pulse.beats(at(150)) && !pulse.is_shaken(at(400)));
        assert!(pulse.is_shaken(at(2_000)), "a beat is overdue");
        assert!(pulse.beats(at(2_010)) && pulse.is_shaken(at(2_020)));
        (2_100..17_000).step_by(100).for_each(|millis| assert!(!pulse.beats(at(millis))));
        assert!(pulse.is_shaken(at(17_000)) && !pulse.is_shaken(at(17_020)));
    }
}
