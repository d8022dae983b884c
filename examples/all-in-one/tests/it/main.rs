//! The whole platform through its doors: a real process, real sockets, a real data folder.
#![allow(clippy::unwrap_used, missing_docs)]

mod change;
mod client_certificates;
mod durability;
mod journey;
mod refusals;
mod start;

use driver::{Journey, Keys, Petstore, Process, Published, free_offset};

const BINARY: &str = env!("CARGO_BIN_EXE_all-in-one");
const PETSTORE: &str = include_str!("../../../petstore/petstore.yaml");

/// A platform with one published API, one application that has subscribed to it, and its keys.
struct Platform {
    process: Process,
    journey: Journey,
    _petstore: Petstore,
    data: tempfile::TempDir,
    api: String,
    application: String,
    keys: Keys,
}

impl Platform {
    async fn with_a_published_api() -> Self {
        let (process, data, journey) = empty().await;
        let petstore = Petstore::start().await;
        let Published { api, application, keys } = journey.publish(PETSTORE, &petstore.url).await;
        Self { process, journey, _petstore: petstore, data, api, application, keys }
    }

    /// Calls the API over TLS with a token.
    async fn call(&self, path: &str, token: &str) -> driver::Reply {
        let url = format!("{}/petstore/1.0.0{path}", self.process.gateway());
        self.journey.client.get(&url, token).await
    }

    /// Calls until the gateway answers with a status, for at most a second: that is how long a change may
    /// take to arrive.
    async fn call_until(&self, path: &str, token: &str, status: u16) -> driver::Reply {
        until(status, || self.call(path, token)).await
    }
}

/// A platform with nothing in it.
async fn empty() -> (Process, tempfile::TempDir, Journey) {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(BINARY, data.path(), free_offset(), &[]).await;
    let journey = Journey::begin(&process.control(), &ca(&data)).await;
    (process, data, journey)
}

fn ca(data: &tempfile::TempDir) -> String {
    std::fs::read_to_string(data.path().join("ca.pem")).unwrap()
}

/// Calls until the answer has a status, for at most a second.
async fn until<F: Future<Output = driver::Reply>>(status: u16, call: impl FnMut() -> F) -> driver::Reply {
    until_it(call, |reply| reply.status.as_u16() == status).await.expect(status)
}

/// Calls until the answer is as wanted, for at most a second; answers what came last.
async fn until_it<F: Future<Output = driver::Reply>>(
    mut call: impl FnMut() -> F,
    wanted: impl Fn(&driver::Reply) -> bool,
) -> driver::Reply {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(1);
    loop {
        let reply = call().await;
        if wanted(&reply) || std::time::Instant::now() > patience {
            return reply;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
