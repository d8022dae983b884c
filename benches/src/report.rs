//! The report: every subject on one line.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use stats_alloc::Region;

use crate::Subject;

/// The allocator of a process that counts; the report's own binary installs it.
pub type Heap = stats_alloc::StatsAlloc<std::alloc::System>;

/// Rounds of which the quickest counts: other work on the machine only ever adds.
const ROUNDS: usize = 12;

/// How long a round takes.
const ROUND: Duration = Duration::from_millis(50);

/// What doing something once costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Nanoseconds, in the quickest round.
    pub nanoseconds: f64,
    /// Allocations, with those that grow one.
    pub allocations: f64,
    /// Bytes allocated.
    pub bytes: f64,
}

impl Cost {
    /// Measures a subject.
    pub fn of(subject: &mut Subject, heap: &Heap) -> Self {
        let run = &mut subject.run;
        let time = |times: u32, run: &mut dyn FnMut()| {
            let started = Instant::now();
            (0..times).for_each(|_| run());
            started.elapsed()
        };
        // Warm, and find out how often it can be done in a round.
        let mut times = 1;
        while time(times, run) < ROUND / 4 {
            times *= 2;
        }
        let times = times * 4;
        let quickest = (0..ROUNDS).map(|_| time(times, run)).min().unwrap_or_default();
        let region = Region::new(heap);
        (0..1000).for_each(|_| run());
        let counted = region.change();
        Self {
            nanoseconds: quickest.as_nanos() as f64 / f64::from(times),
            allocations: (counted.allocations + counted.reallocations) as f64 / 1000.0,
            bytes: counted.bytes_allocated as f64 / 1000.0,
        }
    }
}

/// A table of costs, in Markdown.
#[derive(Debug, Default)]
pub struct Table(String);

impl Table {
    /// Begins a group.
    pub fn group(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n| {name:<58} | ns each | each second | allocations | bytes |");
        let _ = writeln!(self.0, "|{:-<60}|--------:|------------:|------------:|------:|", "");
    }

    /// Adds a line.
    pub fn line(&mut self, name: &str, cost: Cost) {
        let Cost { nanoseconds, allocations, bytes } = cost;
        let each_second = 1e9 / nanoseconds;
        let _ = writeln!(
            self.0,
            "| {name:<58} | {nanoseconds:>7.0} | {each_second:>11.0} | {allocations:>11.1} | {bytes:>5.0} |"
        );
    }

    /// Adds a remark below the group.
    pub fn remark(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{text}");
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}
