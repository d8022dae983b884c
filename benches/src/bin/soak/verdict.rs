//! What was promised, and whether it was kept.

use std::time::Duration;

use benches::load::Quantiles;
use benches::load::latency::median;

use crate::ledger::{Ledger, Window};

/// Of the windows, those in which everything still finds its place. They count for errors only.
const WARM_UP: f64 = 0.2;

/// By how much memory may have grown from the first third to the last: a hundredth, or so many KiB.
const GROWTH: (u64, u64) = (100, 4 << 10);

/// By how much the p99 may have grown, in percent, and microseconds that do not matter. Where calls past the
/// gateway have become slower too, it may grow with them.
const SLOWER: (u64, u64) = (150, 2_000);

/// Of the windows, the least by which memory, files, latency and deployments can be judged; and the fewest.
const ENOUGH: f64 = 0.3;
const FEWEST: usize = 3;

/// Of all that was asked, one in so many may have been given up because of the machine. Where it was more, what was
/// answered says little about the rest.
const GIVEN_UP: u64 = 10;

/// Open files that may have come.
const FILES: u64 = 50;

/// How the gateway left.
pub(crate) struct Drain {
    pub(crate) left_in_order: bool,
    pub(crate) all_ended: bool,
    pub(crate) took: Duration,
    pub(crate) turned_away: u64,
}

/// What became of the promises.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    broken: usize,
    unjudged: usize,
}

impl Verdict {
    /// Whether no promise was broken. Strictly, whether each was found to be kept.
    pub(crate) fn is_good(self, strict: bool) -> bool {
        self.broken == 0 && !(strict && self.unjudged > 0)
    }
}

/// Whether enough was seen of a machine that went on for everything to be judged.
pub(crate) fn suffice(windows: &[Window]) -> bool {
    // The windows after the last standstill are some of those without one.
    are_enough(settled(windows).len(), windows)
}

fn are_enough(some: usize, windows: &[Window]) -> bool {
    some >= FEWEST && some as f64 >= windows.len() as f64 * ENOUGH
}

/// Prints each promise with what was seen, where so many deployments a second were asked for.
pub(crate) fn print(windows: &[Window], ledger: &Ledger, rate: f64, drain: &Drain) -> Verdict {
    let settled = settled(windows);
    let judged = suffice(windows);
    let third = settled.len().div_ceil(3);
    let first = settled.get(..third).unwrap_or_default();
    let last = settled.get(settled.len() - third..).unwrap_or_default();
    println!("\n| promise | seen | |\n|---|---|---|");
    let mut all = Verdict::default();
    let mut promise = |name: &str, seen: String, holds: Option<bool>| {
        let verdict = match holds {
            Some(true) => "kept",
            Some(false) => "BROKEN",
            None => "NOT JUDGED: the machine stood still too often, or the soak was too short",
        };
        println!("| {name} | {seen} | {verdict} |");
        all.broken += usize::from(holds == Some(false));
        all.unjudged += usize::from(holds.is_none());
    };
    let calls: usize = windows.iter().map(|window| window.calls).sum();
    let others: u64 = windows.iter().map(|window| window.idle_exchanges + window.slow_exchanges).sum();
    let failures = ledger.failures();
    let failed: u64 = failures.values().sum();
    let mut seen = format!("{failed} of {calls} calls and {others} others");
    if ledger.stalls() > 0 {
        seen += &format!("; {} given up, since the machine stood still", ledger.stalls());
    }
    let answered = calls as u64 + others;
    let heard = answered > 0 && ledger.stalls() <= (answered + ledger.stalls()) / GIVEN_UP;
    promise("no request fails", seen, (heard || failed > 0).then_some(failed == 0));

    let memory = |part: &[Window]| median(part.iter().map(|window| window.vitals.rss_kib));
    let (before, after) = (memory(first), memory(last));
    let seen = format!("{:.1} MiB, then {:.1} MiB", before as f64 / 1024.0, after as f64 / 1024.0);
    let allowed = before + (before / GROWTH.0).max(GROWTH.1);
    promise("memory is flat", seen, judged.then_some(after <= allowed));

    let files = |part: &[Window]| median(part.iter().map(|window| window.vitals.files));
    let (before, after) = (files(first), files(last));
    let seen = format!("{before}, then {after}");
    promise("so are open files", seen, judged.then_some(after <= before + FILES));

    let p99 = |part: &[Window], of: fn(&Window) -> Quantiles| {
        median(part.iter().map(|window| u64::from(of(window).p99)))
    };
    let (before, after) = (p99(first, |window| window.latency), p99(last, |window| window.latency));
    let (past_before, past_after) = (p99(first, |window| window.past), p99(last, |window| window.past));
    let ms = |micros: u64| micros as f64 / 1e3;
    let seen = format!(
        "{:.2} ms, then {:.2} ms; past the gateway {:.2} ms, then {:.2} ms",
        ms(before),
        ms(after),
        ms(past_before),
        ms(past_after)
    );
    let allowed = (before * SLOWER.0 / 100).max(before + SLOWER.1);
    let allowed = allowed.max(allowed * past_after / past_before.max(1));
    promise("p99 is steady", seen, judged.then_some(after <= allowed));

    let undisturbed = || windows.iter().filter(|window| window.standstills == 0);
    let deployments: usize = undisturbed().map(|window| window.deployments).sum();
    let seconds: f64 = undisturbed().map(|window| window.length).sum();
    let slowest = undisturbed().map(|window| window.seen.max).max().unwrap_or_default();
    let seen =
        format!("{deployments} in {seconds:.0} s, the slowest seen after {:.1} ms", ms(slowest.into()));
    let watched = are_enough(undisturbed().count(), windows);
    let keep_pace = deployments as f64 >= seconds * rate * 0.9;
    promise("deployments keep pace", seen, watched.then_some(keep_pace));

    let in_order = drain.left_in_order && drain.all_ended;
    let took = drain.took.as_secs_f64();
    let seen = format!("after {took:.1} s; {} came too late and were turned away", drain.turned_away);
    promise("it leaves in order, finishing what it has begun", seen, Some(in_order));
    for (words, times) in failures {
        println!("\n{times} × {words}");
    }
    all
}

/// The windows after which nothing had to find its place any more: not at the beginning, and not after the machine had
/// stood still, since what comes together then takes more memory and connections than ever before.
fn settled(windows: &[Window]) -> &[Window] {
    let warm = (windows.len() as f64 * WARM_UP).ceil() as usize;
    let still = windows.iter().rposition(|window| window.standstills > 0);
    // What is due at once after it is done in the window after it.
    let settled = still.map_or(warm, |still| warm.max(still + 2));
    windows.get(settled..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use benches::load::Vitals;

    use super::*;
    use crate::ledger::Counts;

    /// Thirty windows, each made by its number.
    fn windows(make: impl Fn(u32, &mut Window)) -> Vec<Window> {
        let window = |number: u32| {
            let mut window = Window::new(
                f64::from(number + 1),
                1.0,
                Counts::default(),
                &Vitals::default(),
                Vitals::default(),
            );
            window.deployments = 1;
            window.calls = 10;
            window.latency.p99 = 10_000;
            window.past.p99 = 1_000;
            make(number, &mut window);
            window
        };
        (0..30).map(window).collect()
    }

    fn verdict(windows: &[Window], ledger: &Ledger) -> Verdict {
        let drain = Drain { left_in_order: true, all_ended: true, took: Duration::ZERO, turned_away: 0 };
        print(windows, ledger, 1.0, &drain)
    }

    fn kept(windows: &[Window]) -> bool {
        verdict(windows, &Ledger::default()).is_good(false)
    }

    #[test]
    fn what_stays_as_it_was_is_a_promise_kept() {
        assert!(kept(&windows(|_, _| {})));
    }

    #[test]
    fn what_happens_while_everything_finds_its_place_does_not_count() {
        assert!(kept(&windows(|number, window| {
            window.vitals.rss_kib = 100_000 + u64::from(number.min(5)) * 10_000;
            window.latency.p99 = if number < 5 { 1 } else { 10_000 };
        })));
    }

    #[test]
    fn memory_that_goes_on_growing_breaks_a_promise() {
        assert!(!kept(&windows(|number, window| window.vitals.rss_kib = 100_000 + u64::from(number) * 500)));
        assert!(!kept(&windows(|number, window| window.vitals.files = 100 + u64::from(number) * 10)));
    }

    #[test]
    fn what_a_machine_that_stood_still_leaves_behind_is_not_held_against_the_gateway() {
        let grown = |number: u32, window: &mut Window| {
            window.vitals.rss_kib = if number < 12 { 100_000 } else { 200_000 };
            window.standstills = usize::from(number == 11);
            window.deployments = usize::from(number != 11);
        };
        assert!(kept(&windows(grown)));
        assert!(!kept(&windows(|number, window| {
            grown(number, window);
            window.vitals.rss_kib += u64::from(number) * 5_000;
        })));
    }

    #[test]
    fn where_so_little_is_left_that_nothing_can_be_said_it_is_good_for_the_lenient_only() {
        let late = windows(|number, window| {
            window.vitals.rss_kib = 100_000 + u64::from(number) * 5_000;
            window.standstills = usize::from(number == 25);
        });
        let said = verdict(&late, &Ledger::default());
        assert_eq!((said, suffice(&late)), (Verdict { broken: 0, unjudged: 3 }, false));
        assert!(said.is_good(false) && !said.is_good(true));
        let always = windows(|_, window| window.standstills = 1);
        assert_eq!(verdict(&always, &Ledger::default()).unjudged, 4, "nor of deployments");
        assert_eq!(verdict(&[], &Ledger::default()).unjudged, 5);

        // A tenth may be given up.
        let (steady, ledger) = (windows(|_, _| {}), Ledger::default());
        (0..33).for_each(|_| ledger.stalled());
        assert!(verdict(&steady, &ledger).is_good(true));
        ledger.stalled();
        assert_eq!(verdict(&steady, &ledger), Verdict { broken: 0, unjudged: 1 });
        // What has failed has failed all the same.
        ledger.failed("a call", &std::io::Error::other("503"));
        assert_eq!(verdict(&steady, &ledger), Verdict { broken: 1, unjudged: 0 });
    }

    #[test]
    fn calls_that_grow_slower_break_one_unless_the_whole_machine_did() {
        assert!(!kept(&windows(|number, window| window.latency.p99 = 10_000 + number * 1_000)));
        assert!(kept(&windows(|number, window| {
            window.latency.p99 = 10_000 + number * 1_000;
            window.past.p99 = 1_000 + number * 100;
        })));
    }

    #[test]
    fn so_does_an_error_or_a_second_without_a_deployment() {
        assert!(!kept(&windows(|number, window| window.deployments = usize::from(number % 2 == 0))));
        let ledger = Ledger::default();
        ledger.failed("a call", &std::io::Error::other("503"));
        assert!(!verdict(&windows(|_, _| {}), &ledger).is_good(false));
    }
}
