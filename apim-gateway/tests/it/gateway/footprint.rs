//! What APIs, applications and subscriptions take of a gateway's memory.

use std::sync::Arc;

use allocation_counter::measure;
use apim_core::Snapshot;
use apim_core::event::{Change, Revision};
use apim_core::model::{Application, KeyMapping, Subscription};
use apim_gateway::Gateway;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::world::{Silent, pets};

/// How many there are of everything.
#[derive(Clone, Copy)]
struct World {
    apis: usize,
    applications: usize,
    /// Of each application.
    subscriptions: usize,
}

/// An id as the control plane makes them.
fn id(kind: u32, number: usize) -> String {
    format!("{kind:08x}-39a3-4b6f-8a5a-{number:012x}")
}

fn read<T: DeserializeOwned>(value: Value) -> Arc<T> {
    // As it comes, as text.
    Arc::new(serde_json::from_str(&value.to_string()).unwrap())
}

fn changes(world: World) -> impl Iterator<Item = Change> {
    let apis = (0..world.apis).map(|number| {
        let api = json!({"id": id(1, number), "name": format!("api-{number}"), "context": format!("/api-{number}")});
        Change::ApiDeployed(Arc::new(pets(api)))
    });
    let applications = (0..world.applications).flat_map(move |number| {
        let application = json!({"id": id(2, number), "name": format!("shop {number}"), "owner": "ann", "policy": "Gold"});
        let mapping = json!({
            "application": id(2, number), "key_manager": "km", "client": id(3, number), "key_type": "PRODUCTION",
        });
        let known = [
            Change::ApplicationSaved(read::<Application>(application)),
            Change::KeyMappingSaved(read::<KeyMapping>(mapping)),
        ];
        let subscriptions = (0..world.subscriptions).map(move |turn| {
            let api = (number * world.subscriptions + turn) % world.apis;
            Change::SubscriptionSaved(read::<Subscription>(json!({
                "id": id(4, number * world.subscriptions + turn), "application": id(2, number), "api": id(1, api),
                "plan": "Gold",
            })))
        });
        known.into_iter().chain(subscriptions)
    });
    apis.chain(applications)
}

/// What a gateway takes for all of it, and at the worst while it loads it.
fn taken(world: World) -> [f64; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let gateway = runtime.block_on(Gateway::builder().backend(Silent).workers(1).build()).unwrap();
    let taken = measure(|| {
        let report = runtime.block_on(gateway.load(Snapshot::new(Revision(1), changes(world))));
        assert!(report.refused.is_empty());
    });
    // For each block the allocator keeps a word, and rounds up to two.
    let blocks = 12.0 * taken.count_current as f64;
    [taken.bytes_current as f64 + blocks, taken.bytes_max as f64 + blocks]
}

/// As the ids of WSO2 are, of 36 letters, which are 64 bytes of each figure here. Which shard an entry falls into is
/// chance, and so is how many shards have grown: figures are up to a fiftieth apart.
#[test]
fn what_there_is_much_of_takes_little_each() {
    let few = World { apis: 200, applications: 1_000, subscriptions: 5 };
    let base = taken(few);
    for (what, world, more, most) in [
        ("an API with five operations", World { apis: 1_200, ..few }, 1_000.0, [3_950.0, 3_850.0]),
        (
            "an application with its key and five subscriptions",
            World { applications: 3_000, ..few },
            2_000.0,
            [1_480.0, 1_750.0],
        ),
        ("a subscription", World { subscriptions: 10, ..few }, 5_000.0, [210.0, 270.0]),
    ] {
        let all = taken(world);
        let each = [0, 1].map(|at| (all[at] - base[at]) / more);
        assert!(each[0] <= most[0] && each[1] <= most[1], "{what} takes {each:?} bytes");
    }
}
