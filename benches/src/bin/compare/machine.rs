//! What the kernel tells of processes and cores (proc(5)), and where processes run.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use serde::Serialize;

/// Clock ticks a second, which Linux has fixed at this for programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Time {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Time {
    pub(crate) fn all(self) -> f64 {
        self.user + self.system
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// A process and all that come from it.
pub(crate) fn tree(process: u32) -> Vec<u32> {
    let mut children = HashMap::<u32, Vec<u32>>::new();
    for id in
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    {
        if let Some(parent) = fields(id).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut tree = vec![process];
    let mut seen = 0;
    while let Some(id) = tree.get(seen).copied() {
        tree.extend(children.remove(&id).unwrap_or_default());
        seen += 1;
    }
    tree
}

/// What processes have used so far.
pub(crate) fn time(processes: &[u32]) -> Time {
    let mut sum = Time::default();
    for fields in processes.iter().filter_map(|id| fields(*id)) {
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
        sum.user += ticks(11) / TICKS;
        sum.system += ticks(12) / TICKS;
    }
    sum
}

/// The fields of `/proc/…/stat` from the state on.
fn fields(process: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Memory that processes take, MiB; what they share is divided among them.
pub(crate) fn memory(processes: &[u32]) -> f64 {
    let of = |id: &u32| {
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix("kB")?.trim_end().parse::<f64>().ok()
    };
    processes.iter().filter_map(of).sum::<f64>() / 1024.0
}

/// Seconds that a core was busy, and seconds that the hypervisor took from it.
pub(crate) fn busy(core: usize) -> (f64, f64) {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split(' ').next() == Some(&name)).unwrap();
    let ticks: Vec<f64> = line.split_ascii_whitespace().skip(1).map(|ticks| ticks.parse().unwrap()).collect();
    let sum = [0, 1, 2, 5, 6].into_iter().map(|at| ticks[at]).sum::<f64>();
    (sum / TICKS, ticks[7] / TICKS)
}

/// A command on one core, in the real-time class where that is permitted: otherwise a build that somebody else
/// runs, however nice, takes half a core out of a round.
pub(crate) fn pinned(core: usize, program: &str) -> Command {
    static CLASS: OnceLock<[&str; 2]> = OnceLock::new();
    let class = CLASS.get_or_init(|| {
        let permitted = Command::new("chrt").args(["-f", "1", "true"]).status();
        if permitted.is_ok_and(|status| status.success()) { ["-f", "1"] } else { ["-b", "0"] }
    });
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), "chrt"]).args(class).arg(program);
    command
}

/// The machine's name for a table.
pub(crate) fn describe() -> String {
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(key));
        found.unwrap_or("?").trim_start_matches([' ', '\t', ':', '=']).trim_matches('"').to_owned()
    };
    let model = line("/proc/cpuinfo", "model name");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = line("/etc/os-release", "PRETTY_NAME");
    format!("{cores} cores of {model}, {system}, kernel {}", kernel.trim())
}

/// What a program says of its version, on one line.
pub(crate) fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
