//! The gateway that is compared: the example's own, with APIs made up in memory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apim_core::{BusError, Change, Event, EventStream, Revision, Snapshot, SnapshotSource, Timestamp};
use async_trait::async_trait;
use futures_util::stream;
use gateway::{Config, Node, Shedding};
use launch::{Authority, Data, Failure, Flags, OrFail as _};
use tokio::sync::watch;

use crate::world::{World, api, snapshot};

/// What is run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    world: World,
    /// The backend of all APIs.
    #[arg(long)]
    backend: SocketAddr,
    /// The key set that tokens are verified with.
    #[arg(long)]
    jwks: Option<PathBuf>,
    /// Deploys the last API again after every so many milliseconds.
    #[arg(long)]
    redeploy_ms: Option<u64>,
    /// How long work may stand in line, in milliseconds, before requests are refused. Who is traced is slow.
    #[arg(long, default_value_t = Shedding::default().delay_ms)]
    delay_ms: u64,
}

/// Serves until it is asked to end, with one worker.
pub(crate) async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let flags = &arguments.flags;
    launch::logs::start(flags)?;
    let data = Data::open(&flags.data)?;
    let identity = Authority::open(&data)?.issue(flags.bind)?;
    let shedding = Shedding { delay_ms: arguments.delay_ms, ..Shedding::default() };
    let config = Config { workers: Some(1), shedding, ..Config::default() };
    let node = Node::open(flags, config, &identity, &data).await?;
    let jwks = match &arguments.jwks {
        Some(path) => {
            let text = std::fs::read_to_string(path).or_fail("cannot read the key set")?;
            Some(serde_json::from_str(&text).or_fail("the key set is not JSON")?)
        }
        None => None,
    };
    let source = Invented {
        world: arguments.world,
        backend: arguments.backend,
        jwks,
        every: arguments.redeploy_ms.map(Duration::from_millis),
    };
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        launch::asked_to_end().await;
        let _ = end.send(true);
    });
    node.run(Arc::new(source), ended).await
}

/// A source of APIs that nobody wrote.
struct Invented {
    world: World,
    backend: SocketAddr,
    jwks: Option<serde_json::Value>,
    every: Option<Duration>,
}

#[async_trait]
impl SnapshotSource for Invented {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        Ok(snapshot(self.world, self.backend, self.jwks.clone()))
    }

    async fn changes(&self, after: Revision) -> Result<EventStream, BusError> {
        let Some(every) = self.every else { return Ok(apim_core::event::never()) };
        let (world, backend) = (self.world, self.backend);
        let next = move |revision: u64| async move {
            tokio::time::sleep(every).await;
            let number = u32::try_from(revision).unwrap_or(u32::MAX);
            let change = Change::ApiDeployed(api(world, world.apis - 1, number, backend));
            let event = Event { revision: Revision(revision), at: Timestamp::default(), change };
            Some((Ok(event), revision + 1))
        };
        Ok(Box::pin(stream::unfold(after.0 + 1, next)))
    }
}
