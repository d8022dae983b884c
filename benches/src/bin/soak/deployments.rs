//! Deployments at a steady rate, and a fresh token now and then.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use benches::load::Connection;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::platform::Desk;
use crate::site::Site;

/// How long a change may take to reach the gateway.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often there is a new token.
const RENEWAL: Duration = Duration::from_secs(10);

/// After how many deployments the administrator logs in again.
const LOGIN: usize = 1_000;

/// Deploys the API's two revisions by turns, so many times a second, and looks when the gateway serves each.
pub(crate) async fn steadily(site: Arc<Site>, desk: Arc<Desk>, each_second: f64) {
    let mut appointed = interval(Duration::from_secs_f64(1.0 / each_second));
    appointed.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_usize.. {
        appointed.tick().await;
        if site.is_leaving() {
            return;
        }
        if turn % LOGIN == LOGIN - 1 {
            desk.log_in().await;
        }
        let deployed = async {
            let revision = turn % 2;
            desk.deploy(revision).await?;
            let told = Instant::now();
            match timeout(PATIENCE, serves(&site, revision)).await {
                Ok(served) => served.map(|()| told.elapsed()),
                Err(_) => Err(io::Error::other("the gateway did not follow")),
            }
        };
        match deployed.await {
            Ok(after) => site.ledger.deployed(after),
            Err(error) => site.ledger.broke(&site, "a deployment", false, &error),
        }
    }
}

/// Ready when calls are answered by a revision.
async fn serves(site: &Site, revision: usize) -> io::Result<()> {
    let mut connection = Connection::open(site.door(0)).await?;
    loop {
        let (_, body) = site.call(&mut connection).await?;
        if body.first() == Some(&b"01"[revision]) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Puts a new token into use now and then, as clients do when theirs expire.
pub(crate) async fn fresh_tokens(site: Arc<Site>, desk: Arc<Desk>) {
    while !site.is_leaving() {
        match desk.token().await {
            Ok(token) => site.renew(token),
            Err(error) => site.ledger.broke(&site, "a token", false, &error),
        }
        site.rest(RENEWAL).await;
    }
}
