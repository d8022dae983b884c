//! What every process tells Prometheus of itself, from `/proc`; nothing where there is none.

use std::fs;

use super::Kind;
use super::exposition::Exposition;

/// What Linux counts processor time in, for programs: always hundredths of seconds.
const TICKS: f64 = 100.0;

pub(super) fn write(out: &mut Exposition) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        let name = "process_cpu_seconds_total";
        out.family(name, "User and system time spent", "counter");
        out.sample(name, &[], stat.cpu / TICKS);
        out.single("process_threads", "Threads", Kind::Gauge, stat.threads);
        if let Some(booted) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot) {
            let name = "process_start_time_seconds";
            out.family(name, "When the process started, since the epoch", "gauge");
            out.sample(name, &[], booted + stat.started / TICKS);
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (key, name, help) in [
        ("VmRSS:", "process_resident_memory_bytes", "Resident memory"),
        ("VmSize:", "process_virtual_memory_bytes", "Virtual memory"),
    ] {
        if let Some(kibibytes) = number_after(&status, key) {
            out.single(name, help, Kind::Gauge, kibibytes * 1024);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        out.single("process_open_fds", "Open file descriptors", Kind::Gauge, open.count() as u64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = number_after(&limits, "Max open files") {
        out.single("process_max_fds", "File descriptors that may be open", Kind::Gauge, most);
    }
}

/// The first number in the line that begins so.
fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Some of `/proc/self/stat` (proc(5)).
struct Stat {
    /// In ticks.
    cpu: f64,
    threads: u64,
    /// In ticks since the machine booted.
    started: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything.
        let rest = &text[text.rfind(')')? + 1..];
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let user: f64 = field(14)?.parse().ok()?;
        let system: f64 = field(15)?.parse().ok()?;
        Some(Self {
            cpu: user + system,
            threads: field(20)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let text = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 12345 1 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.threads, stat.cpu as u64, stat.started as u64), (9, 200, 12345));
        assert_eq!(
            number_after("Max open files            1024                 4096", "Max open files"),
            Some(1024)
        );
    }
}
