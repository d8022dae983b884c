//! How a process is: its memory, its processor time, its open files (proc(5)).

use std::io;
use std::time::Duration;

use serde::Serialize;

/// Clock ticks a second, which Linux has fixed at this for programs (`USER_HZ`).
const TICKS: u64 = 100;

/// A process at one moment.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Vitals {
    /// Resident memory, KiB.
    pub rss_kib: u64,
    /// Processor time so far, user and system, milliseconds.
    pub cpu_ms: u64,
    /// Open file descriptors.
    pub files: u64,
}

impl Vitals {
    /// Looks at a process.
    ///
    /// # Errors
    ///
    /// If there is none of that id.
    pub fn of(process: u32) -> io::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let files = std::fs::read_dir(format!("/proc/{process}/fd"))?.count();
        Ok(Self {
            rss_kib: resident(&status).ok_or_else(|| io::Error::other("no VmRSS"))?,
            cpu_ms: ticks(&stat).ok_or_else(|| io::Error::other("no times"))? * 1000 / TICKS,
            files: files as u64,
        })
    }

    /// Processor time since an earlier look.
    pub fn worked_since(&self, earlier: &Self) -> Duration {
        Duration::from_millis(self.cpu_ms.saturating_sub(earlier.cpu_ms))
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

/// User and system time: the twelfth and thirteenth after the name, which may itself contain spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// How many files this process may open at most.
pub fn open_files_allowed() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_look_at_itself() {
        let vitals = Vitals::of(std::process::id()).unwrap();
        assert!(vitals.rss_kib > 500 && vitals.files >= 3, "{vitals:?}");
        assert!(open_files_allowed().unwrap() > 10);
    }

    #[test]
    fn a_name_with_spaces_and_brackets_is_no_hindrance() {
        assert_eq!(ticks("7 (a ) b) S 1 1 1 0 -1 4 0 0 0 0 31 11 0 0 20"), Some(42));
    }
}
