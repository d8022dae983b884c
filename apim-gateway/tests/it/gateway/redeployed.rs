//! Another revision of an API knows what the one before has learned of backends that both have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use apim_core::event::{Change, Event, Revision};
use apim_core::{Snapshot, Timestamp};
use serde_json::{Value, json};

use super::sockets::Running;
use super::world::pets;
use crate::bench::{LIMIT, Wire, backend};

/// A backend that answers with a status, or hangs up while that is 0.
#[derive(Clone)]
struct Moody {
    url: String,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Moody {
    async fn new(status: u16) -> Self {
        let (status, asked) = (Arc::new(AtomicU16::new(status)), Arc::new(AtomicUsize::new(0)));
        let (said, count) = (status.clone(), asked.clone());
        let address = backend(move |_, mut wire| {
            let (status, asked) = (said.clone(), count.clone());
            async move {
                while wire.next().await.is_some() {
                    asked.fetch_add(1, SeqCst);
                    match status.load(SeqCst) {
                        0 => return,
                        status => {
                            wire.send(format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n")).await
                        }
                    }
                }
            }
        });
        Self { url: format!("http://{}", address.await), status, asked }
    }
}

struct World {
    running: Running,
    revision: u64,
}

impl World {
    /// With an API that leads there.
    async fn to(production: Value) -> Self {
        let with = json!({"endpoints": {"production": production}});
        Self { running: Running::start(String::new(), with).await, revision: 1 }
    }

    /// Another revision of it.
    fn revised(&mut self, production: &Value) -> Arc<apim_core::model::Api> {
        self.revision += 1;
        Arc::new(pets(json!({"endpoints": {"production": production}, "revision": self.revision})))
    }

    async fn deploy(&mut self, production: &Value) {
        let change = Change::ApiDeployed(self.revised(production));
        let event = Event { revision: Revision(self.revision), at: Timestamp::default(), change };
        let report = self.running.gateway.apply(event).await;
        assert!(report.refused.is_empty(), "{report:?}");
    }

    async fn status(&self) -> String {
        self.answered("").await
    }

    /// The status of a request that names its backend.
    async fn at(&self, url: &str) -> String {
        self.answered(&format!("X-Backend: {url}\r\n")).await
    }

    async fn answered(&self, headers: &str) -> String {
        let request =
            format!("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n");
        Wire::connect(self.running.address).await.ask(&request).await.status().to_owned()
    }

    async fn until(&self, wanted: &str) {
        let began = Instant::now();
        while self.status().await != wanted {
            assert!(began.elapsed() < LIMIT);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

fn with(mut endpoint: Value, key: &str, value: Value) -> Value {
    endpoint[key] = value;
    endpoint
}

#[tokio::test]
async fn a_backend_that_is_suspended_stays_so_as_long_as_it_is_the_same() {
    let away = Moody::new(0).await;
    let endpoint = json!({"url": away.url, "suspension": {}});
    let mut world = World::to(endpoint.clone()).await;
    assert_eq!(world.status().await, "502");
    away.status.store(200, SeqCst);
    let asked = away.asked.load(SeqCst);
    for same in [
        endpoint.clone(),
        // Called with other patience, it is still the same backend.
        with(endpoint.clone(), "timeout_ms", json!(7_000)),
        endpoint.clone(),
        with(endpoint.clone(), "security", json!({"type": "basic", "username": "ann", "password": "s"})),
    ] {
        world.deploy(&same).await;
        assert_eq!(world.status().await, "503", "{same}");
    }
    // A snapshot brings a revision, too.
    let mut changes = super::world::world(json!({"keys": []}));
    changes.push(Change::ApiDeployed(world.revised(&endpoint)));
    world.running.gateway.load(Snapshot::new(Revision(world.revision), changes)).await;
    assert_eq!(world.status().await, "503");
    assert_eq!(away.asked.load(SeqCst), asked);
}

#[tokio::test]
async fn a_backend_that_has_changed_or_is_judged_otherwise_begins_anew() {
    let away = Moody::new(0).await;
    let endpoint = json!({"url": away.url, "suspension": {}});
    let mut world = World::to(endpoint.clone()).await;
    for other in [
        with(endpoint.clone(), "url", json!(format!("{}/other", away.url))),
        // That is where it was, but the revision before knew nothing of it.
        endpoint.clone(),
        with(endpoint.clone(), "suspension", json!({"initial_ms": 60_000})),
        with(endpoint.clone(), "http2", json!(true)),
        endpoint.clone(),
    ] {
        assert_eq!(world.status().await, "502");
        assert_eq!(world.status().await, "503");
        world.deploy(&other).await;
    }
    assert_eq!(world.status().await, "502");
}

#[tokio::test]
async fn of_several_members_those_that_stay_are_known() {
    let (good, away) = (Moody::new(200).await, Moody::new(0).await);
    let members = |urls: &[&str]| {
        let members: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
        json!({"members": members, "breaker": {"failures": 1, "open_ms": 60_000}})
    };
    let mut world = World::to(members(&[&away.url, &good.url])).await;
    while away.asked.load(SeqCst) == 0 {
        world.status().await;
    }
    let asked = away.asked.load(SeqCst);
    let third = Moody::new(200).await;
    world.deploy(&members(&[&good.url, &third.url, &away.url])).await;
    for _ in 0..6 {
        assert_eq!(world.status().await, "200");
    }
    assert_eq!(away.asked.load(SeqCst), asked, "its breaker is open");
    assert!(third.asked.load(SeqCst) > 0 && good.asked.load(SeqCst) > 0);
}

#[tokio::test]
async fn a_backend_that_was_found_unwell_is_so_until_it_is_found_well() {
    let unwell = Moody::new(500).await;
    let health = json!({"interval_ms": 100, "unhealthy": 3, "healthy": 1});
    let endpoint = json!({"url": unwell.url, "health": health});
    let mut world = World::to(endpoint.clone()).await;
    world.until("503").await;
    for same in [endpoint.clone(), with(endpoint.clone(), "timeout_ms", json!(7_000))] {
        world.deploy(&same).await;
        assert_eq!(world.status().await, "503", "{same}");
    }
    unwell.status.store(200, SeqCst);
    world.until("200").await;
}

#[tokio::test]
async fn backends_that_requests_name_are_known_too() {
    let (away, good) = (Moody::new(0).await, Moody::new(200).await);
    let dynamic = json!({"header": "X-Backend", "allow": [away.url, good.url]});
    let endpoint = json!({"dynamic": dynamic, "suspension": {}});
    let mut world = World::to(endpoint.clone()).await;
    assert_eq!(world.at(&away.url).await, "502");
    away.status.store(200, SeqCst);
    let asked = away.asked.load(SeqCst);
    let fewer = json!({"header": "X-Backend", "allow": [good.url]});
    for (same, status) in [
        (endpoint.clone(), "503"),
        (with(endpoint.clone(), "timeout_ms", json!(7_000)), "503"),
        // It may not be called meanwhile, and nobody names it in the revision after that.
        (with(endpoint.clone(), "dynamic", fewer), "403"),
        (with(endpoint.clone(), "url", json!(good.url)), ""),
        (endpoint.clone(), "503"),
        (
            with(endpoint.clone(), "security", json!({"type": "basic", "username": "a", "password": "s"})),
            "503",
        ),
    ] {
        world.deploy(&same).await;
        if !status.is_empty() {
            assert_eq!(world.at(&away.url).await, status, "{same}");
            assert_eq!(world.at(&good.url).await, "200", "{same}");
        }
    }
    assert_eq!(away.asked.load(SeqCst), asked);
    world.deploy(&with(endpoint.clone(), "suspension", json!({"initial_ms": 60_000}))).await;
    assert_eq!(world.at(&away.url).await, "200", "who is judged otherwise begins anew");
}
