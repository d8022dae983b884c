//! Connections that are slow at something, within what the gateway puts up with.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::load::{Connection, Door};
use tokio::task::JoinSet;

use crate::site::{Site, expect};

/// Pieces of a head, a second apart: less than the ten seconds that a head may take.
const HEAD_PIECES: usize = 6;

/// How long a pause may come to be on a machine that is busy with others. Who was slower than he meant to be
/// may have been slower than the gateway puts up with, and cannot complain.
const STALLED: Duration = Duration::from_millis(2_500);

/// Pieces of a body, a second apart, and the bytes of each.
const BODY_PIECES: (usize, usize) = (20, 1 << 10);

/// Bytes that a slow reader takes at a time, and how long he then rests.
const SIP: (usize, Duration) = (16 << 10, Duration::from_millis(250));

/// What a connection is slow at.
#[derive(Debug, Clone, Copy)]
enum Slow {
    /// Its heads come in pieces.
    Head,
    /// Its bodies come in pieces.
    Upload,
    /// It takes large answers in sips.
    Reader,
    /// Its backend takes its time.
    Backend,
}

impl Slow {
    const ALL: [Self; 4] = [Self::Head, Self::Upload, Self::Reader, Self::Backend];

    fn name(self) -> &'static str {
        match self {
            Self::Head => "a slow head",
            Self::Upload => "a slow upload",
            Self::Reader => "a slow reader",
            Self::Backend => "a slow backend",
        }
    }
}

/// Opens so many, of each kind a quarter, spread over some seconds so that they do not march in step.
pub(crate) fn open(site: &Arc<Site>, connections: usize, load: &mut JoinSet<()>) {
    for number in 0..connections {
        let site = site.clone();
        load.spawn(async move {
            tokio::time::sleep(Duration::from_secs(10).mul_f64(number as f64 / connections as f64)).await;
            // The doors alternate; a kind must not always come by the same.
            let slow = Slow::ALL[number / 2 % Slow::ALL.len()];
            let door = site.door(number);
            while !site.is_leaving() {
                let mut asked_in_time = false;
                if let Err(error) = stay(&site, door, slow, &mut asked_in_time).await {
                    if error.kind() == io::ErrorKind::TimedOut {
                        site.ledger.stalled();
                    } else {
                        site.ledger.broke(&site, slow.name(), asked_in_time, &error);
                    }
                    site.rest(Duration::from_secs(1)).await;
                }
            }
        });
    }
}

/// One exchange after another on one connection. `asked_in_time` tells whether the gateway had the whole of
/// the last request's head before it was told to leave.
async fn stay(site: &Site, door: &Door, slow: Slow, asked_in_time: &mut bool) -> io::Result<()> {
    let narrow = door.narrow();
    let door = if matches!(slow, Slow::Reader) { &narrow } else { door };
    let mut connection = Connection::open(door).await?;
    while !site.is_leaving() {
        *asked_in_time = false;
        exchange(site, &mut connection, slow, asked_in_time).await?;
        site.ledger.slow();
    }
    Ok(())
}

async fn exchange(
    site: &Site,
    connection: &mut Connection,
    slow: Slow,
    asked_in_time: &mut bool,
) -> io::Result<()> {
    match slow {
        Slow::Head => {
            let request = site.request("GET", "/pets/17", "");
            let piece = request.len().div_ceil(HEAD_PIECES);
            for piece in request.as_bytes().chunks(piece) {
                connection.send(piece).await?;
                pause().await?;
            }
        }
        Slow::Upload => {
            let (pieces, size) = BODY_PIECES;
            let length = format!("Content-Length: {}\r\n", pieces * size);
            connection.send(site.request("POST", "/uploads/17", &length).as_bytes()).await?;
            *asked_in_time = !site.is_leaving();
            let piece = vec![b'x'; size];
            for _ in 0..pieces {
                pause().await?;
                connection.send(&piece).await?;
            }
        }
        Slow::Reader => connection.send(site.request("GET", "/reports/17", "").as_bytes()).await?,
        Slow::Backend => connection.send(site.request("GET", "/waits/17", "").as_bytes()).await?,
    }
    *asked_in_time |= !site.is_leaving();
    let head = connection.head().await?;
    let mut left = head.length;
    let mut body = Vec::new();
    while left > 0 {
        let sip = left.min(SIP.0);
        body = connection.body(sip).await?;
        left -= sip;
        if matches!(slow, Slow::Reader) {
            tokio::time::sleep(SIP.1).await;
        }
    }
    expect(head, &body)
}

/// A second between two pieces; an error if it came to be much more.
async fn pause() -> io::Result<()> {
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    match began.elapsed() < STALLED {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::TimedOut, "this program stood still")),
    }
}
