//! One proxy under load for some seconds.

use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::contender::{Backend, Contender, Site};
use crate::material::Material;
use crate::scenario::{Load, Scenario};
use crate::{Arguments, machine, material};

/// A round in which others took more than this share of the proxy's core is repeated.
const MOST_FOREIGN: f64 = 0.15;
/// How often.
const REPEATS: usize = 4;

/// More tokens than any proxy here verifies in a second.
const FRESH_EACH_SECOND: usize = 25_000;

/// What a round showed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// Processor time of the proxy for each request, microseconds.
    pub(crate) cost_us: f64,
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) memory_mib: f64,
    /// Shares of a core: the proxy of its own, backend of the other, and whoever else of the proxy's.
    pub(crate) proxy_core: f64,
    pub(crate) backend_core: f64,
    pub(crate) foreign: f64,
    /// Answers that were no success, and broken connections.
    pub(crate) errors: u64,
}

/// All rounds of one contender.
#[derive(Debug, Serialize)]
pub(crate) struct Rounds {
    pub(crate) name: &'static str,
    pub(crate) idle_memory_mib: f64,
    pub(crate) rounds: Vec<Round>,
}

/// Rounds of all contenders in turn, after one of warming up for each.
pub(crate) fn all(
    scenario: &Scenario,
    contenders: &[Contender],
    site: &Site,
    backend: &Backend,
    material: &Material,
    arguments: &Arguments,
) -> Vec<Rounds> {
    let empty = |contender: &Contender| Rounds {
        name: contender.kind.name(),
        idle_memory_mib: contender.idle_memory,
        rounds: Vec::new(),
    };
    let mut all: Vec<_> = contenders.iter().map(empty).collect();
    let mut sent = vec![0; contenders.len()];
    for (contender, sent) in contenders.iter().zip(&mut sent) {
        let source = Source::of(scenario, contender, material);
        *sent += wrk(&source, scenario, contender, site, 1, *sent).requests;
    }
    for number in 1..=arguments.rounds {
        for (index, contender) in contenders.iter().enumerate() {
            let source = Source::of(scenario, contender, material);
            let mut repeats = 0;
            let round = loop {
                let round = one(scenario, contender, &source, site, backend, arguments.seconds, sent[index]);
                sent[index] += round.requests;
                eprintln!(
                    "{} {number} {:<30} {:6.2} µs (user {:5.2}, system {:5.2}) {:7.0}/s p50 {:.3} p99 {:.3} ms foreign {:.2} errors {}",
                    scenario.name,
                    contender.kind.name(),
                    round.cost_us,
                    round.user_us,
                    round.system_us,
                    round.per_second,
                    round.median_ms,
                    round.p99_ms,
                    round.foreign,
                    round.errors,
                );
                // Few connections leave the core idle most of the time, and others may have that.
                let disturbed = round.foreign > MOST_FOREIGN && scenario.connections > 4;
                if !disturbed || repeats == REPEATS {
                    break round;
                }
                repeats += 1;
                sleep(Duration::from_secs(1));
            };
            all[index].rounds.push(round);
        }
    }
    all
}

fn one(
    scenario: &Scenario,
    contender: &Contender,
    source: &Source<'_>,
    site: &Site,
    backend: &Backend,
    seconds: u64,
    sent: u64,
) -> Round {
    let (proxies, backends) = (contender.processes(), backend.processes());
    let look = || {
        (machine::time(&proxies), machine::busy(site.proxy_core), machine::time(&backends), Instant::now())
    };
    let before = look();
    let said = wrk(source, scenario, contender, site, seconds, sent);
    let after = look();
    let elapsed = (after.3 - before.3).as_secs_f64();
    let used = after.0.since(before.0);
    let each = |seconds: f64| seconds / said.requests as f64 * 1e6;
    let others = (after.1.0 - before.1.0 - used.all()).max(0.0) + (after.1.1 - before.1.1);
    Round {
        requests: said.requests,
        per_second: said.requests as f64 / said.seconds,
        cost_us: each(used.all()),
        user_us: each(used.user),
        system_us: each(used.system),
        median_ms: said.median_ms,
        p99_ms: said.p99_ms,
        memory_mib: machine::memory(&proxies),
        proxy_core: used.all() / elapsed,
        backend_core: after.2.since(before.2).all() / elapsed,
        foreign: others / elapsed,
        errors: said.errors,
    }
}

/// Where requests come from.
enum Source<'a> {
    Script(&'static str),
    File(std::borrow::Cow<'a, Path>),
}

impl<'a> Source<'a> {
    fn of(scenario: &Scenario, contender: &Contender, material: &'a Material) -> Self {
        match scenario.load {
            Load::Get => Self::File(material.open.as_path().into()),
            Load::Tokens => Self::File(material.secured.as_path().into()),
            Load::FreshTokens => Self::File(material.fresh.as_path().into()),
            Load::EveryApi => Self::File(material.apis(contender.kind.apis()).into()),
            Load::Post => Self::Script(include_str!("../../../peers/post.lua")),
        }
    }
}

/// What wrk says.
struct Said {
    requests: u64,
    seconds: f64,
    median_ms: f64,
    p99_ms: f64,
    errors: u64,
}

fn wrk(
    source: &Source<'_>,
    scenario: &Scenario,
    contender: &Contender,
    site: &Site,
    seconds: u64,
    sent: u64,
) -> Said {
    let script = site.folder.join("wrk.lua");
    let text = match source {
        Source::Script(text) => text,
        Source::File(_) => include_str!("../../../peers/requests.lua"),
    };
    std::fs::write(&script, text).unwrap();
    let mut command = machine::pinned(site.load_core, "wrk");
    command
        .args(["-t1", "--latency", "--timeout", "10s"])
        .arg(format!("-c{}", scenario.connections))
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(&script)
        .args(["-H", "Host: bench.local"])
        .arg(format!("http://127.0.0.1:{}/api-0/1.0.0/items/17", contender.port))
        .stdin(Stdio::null());
    if let Source::File(path) = source {
        command.env("BENCH_REQUESTS", path.as_os_str());
    }
    if scenario.load == Load::FreshTokens {
        // A stretch that is more than one round uses, and begins where the last one ended.
        let take = FRESH_EACH_SECOND * seconds as usize;
        let stretches = material::FRESH / take;
        let skip = (sent as usize).div_ceil(take) % stretches * take;
        command.env("BENCH_SKIP", skip.to_string()).env("BENCH_TAKE", take.to_string());
    }
    let output = command.output().unwrap_or_else(|error| panic!("cannot run wrk: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    said(&text).unwrap_or_else(|| panic!("wrk said:\n{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn said(text: &str) -> Option<Said> {
    let (requests, rest) = text.lines().find_map(|line| line.trim().split_once(" requests in "))?;
    let percentile = |name: &str| {
        // Its other table has a column by that name, in another place.
        let line =
            text.lines().find_map(|line| line.strip_prefix("    ")?.trim_start().strip_prefix(name))?;
        millis(line.trim())
    };
    let errors = text.lines().filter_map(|line| {
        let line = line.trim();
        let counts =
            line.strip_prefix("Socket errors: ").or(line.strip_prefix("Non-2xx or 3xx responses: "))?;
        Some(counts.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>())
    });
    Some(Said {
        requests: requests.parse().ok().filter(|requests| *requests > 0)?,
        seconds: millis(rest.split(',').next()?)? / 1e3,
        median_ms: percentile("50%")?,
        p99_ms: percentile("99%")?,
        errors: errors.sum(),
    })
}

/// A time as wrk writes it, in milliseconds.
fn millis(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}
