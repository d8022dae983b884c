//! Calls at their appointed times, and as many past the gateway.
//!
//! What a machine does besides shows in both: a p99 that doubles for both is not the gateway's.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use benches::load::Connection;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::site::Site;

/// A connection that has rested for longer is not used again: the gateway may be about to close it.
const STALE: Duration = Duration::from_secs(30);

/// Where calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through the gateway.
    Through,
    /// Straight to the backend.
    Past,
}

/// Connections between two calls, by door.
type Resting = [Mutex<VecDeque<(Connection, Instant)>>; 2];

/// Sends so many calls a second until the gateway leaves, and waits for all of them.
pub(crate) async fn calls(site: Arc<Site>, each_second: u32, way: Way) {
    let resting: Arc<Resting> = Arc::default();
    let mut calls = JoinSet::new();
    let started = Instant::now();
    let gap = Duration::from_secs(1) / each_second.max(1);
    for number in 0.. {
        let appointed = started + gap * number;
        tokio::time::sleep_until(appointed).await;
        if site.is_leaving() {
            break;
        }
        calls.spawn(call(site.clone(), way, resting.clone(), number as usize, appointed));
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
}

/// One call. If no connection rests a new one is opened: nobody waits for another's answer.
async fn call(site: Arc<Site>, way: Way, resting: Arc<Resting>, number: usize, appointed: Instant) {
    let resting = &resting[number % 2];
    let exchange = async {
        let rested = {
            let mut resting = resting.lock().unwrap();
            resting.retain(|(_, since)| since.elapsed() < STALE);
            resting.pop_front()
        };
        let mut connection = match rested {
            Some((connection, _)) => connection,
            None if way == Way::Past => Connection::open(site.backend()).await?,
            None => Connection::open(site.door(number)).await?,
        };
        let (head, _) = site.call(&mut connection).await?;
        Ok::<_, io::Error>((!head.closes).then_some(connection))
    };
    let asked_in_time = !site.is_leaving();
    match exchange.await {
        Ok(connection) => {
            site.ledger.called(way, appointed.elapsed());
            if let Some(connection) = connection {
                resting.lock().unwrap().push_back((connection, Instant::now()));
            }
        }
        Err(error) => site.ledger.broke(&site, "a call", asked_in_time, &error),
    }
}
