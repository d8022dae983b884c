//! Twice as much as can be done: what is still answered, and what becomes of the rest.
//!
//! ```text
//! cargo run --release -p benches --bin overload
//! ```
//!
//! A gateway with one worker and all its features is asked in a closed loop first, for the most it can do. Then
//! requests arrive at twice that rate, whether or not earlier ones were answered, on as many connections as
//! there are; with shedding, and without. The gateway has a core to itself, clients and backend have another; where
//! they shared one, the clients would be what is overloaded. The machine is shared with whatever else runs, so answers
//! are counted by the processor time of the gateway's worker too: that part of its work which is not wasted is what
//! shedding is about.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the benches that talks to its user"
)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use benches::end_to_end::{Backend, Running, Scenario, request, snapshot, worker_time};
use benches::issuer::Issuer;
use benches::load::{Connection, Door, Latencies, Vitals, vitals};
use clap::Parser;
use tokio::task::JoinSet;

/// A request that finds no connection free for so long is given up, as its client would.
const GIVEN_UP: Duration = Duration::from_secs(1);

/// Files this process needs beside both ends of its connections, to the gateway and from there to the backend.
const SPARE_FILES: u64 = 100;

/// What must be left of the peak.
const GOODPUT: f64 = 0.8;

/// By how much resident memory may grow, KiB for each connection.
const MEMORY: u64 = 64;

/// Asks a gateway for twice what it can do.
#[derive(Parser)]
struct Arguments {
    /// How long each of the parts takes, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Connections.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 64)]
    closed: usize,
    /// What a call costs besides, in KiB of which a digest is made: the program has one core for clients and backend, and
    /// could not ask for twice of what is as cheap as a call of nothing else.
    #[arg(long, default_value_t = 64)]
    work: usize,
    /// How many times what can be done.
    #[arg(long, default_value_t = 2.0)]
    times: f64,
}

/// What became of the requests of one part.
#[derive(Default)]
struct Part {
    offered: usize,
    good: usize,
    refused: usize,
    /// Refused without a word when to come again.
    rude: usize,
    given_up: usize,
    broken: usize,
    /// From sending to answer, of the good ones and of the refused ones.
    took: Latencies,
    refused_after: Latencies,
}

/// A part with what it took.
struct Seen {
    part: Part,
    elapsed: f64,
    worked: f64,
    rss_kib: u64,
}

impl Seen {
    fn each_second(&self) -> f64 {
        self.part.good as f64 / self.elapsed
    }

    /// Good answers for each second of the worker's time.
    fn each_worked(&self) -> f64 {
        self.part.good as f64 / self.worked
    }

    fn row(&self, name: &str) -> String {
        let Part { offered, good, refused, given_up, broken, .. } = self.part;
        let ms = |micros: u32| f64::from(micros) / 1e3;
        let (good_p99, refused_p99) =
            (self.part.took.clone().quantiles().p99, self.part.refused_after.clone().quantiles().p99);
        format!(
            "| {name} | {:.0} | {good} | {:.0} | {:.0} | {refused} | {given_up} | {broken} | {:.1} | {:.1} | {:.0} % | {:.1} |",
            offered as f64 / self.elapsed,
            self.each_second(),
            self.each_worked(),
            ms(good_p99),
            ms(refused_p99),
            100.0 * self.worked / self.elapsed,
            self.rss_kib as f64 / 1024.0,
        )
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let needed = 4 * arguments.connections.max(arguments.closed) as u64 + SPARE_FILES;
    if vitals::open_files_allowed().is_some_and(|allowed| allowed < needed) {
        println!("this process may open too few files: `ulimit -n {needed}` first");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (closed, open, unprotected) = runtime.block_on(all(&arguments));
    println!(
        "| | offered/s | good | good/s | good per worker second | refused | given up | broken | p99 good, ms | p99 refused, ms | worker | MiB |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    println!("{}", closed.row("peak"));
    println!("{}", open.row("overload"));
    println!("{}", unprotected.row("overload, shedding off"));
    let goodput = open.each_worked() / closed.each_worked();
    let grown = open.rss_kib.saturating_sub(closed.rss_kib);
    println!("\ngoodput at {} times the peak: {:.0} % of it", arguments.times, goodput * 100.0);
    let kept = goodput >= GOODPUT
        && open.part.refused > 0
        && open.part.rude + open.part.broken == 0
        && grown <= MEMORY * arguments.connections as u64;
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// From now on this thread, and those it starts, run on this core.
fn on_core(core: usize) {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &cores) {
        println!("nothing keeps gateway and clients apart: {error}");
    }
}

async fn all(arguments: &Arguments) -> (Seen, Seen, Seen) {
    on_core(1);
    let (backend, issuer) = (Backend::start(), Issuer::default());
    let site = || snapshot(Scenario::Guarded, backend.address, &issuer);
    let requests: Arc<[String]> = (0..1_000)
        .map(|number| request(&format!("Authorization: Bearer {}\r\n", issuer.token("client", number))))
        .collect();
    let time = Duration::from_secs_f64(arguments.seconds);
    on_core(0);
    let gateway = Running::start_with(site(), arguments.work, |_| {});
    on_core(1);
    let load = |address, rate, connections| Load { address, requests: requests.clone(), rate, connections };
    load(gateway.address, None, arguments.closed).run(time / 4).await;
    let closed = load(gateway.address, None, arguments.closed).run(time).await;
    let rate = Some(closed.each_second() * arguments.times);
    let open = load(gateway.address, rate, arguments.connections).run(time).await;
    drop(gateway);
    on_core(0);
    let gateway = Running::start_with(site(), arguments.work, |config| config.shedding = None);
    on_core(1);
    let unprotected = load(gateway.address, rate, arguments.connections).run(time).await;
    (closed, open, unprotected)
}

/// Requests on a number of connections: at a rate, or each as soon as the one before is answered.
struct Load {
    address: SocketAddr,
    requests: Arc<[String]>,
    rate: Option<f64>,
    connections: usize,
}

impl Load {
    async fn run(self, time: Duration) -> Seen {
        let load = Arc::new(self);
        let mut open = Vec::with_capacity(load.connections);
        for _ in 0..load.connections {
            let mut connection = Connection::open(&Door::plain(load.address)).await.unwrap();
            // Accepting it is no part of what is measured, and is over when it has answered.
            connection.exchange(load.requests[0].as_bytes()).await.unwrap();
            open.push(connection);
        }
        let (worked, started) = (worker_time(), Instant::now());
        let next = Arc::new(AtomicU32::new(0));
        let mut clients = JoinSet::new();
        for connection in open {
            clients.spawn(client(load.clone(), connection, next.clone(), started, time));
        }
        let mut part = Part::default();
        while let Some(one) = clients.join_next().await {
            part.add(one.unwrap());
        }
        let elapsed = started.elapsed().as_secs_f64();
        let worked = (worker_time() - worked).as_secs_f64();
        part.offered = load.rate.map_or(part.offered, |rate| (rate * elapsed) as usize);
        Seen { part, elapsed, worked, rss_kib: Vitals::of(std::process::id()).unwrap().rss_kib }
    }
}

/// Takes the next request whenever its connection is free.
async fn client(
    load: Arc<Load>,
    mut connection: Connection,
    next: Arc<AtomicU32>,
    started: Instant,
    time: Duration,
) -> Part {
    let mut part = Part::default();
    loop {
        let number = next.fetch_add(1, Relaxed);
        if let Some(rate) = load.rate {
            let appointed = started + Duration::from_secs_f64(f64::from(number) / rate);
            tokio::time::sleep_until(appointed.into()).await;
            if appointed.elapsed() > GIVEN_UP {
                part.given_up += 1;
                // Those that are as late need not each be looked at in turn with nothing between them.
                tokio::task::yield_now().await;
                if started.elapsed() < time {
                    continue;
                }
            }
        }
        if started.elapsed() >= time {
            return part;
        }
        part.offered += 1;
        let sent = Instant::now();
        let request = &load.requests[number as usize % load.requests.len()];
        match connection.exchange(request.as_bytes()).await {
            Ok((head, _)) if head.status == 200 => {
                part.good += 1;
                part.took.record(sent.elapsed());
            }
            Ok((head, _)) if head.status == 503 => {
                part.refused += 1;
                part.rude += usize::from(!head.retry_after);
                part.refused_after.record(sent.elapsed());
            }
            _ => {
                part.broken += 1;
                match Connection::open(&Door::plain(load.address)).await {
                    Ok(another) => connection = another,
                    Err(_) => return part,
                }
            }
        }
    }
}

impl Part {
    fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.good += other.good;
        self.refused += other.refused;
        self.rude += other.rude;
        self.given_up += other.given_up;
        self.broken += other.broken;
        self.took.append(other.took);
        self.refused_after.append(other.refused_after);
    }
}
