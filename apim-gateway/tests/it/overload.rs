//! A worker that is asked for more than it can do goes on doing what it can.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use apim_core::{Body, Peer, Shutdown, Worker};
use apim_gateway::Gateway;
use apim_gateway::metrics::Metrics;
use apim_gateway::server::{Serve, Server, ServerConfig, Shedding, Traffic};
use http::{Request, Response};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::bench::{LIMIT, Wire};
use crate::gateway::page::Page;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What a request costs: the worker's time, or only its client's.
#[derive(Clone)]
enum Costs {
    Work(Duration),
    /// Work of so many milliseconds, as the test says at the time.
    Varying(Arc<AtomicU64>),
    Patience(Duration),
}

impl Serve for Costs {
    type Reply = Response<Body>;

    async fn serve(&self, _: &mut Request<Body>, _: Peer, _: Worker) -> Response<Body> {
        match self {
            Self::Work(time) => work(*time),
            Self::Varying(millis) => work(Duration::from_millis(millis.load(Relaxed))),
            Self::Patience(time) => tokio::time::sleep(*time).await,
        }
        Response::new(Body::from("ok"))
    }
}

fn work(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A server with one worker, until the sender is dropped.
fn start(costs: Costs, change: impl FnOnce(&mut ServerConfig)) -> (SocketAddr, oneshot::Sender<()>) {
    let (address, stop, _) = start_counting(costs, change);
    (address, stop)
}

fn start_counting(
    costs: Costs,
    change: impl FnOnce(&mut ServerConfig),
) -> (SocketAddr, oneshot::Sender<()>, Traffic) {
    let mut config = ServerConfig::default();
    config.http = Some(([127, 0, 0, 1], 0).into());
    config.workers = 1;
    change(&mut config);
    let bound = Server::new(costs, config).bind().unwrap();
    let address = bound.http_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let traffic = bound.traffic();
    tokio::spawn(bound.run(Shutdown::new(async { drop(stopped.await) })));
    (address, stop, traffic)
}

/// What a crowd of clients got, each asking as soon as it was answered.
#[derive(Default)]
struct Got {
    answered: usize,
    refused: usize,
    /// How long it took to be answered for those who had been answered before: who was refused waits for longer.
    took: Vec<Duration>,
}

impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered, {} refused", self.answered, self.refused)
    }
}

impl Got {
    /// Half of them took no longer.
    fn median(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() / 2]
    }
}

async fn crowd(address: SocketAddr, clients: usize, time: Duration) -> Got {
    let mut crowd = JoinSet::new();
    let until = Instant::now() + time;
    for _ in 0..clients {
        crowd.spawn(async move {
            let mut wire = Wire::connect(address).await;
            let (mut got, mut welcome) = (Got::default(), false);
            while Instant::now() < until {
                let asked = Instant::now();
                let answer = wire.ask(GET).await;
                match answer.status() {
                    "200" => {
                        got.answered += 1;
                        if std::mem::replace(&mut welcome, true) {
                            got.took.push(asked.elapsed());
                        }
                    }
                    "503" => {
                        welcome = false;
                        assert_eq!(answer.header("retry-after"), Some("1"));
                        assert_eq!(answer.header("connection"), None, "{}", answer.head);
                        assert!(answer.text().contains("Service Unavailable"), "{}", answer.text());
                        got.refused += 1;
                    }
                    status => panic!("{status} {}", answer.text()),
                }
            }
            got
        });
    }
    let mut all = Got::default();
    while let Some(got) = crowd.join_next().await {
        let mut got = got.unwrap();
        all.took.append(&mut got.took);
        all.answered += got.answered;
        all.refused += got.refused;
    }
    all
}

/// What a server has counted of those whom it did not let in.
#[derive(Debug, PartialEq)]
struct Shed {
    overload: usize,
    in_flight: usize,
}

async fn shed(traffic: Traffic) -> Shed {
    let metrics = Metrics::new(1, 1);
    metrics.watch(traffic);
    let page = Page::read(&metrics.exposition(&Gateway::builder().build().await.unwrap()));
    let count =
        |reason: &str| page.count(&format!("apim_gateway_requests_shed_total{{reason=\"{reason}\"}}"));
    Shed { overload: count("overload"), in_flight: count("in_flight") }
}

/// Two milliseconds of work for each request of two hundred clients are a line of 400 ms, whatever the machine.
const DEAR: Costs = Costs::Work(Duration::from_millis(2));

#[tokio::test]
async fn a_worker_that_cannot_keep_up_refuses_some_and_goes_on_answering_the_rest() {
    let (address, _stop, traffic) = start_counting(DEAR, |_| {});
    let got = crowd(address, 200, Duration::from_secs(2)).await;
    assert!(got.refused > 20, "{got:?}");
    assert_eq!(shed(traffic).await, Shed { overload: got.refused, in_flight: 0 });
    // A thousand at best; what others leave of the machine is not ours to say.
    assert!(got.answered > 100, "{got:?}");
}

#[tokio::test]
async fn who_is_let_in_while_others_are_refused_does_not_stand_in_the_line_that_made_it_necessary() {
    const CHEAP: Costs = Costs::Work(Duration::from_micros(300));
    let (patient, _stop) = start(CHEAP, |config| config.shedding = None);
    let mut all = crowd(patient, 500, Duration::from_secs(2)).await;
    let (address, _stop) = start(CHEAP, |_| {});
    let mut few = crowd(address, 500, Duration::from_secs(3)).await;
    assert!(few.refused > 20 && few.answered > 100, "{few:?}");
    let (all, few) = (all.median(), few.median());
    assert!(few < all / 2, "{few:?}, where it took {all:?} when nobody was refused");
}

#[tokio::test]
async fn where_shedding_is_off_everybody_waits() {
    let (address, _stop) = start(DEAR, |config| config.shedding = None);
    let got = crowd(address, 200, Duration::from_secs(1)).await;
    assert!(got.refused == 0 && got.answered > 50, "{got:?}");
}

#[tokio::test]
async fn requests_that_wait_for_a_slow_backend_are_no_overload() {
    let (address, _stop) = start(Costs::Patience(Duration::from_millis(300)), |_| {});
    let got = crowd(address, 300, Duration::from_millis(500)).await;
    assert!(got.refused == 0 && got.answered >= 300, "{got:?}");
}

#[tokio::test]
async fn a_client_alone_is_never_refused_however_dear_its_requests() {
    let (address, _stop) = start(Costs::Work(Duration::from_millis(40)), |_| {});
    let got = crowd(address, 1, Duration::from_millis(600)).await;
    assert!(got.refused == 0 && got.answered > 0, "{got:?}");
}

#[tokio::test]
async fn neither_are_a_few_whatever_the_line_they_make() {
    let (address, _stop) = start(Costs::Work(Duration::from_millis(4)), |_| {});
    let got = crowd(address, 20, Duration::from_millis(800)).await;
    assert!(got.refused == 0 && got.answered > 0, "{got:?}");
}

#[tokio::test]
async fn when_there_is_less_to_do_nobody_is_refused_any_more() {
    let millis = Arc::new(AtomicU64::new(2));
    let (address, _stop) = start(Costs::Varying(millis.clone()), |_| {});
    assert!(crowd(address, 200, Duration::from_secs(1)).await.refused > 0);
    // As many ask as would be refused if they were still dear.
    millis.store(0, Relaxed);
    let patience = Instant::now() + LIMIT;
    while crowd(address, 40, Duration::from_millis(50)).await.refused > 0 {
        assert!(Instant::now() < patience, "still refused");
    }
}

#[tokio::test]
async fn there_are_never_more_requests_in_flight_than_there_may_be() {
    let (address, _stop, traffic) = start_counting(Costs::Patience(Duration::from_millis(300)), |config| {
        config.limits.requests = 5;
        config.shedding = None;
    });
    let got = crowd(address, 20, Duration::from_millis(100)).await;
    assert!(got.answered == 5 && got.refused >= 15, "{got:?}");
    assert_eq!(shed(traffic).await, Shed { overload: 0, in_flight: got.refused });
}

/// The system does not spread connections evenly, so a worker may have all requests and another none.
#[tokio::test]
async fn workers_do_not_split_the_number_of_requests_between_them() {
    for workers in [2, 3] {
        let (address, _stop, traffic) =
            start_counting(Costs::Patience(Duration::from_millis(300)), |config| {
                config.workers = workers;
                config.limits.requests = 5;
                config.shedding = None;
            });
        let got = crowd(address, 20, Duration::from_millis(100)).await;
        assert!(got.answered == 5 && got.refused >= 15, "{workers} workers: {got:?}");
        assert_eq!(shed(traffic).await, Shed { overload: 0, in_flight: got.refused });
    }
}

#[tokio::test]
async fn a_drain_listens_once_more_to_those_who_were_refused() {
    let (address, stop) = start(DEAR, |config| {
        let mut shedding = Shedding::default();
        shedding.delay = Duration::from_millis(1);
        config.shedding = Some(shedding);
    });
    let crowd = tokio::spawn(async move {
        let mut crowd = JoinSet::new();
        for _ in 0..200 {
            crowd.spawn(async move {
                let mut wire = Wire::connect(address).await;
                // Whoever is told that his connection ends, goes.
                while wire.ask(GET).await.header("connection") != Some("close") {}
            });
        }
        while let Some(ended) = crowd.join_next().await {
            ended.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(stop);
    tokio::time::timeout(LIMIT, crowd).await.unwrap().unwrap();
}
