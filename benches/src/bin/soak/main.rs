//! The soak: the real program, ten thousand idle connections, a thousand slow ones, steady calls, a deployment
//! every second. Afterwards memory must be where it was, nothing may have failed, and calls must take what they
//! took at the beginning. In the end the gateway is asked to leave under all that load, and must finish what
//! it has begun.
//!
//! ```text
//! cargo run --release -p benches --bin soak -- --minutes 5
//! ```
//!
//! Calls leave at their appointed times, whether or not earlier ones have been answered, and what they took
//! counts from that time: a gateway that stops for a second is seen by all calls of that second.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the benches that talks to its user"
)]

mod deployments;
mod idle;
mod ledger;
mod platform;
mod pulse;
mod site;
mod slow;
mod steady;
mod verdict;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::load::{Vitals, vitals};
use clap::Parser;

use crate::ledger::Window;
use crate::platform::Platform;
use crate::site::Site;
use crate::steady::Way;

/// Files this process needs beside its connections: the backend's, which is a thread of it, and others'.
const SPARE_FILES: u64 = 2_500;

/// Holds a gateway under load for a while and says whether it kept its promises.
#[derive(Parser)]
struct Arguments {
    /// How long, without getting ready.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Calls a second.
    #[arg(long, default_value_t = 200)]
    calls: u32,
    /// Deployments a second; more than one brings to light sooner what each leaves behind.
    #[arg(long, default_value_t = 1.0, value_parser = a_rate)]
    deployments: f64,
    /// What cannot be judged, because the machine stood still too often, counts as broken. Goes on for up to as long
    /// again until it can be.
    #[arg(long)]
    strict: bool,
    /// Connections that do next to nothing, half of them over TLS.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Connections that are slow at something, half of them over TLS.
    #[arg(long, default_value_t = 1_000)]
    slow: usize,
    /// The program under test. Default: the all-in-one beside this program.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where every window is kept, as a line of JSON.
    #[arg(long, default_value = "target/soak.jsonl")]
    windows: PathBuf,
}

fn a_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.01..=1_000.0).contains(&rate) { Ok(rate) } else { Err("not from 0.01 to 1000".to_owned()) }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let needed = (arguments.idle + arguments.slow) as u64 + SPARE_FILES;
    if vitals::open_files_allowed().is_some_and(|allowed| allowed < needed) {
        println!("this process may open too few files: `ulimit -n {needed}` first");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(soak(&arguments)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn soak(arguments: &Arguments) -> bool {
    let mut platform = Platform::start(arguments.program.as_deref()).await;
    let site = Arc::new(platform.site().await);
    let mut load = tokio::task::JoinSet::new();
    println!("opening {} idle and {} slow connections", arguments.idle, arguments.slow);
    let opened = Instant::now();
    idle::open(&site, arguments.idle, &mut load).await;
    slow::open(&site, arguments.slow, &mut load);
    println!("they stand after {:.1} s", opened.elapsed().as_secs_f64());
    load.spawn(pulse::beat(site.clone()));
    load.spawn(steady::calls(site.clone(), arguments.calls, Way::Through));
    load.spawn(steady::calls(site.clone(), arguments.calls, Way::Past));
    load.spawn(deployments::steadily(site.clone(), platform.desk(), arguments.deployments));
    load.spawn(deployments::fresh_tokens(site.clone(), platform.desk()));

    let windows = watch(arguments, &platform, &site).await;
    let leaving = Instant::now();
    site.leave();
    let left_in_order = platform.end().await;
    let took = leaving.elapsed();
    let patience =
        tokio::time::timeout(Duration::from_secs(40), async { while load.join_next().await.is_some() {} });
    let all_ended = patience.await.is_ok();
    let drain = verdict::Drain { left_in_order, all_ended, took, turned_away: site.ledger.turned_away() };
    verdict::print(&windows, &site.ledger, arguments.deployments, &drain).is_good(arguments.strict)
}

/// Looks at everything once a window, and tells.
async fn watch(arguments: &Arguments, platform: &Platform, site: &Site) -> Vec<Window> {
    let whole = Duration::from_secs_f64(arguments.minutes * 60.0);
    let length = (whole / 30).clamp(Duration::from_secs(1), Duration::from_secs(60));
    if let Some(folder) = arguments.windows.parent() {
        std::fs::create_dir_all(folder).unwrap();
    }
    let mut file = std::fs::File::create(&arguments.windows).unwrap();
    println!("{}", Window::HEADING);
    let started = Instant::now();
    let mut windows = Vec::new();
    let mut before = Vitals::of(platform.id()).unwrap();
    site.ledger.turn();
    let goes_on = |windows: &[Window]| match started.elapsed() {
        elapsed if elapsed < whole => true,
        elapsed => arguments.strict && elapsed < whole * 2 && !verdict::suffice(windows),
    };
    while goes_on(&windows) {
        let opened = Instant::now();
        tokio::time::sleep(length).await;
        let now = Vitals::of(platform.id()).unwrap();
        let window = Window::new(
            started.elapsed().as_secs_f64(),
            opened.elapsed().as_secs_f64(),
            site.ledger.turn(),
            &before,
            now,
        );
        before = now;
        println!("{window}");
        if window.errors > 0 {
            println!("failed so far: {:?}", site.ledger.failures());
        }
        serde_json::to_writer(&file, &window).unwrap();
        file.write_all(b"\n").unwrap();
        windows.push(window);
    }
    println!("every window is kept in {}", arguments.windows.display());
    windows
}
