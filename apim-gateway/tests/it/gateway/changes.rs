//! Changes come into force one by one, and none takes away what it does not concern.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apim_core::event::{self, BusError, Change, Event, EventStream, Revision};
use apim_core::{Shutdown, Snapshot, SnapshotSource, Timestamp};
use serde_json::json;

use crate::gateway::world::{Bench, another_key_manager, pets, signer};

fn deployed(with: serde_json::Value) -> Change {
    Change::ApiDeployed(Arc::new(pets(with)))
}

#[tokio::test]
async fn an_api_that_cannot_be_built_is_reported_and_the_former_revision_stays() {
    let bench = Bench::new().await;
    for (with, place) in [
        (
            json!({"operations": [{"method": "GET", "path": "/a/{b"}]}),
            "operations[0]: path: segment 2: a `{` is not closed",
        ),
        (json!({"operations": [{"method": "TRACE", "path": "/"}]}), "operations[0]: method"),
        (json!({"handlers": [{"use": "no-such-link"}]}), "handlers[0].no-such-link"),
        (json!({"context": "/a/../b"}), "context: The path has a dot segment."),
        (json!({"hosts": ["a b"]}), "hosts[0]: The host is malformed."),
        (json!({"endpoints": {"production": {"url": "gopher://x"}}}), "endpoints.production"),
        (json!({"request": [{"use": "no-such-mediator"}]}), "no-such-mediator"),
    ] {
        let report = bench.apply(deployed(with)).await;
        let text = report.refused[0].to_string();
        assert!(text.starts_with("API PetStore:1.0.0 (pets): ") && text.contains(place), "{text}");
        assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.status, 200);
    }
}

#[tokio::test]
async fn two_apis_do_not_share_a_versioned_context_and_who_was_refused_it_gets_it_when_it_is_free() {
    let bench = Bench::new().await;
    let report = bench.apply(deployed(json!({"id": "rival"}))).await;
    let text = report.refused[0].to_string();
    assert!(text.ends_with("context: the API pets holds the path /petstore/1.0.0 already"), "{text}");
    assert_eq!(serves(&bench), Some("pets".into()));
    let report = bench.apply(Change::ApiUndeployed("pets".into())).await;
    assert!(report.refused.is_empty(), "{report:?}");
    assert_eq!(serves(&bench), Some("rival".into()));
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.status, 200);
}

#[tokio::test]
async fn a_place_becomes_free_when_its_holder_moves_and_goes_to_who_was_first_refused_it() {
    let bench = Bench::new().await;
    bench.apply(deployed(json!({"id": "first"}))).await;
    bench.apply(deployed(json!({"id": "second"}))).await;
    bench.apply(deployed(json!({"context": "/elsewhere"}))).await;
    assert_eq!(serves(&bench), Some("first".into()));
    // A snapshot forgets who waits, since it says itself what there is.
    let changes = [deployed(json!({"id": "holder"})), deployed(json!({"id": "later"}))];
    bench.gateway.load(Snapshot::new(Revision(50), changes)).await;
    bench.gateway.apply(step(51, Change::ApiUndeployed("holder".into())).unwrap()).await;
    assert_eq!((serves(&bench), bench.gateway.current().load().len()), (Some("later".into()), 1));
}

#[tokio::test]
async fn who_waits_for_a_place_is_forgotten_with_what_asked_for_it() {
    let bench = Bench::new().await;
    bench.apply(deployed(json!({"id": "gone"}))).await;
    bench.apply(Change::ApiUndeployed("gone".into())).await;
    bench.apply(deployed(json!({"id": "moved"}))).await;
    bench.apply(deployed(json!({"id": "moved", "context": "/moved"}))).await;
    bench.apply(Change::ApiUndeployed("pets".into())).await;
    assert_eq!((serves(&bench), bench.gateway.current().load().len()), (None, 1));
}

#[tokio::test]
async fn an_api_without_an_id_is_refused_since_the_next_one_would_replace_it() {
    let bench = Bench::new().await;
    let report = bench.apply(deployed(json!({"id": "", "context": "/nameless"}))).await;
    assert_eq!(
        report.refused[0].to_string(),
        "API PetStore:1.0.0: id: it is empty; each API has one of its own"
    );
}

#[tokio::test]
async fn a_program_changes_what_is_served_from_wherever_it_likes() {
    let bench = Bench::new().await;
    let before = bench.gateway.revision();
    let changes = (0..8).map(|number| {
        let (gateway, id) = (bench.gateway.clone(), format!("own-{number}"));
        tokio::spawn(async move {
            let report =
                gateway.change(deployed(json!({"id": id.clone(), "context": format!("/{id}")}))).await;
            assert!(report.refused.is_empty(), "{report:?}");
            report.revision.0
        })
    });
    let mut numbers = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        numbers.push(change.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (before.0 + 1..=before.0 + 8).collect::<Vec<_>>());
    for number in 0..8 {
        assert_eq!(bench.get(&format!("/own-{number}/1.0.0/open"), &[]).await.status, 200);
    }
    let old = Event {
        revision: before.next(),
        at: Timestamp::default(),
        change: Change::ApiUndeployed("own-0".into()),
    };
    let report = bench.gateway.apply(old).await;
    assert_eq!((report.revision.0, bench.gateway.revision().0), (before.0 + 8, before.0 + 8));
    assert_eq!(bench.get("/own-0/1.0.0/open", &[]).await.status, 200);
}

/// Who serves the pet store's place.
fn serves(bench: &Bench) -> Option<String> {
    let view = bench.gateway.current().load();
    view.route(None, "/petstore/1.0.0/open").map(|(deployed, _)| deployed.api().id.to_string())
}

#[tokio::test]
async fn the_former_revision_is_not_kept_at_a_place_that_another_api_has_taken() {
    let bench = Bench::new().await;
    // A snapshot brings APIs in the order of their ids. The one as it was and one that cannot be built would
    // both be put back where the other is by then.
    for pets in [json!({}), json!({"request": [{"use": "no-such-mediator"}], "revision": 2})] {
        bench.gateway.load(Snapshot::new(Revision(1), [deployed(json!({}))])).await;
        let changes = [deployed(json!({"id": "earlier"})), deployed(pets)];
        let report = bench.gateway.load(Snapshot::new(Revision(2), changes)).await;
        assert!(report.refused.len() == 1 && report.refused[0].subject.contains("(pets)"), "{report:?}");
        let view = bench.gateway.current().load();
        let (served, _) = view.route(None, "/petstore/1.0.0/open").unwrap();
        assert_eq!((served.api().id.as_str(), view.len()), ("earlier", 1));
    }
}

#[tokio::test]
async fn an_api_that_is_refused_is_told_by_its_name_and_its_id_if_it_has_one() {
    let bench = Bench::new().await;
    for (id, subject) in [("7", "API PetStore:1.0.0 (7)"), ("", "API PetStore:1.0.0")] {
        let api = deployed(json!({"id": id, "request": [{"use": "no-such-mediator"}]}));
        let report = bench.gateway.load(Snapshot::new(Revision(1), [api])).await;
        assert_eq!(report.refused[0].subject, subject);
    }
}

#[tokio::test]
async fn a_key_manager_that_cannot_be_told_from_another_is_refused() {
    let bench = Bench::new().await;
    let mut rival = another_key_manager(&signer(), "key-9");
    rival.name = "rival".into();
    let report = bench.apply(Change::KeyManagerSaved(Arc::new(rival))).await;
    assert_eq!(report.refused[0].to_string(), "key manager rival: issuer: the key manager km has it already");
    let broken = serde_json::from_value(json!({"name": "km", "issuer": "x", "jwks": {"keys": 7}})).unwrap();
    assert_eq!(bench.apply(Change::KeyManagerSaved(broken)).await.refused.len(), 1);
    assert_eq!(bench.with_token(&bench.token(json!({}))).await.verdict().0, 200);
}

#[tokio::test]
async fn an_event_that_is_in_force_already_changes_nothing() {
    let bench = Bench::new().await;
    let event = Event {
        revision: Revision(1),
        at: Timestamp::default(),
        change: Change::ApiUndeployed("pets".into()),
    };
    bench.gateway.apply(event).await;
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.status, 200);
}

/// A source that plays a script, then is silent.
struct Script {
    snapshots: Mutex<VecDeque<Result<Snapshot, BusError>>>,
    streams: Mutex<VecDeque<Vec<Result<Event, BusError>>>>,
    asked: Mutex<Vec<u64>>,
    reported: tokio::sync::watch::Sender<u64>,
}

#[async_trait::async_trait]
impl SnapshotSource for Script {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        self.snapshots.lock().unwrap().pop_front().expect("one snapshot too many was asked for")
    }

    async fn changes(&self, after: Revision) -> Result<EventStream, BusError> {
        self.asked.lock().unwrap().push(after.0);
        match self.streams.lock().unwrap().pop_front() {
            Some(items) => Ok(Box::pin(futures_util::StreamExt::chain(
                futures_util::stream::iter(items),
                event::never(),
            ))),
            None => Ok(event::never()),
        }
    }

    async fn applied(&self, revision: Revision) {
        self.reported.send_replace(revision.0);
    }
}

fn step(revision: u64, change: Change) -> Result<Event, BusError> {
    Ok(Event { revision: Revision(revision), at: Timestamp::default(), change })
}

fn broken<T>() -> Result<T, BusError> {
    Err(BusError::Broken("the cable was cut".into()))
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_taken_up_where_it_broke_and_a_lost_one_begins_anew() {
    let gateway = apim_gateway::Gateway::builder().build().await.unwrap();
    assert!(!gateway.ready());
    let start = || Snapshot::new(Revision(7), [deployed(json!({}))]);
    let later = Snapshot::new(Revision(20), [deployed(json!({"context": "/later"}))]);
    let source = Arc::new(Script {
        snapshots: Mutex::new([broken(), Ok(start()), Ok(later)].into()),
        streams: Mutex::new(
            [
                // Repeated events do no harm, a broken stream neither.
                vec![
                    step(7, Change::ApiUndeployed("pets".into())),
                    step(8, deployed(json!({"context": "/eight"}))),
                    broken(),
                ],
                // A gap is a break, for the event in between could be any.
                vec![step(10, Change::ApiUndeployed("pets".into()))],
                vec![step(9, deployed(json!({"context": "/nine"}))), Err(BusError::TooOld(Revision(9)))],
                vec![step(21, deployed(json!({"id": "more", "context": "/more"})))],
            ]
            .into(),
        ),
        asked: Mutex::default(),
        reported: tokio::sync::watch::Sender::new(0),
    });
    let mut reported = source.reported.subscribe();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = tokio::spawn({
        let (gateway, source) = (gateway.clone(), source.clone());
        async move { gateway.follow(source, Shutdown::new(async { drop(stopped.await) })).await }
    });
    tokio::time::timeout(Duration::from_secs(60), gateway.until_ready()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), reported.wait_for(|revision| *revision == 21))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*source.asked.lock().unwrap(), [7, 8, 8, 20]);
    assert_eq!(gateway.revision(), Revision(21));
    assert_eq!(gateway.current().load().len(), 2);
    drop(stop);
    tokio::time::timeout(Duration::from_secs(60), following).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_in_flight_keeps_the_view_it_began_with() {
    use apim_core::{Answer, Backend, Body, Exchange, Peer, Worker};
    use apim_gateway::deploy::View;

    struct Slow(Arc<tokio::sync::Notify>, Arc<tokio::sync::Notify>);
    impl Backend for Slow {
        async fn call(&self, exchange: Exchange) -> Answer {
            self.0.notify_one();
            self.1.notified().await;
            let served = View::of(exchange.context()).unwrap().api(&"pets".into()).is_some();
            exchange.answer(http::Response::new(Body::from(served.to_string())))
        }
    }
    let (entered, go_on) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let gateway =
        apim_gateway::Gateway::builder().backend(Slow(entered.clone(), go_on.clone())).build().await.unwrap();
    gateway.load(Snapshot::new(Revision(1), [deployed(json!({}))])).await;
    let flight = tokio::spawn({
        let gateway = gateway.clone();
        async move {
            let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false };
            let request = http::Request::get("/petstore/1.0.0/open").body(Body::empty()).unwrap();
            let response = gateway.handle(request, peer, Worker(0)).await;
            http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
        }
    });
    entered.notified().await;
    let undeployed = Event {
        revision: Revision(2),
        at: Timestamp::default(),
        change: Change::ApiUndeployed("pets".into()),
    };
    gateway.apply(undeployed).await;
    assert!(gateway.current().load().is_empty());
    go_on.notify_one();
    assert_eq!(flight.await.unwrap(), "true");
}

/// Lets each stream stand for a while, and never comes to an end of a report.
struct Tedious {
    opened: Mutex<Vec<tokio::time::Instant>>,
    stands: Vec<Duration>,
}

#[async_trait::async_trait]
impl SnapshotSource for Tedious {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        Ok(Snapshot::new(Revision(1), [deployed(json!({}))]))
    }

    async fn changes(&self, _: Revision) -> Result<EventStream, BusError> {
        use futures_util::stream::{self, StreamExt as _};
        let number = {
            let mut opened = self.opened.lock().unwrap();
            opened.push(tokio::time::Instant::now());
            opened.len() - 1
        };
        match self.stands.get(number) {
            Some(stands) => {
                let stands = *stands;
                let end = async move {
                    tokio::time::sleep(stands).await;
                    broken()
                };
                Ok(Box::pin(stream::once(end)))
            }
            None => Ok(Box::pin(
                stream::iter([step(2, Change::ApiUndeployed("pets".into()))]).chain(event::never()),
            )),
        }
    }

    async fn applied(&self, _: Revision) {
        std::future::pending().await
    }
}

async fn follow_until(source: Arc<Tedious>, revision: u64) {
    let gateway = apim_gateway::Gateway::builder().build().await.unwrap();
    let following = gateway.follow(source, Shutdown::new(std::future::pending()));
    let reached = async {
        while gateway.revision() < Revision(revision) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = following => panic!("it stopped following"),
        reached = tokio::time::timeout(Duration::from_secs(3600), reached) => reached.unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn changes_come_into_force_however_long_the_source_takes_to_hear_of_it() {
    let source = Tedious { opened: Mutex::default(), stands: Vec::new() };
    follow_until(Arc::new(source), 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stood_for_a_while_is_taken_up_again_at_once() {
    let (none, long) = (Duration::ZERO, Duration::from_secs(60));
    let stands = vec![none, none, none, none, none, none, long, none];
    let source = Arc::new(Tedious { opened: Mutex::default(), stands: stands.clone() });
    follow_until(source.clone(), 2).await;
    let opened = source.opened.lock().unwrap();
    let waits: Vec<_> =
        (1..opened.len()).map(|at| (opened[at] - opened[at - 1] - stands[at - 1]).as_millis()).collect();
    assert!(waits[5] >= 1600, "it comes back ever more slowly to a source that is away: {waits:?}");
    assert!(waits[6] < 100, "it comes back at once to one that was there: {waits:?}");
}
