//! The gateway beside nginx, HAProxy and Envoy: what one request costs each of them, in one run.
//!
//! Every proxy has one worker, pinned to one core; backend and load share the other. Short rounds go A B C D,
//! A B C D, …, so that what else happens on the machine happens to all. The figure is the processor time of the
//! proxy's processes for each request, system calls included. Before anything is measured each proxy has to
//! show that it does the work, and refuses what it must. `benches/README.md` says how to install the peers and
//! how to read the tables.
//!
//! The gateway is the `gateway` example's own [`Node`](gateway::Node), run by this very program under another
//! name, with APIs made up in memory.

#![allow(clippy::unwrap_used, reason = "a comparison that cannot be set up must not go on")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

mod contender;
mod machine;
mod material;
mod proof;
mod round;
mod scenario;
mod subject;
mod table;
mod train;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use contender::Site;
use material::{FRESH, Material};
use scenario::{SCENARIOS, Scenario};
use table::Measured;

/// Compares the gateway with nginx, HAProxy and Envoy.
#[derive(Parser)]
#[command(name = "compare")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Only these scenarios, by their short names. Default: all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,

    /// Rounds of each scenario.
    #[arg(long, default_value_t = 9)]
    rounds: usize,

    /// Seconds of each round; many short ones are better than few long ones.
    #[arg(long, default_value_t = 2)]
    seconds: u64,

    /// Envoy's program. Default: `envoy` from the path; without it Envoy's columns stay empty.
    #[arg(long, default_value = "envoy")]
    envoy: PathBuf,

    /// A folder for configurations, logs, tokens and results.
    #[arg(long, default_value = "target/compare")]
    folder: PathBuf,

    /// The core of the proxies, and that of the load and the backend.
    #[arg(long, default_value = "0,1", value_delimiter = ',')]
    cores: Vec<usize>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway itself. For the comparison's own use.
    Gateway(Box<subject::Arguments>),
    /// Has the gateway called in many ways, for a build that learns from it (`benches/optimise`).
    Train {
        /// How long each of two gateways is called, in seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seconds = match arguments.command {
        Some(Command::Gateway(gateway)) => return launch::run("gateway", subject::serve(*gateway)),
        Some(Command::Train { seconds }) => Some(seconds),
        None => None,
    };
    let &[proxy_core, load_core] = &arguments.cores[..] else {
        eprintln!("--cores wants two numbers");
        return ExitCode::FAILURE;
    };
    std::fs::create_dir_all(&arguments.folder).unwrap();
    let folder = arguments.folder.canonicalize().unwrap();
    let site = Site { folder, envoy: arguments.envoy.clone(), proxy_core, load_core };
    match seconds {
        None => compare(&arguments, &site),
        Some(seconds) => {
            let material = Material::make(&site.folder, UNSEEN);
            train::train(&site, &material, Duration::from_secs(seconds));
        }
    }
    ExitCode::SUCCESS
}

/// Tokens that a lesson has beside those that come again.
const UNSEEN: usize = 8_000;

fn compare(arguments: &Arguments, site: &Site) {
    let wanted = |scenario: &&Scenario| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| *name == scenario.name)
    };
    let chosen: Vec<_> = SCENARIOS.iter().filter(wanted).collect();
    let fresh = chosen.iter().any(|scenario| scenario.wants_fresh_tokens());
    let folder = &site.folder;
    let material = Material::make(folder, if fresh { FRESH } else { 0 });
    let backend = site.backend();
    let mut measured = Vec::new();
    for scenario in chosen {
        eprintln!("{}: {}", scenario.name, scenario.what);
        let contenders = site.start(scenario, &material);
        proof::of_work(&contenders, &material);
        let rounds = round::all(scenario, &contenders, site, &backend, &material, arguments);
        measured.push(Measured { scenario, rounds });
    }
    let text = table::markdown(&measured);
    println!("{text}");
    std::fs::write(folder.join("tables.md"), &text).unwrap();
    std::fs::write(folder.join("rounds.json"), table::json(&measured)).unwrap();
    eprintln!("tables and every round: {}/tables.md, rounds.json", folder.display());
}
