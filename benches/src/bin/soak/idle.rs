//! Connections that are open and do next to nothing.

use std::sync::Arc;
use std::time::Duration;

use benches::load::Connection;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::site::Site;

/// How many are opened at a time.
const AT_ONCE: usize = 32;

/// How long one rests between two requests; the gateway closes those that rest for 75 seconds.
const REST: Duration = Duration::from_secs(40);

/// Opens so many, and waits until all stand.
pub(crate) async fn open(site: &Arc<Site>, connections: usize, load: &mut JoinSet<()>) {
    let opening = Arc::new(Semaphore::new(AT_ONCE));
    let standing = Arc::new(Semaphore::new(0));
    for number in 0..connections {
        let (site, opening, standing) = (site.clone(), opening.clone(), standing.clone());
        load.spawn(async move {
            let turn = opening.acquire_owned().await.unwrap();
            let mut connection = opened(&site, number).await;
            drop(turn);
            standing.add_permits(1);
            // Not all together: the rests differ, by up to as much again as half of the shortest.
            let rest = REST + REST.mul_f64(0.5 * number as f64 / connections as f64);
            while !site.is_leaving() {
                if let Some(open) = &mut connection {
                    site.rest(rest).await;
                    if site.is_leaving() {
                        return;
                    }
                    match site.call(open).await {
                        Ok(_) => site.ledger.idle(),
                        Err(error) => {
                            site.ledger.broke(&site, "an idle connection", !site.is_leaving(), &error);
                            connection = None;
                        }
                    }
                } else {
                    site.rest(Duration::from_secs(1)).await;
                    connection = opened(&site, number).await;
                }
            }
        });
    }
    let all = u32::try_from(connections).unwrap();
    standing.acquire_many(all).await.unwrap().forget();
}

/// One that has already been used once.
async fn opened(site: &Site, number: usize) -> Option<Connection> {
    let open = async {
        let mut connection = Connection::open(site.door(number)).await?;
        site.call(&mut connection).await?;
        Ok::<_, std::io::Error>(connection)
    };
    match open.await {
        Ok(connection) => Some(connection),
        Err(error) => {
            site.ledger.broke(site, "an idle connection, opened", false, &error);
            None
        }
    }
}
