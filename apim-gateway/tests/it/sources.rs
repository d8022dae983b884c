//! What a gateway serves comes from files, from a control plane, or from what was saved of either.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use apim_core::model::{ApiId, Application};
use apim_core::testing::ManualClock;
use apim_core::{BusError, Change, Event, EventStream, Revision, Snapshot, SnapshotSource, Timestamp, event};
use apim_gateway::source::{Files, Join, Remote, Saved};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::bench::{Wire, backend};

fn application(id: &str) -> Change {
    let application: Application = serde_json::from_value(
        serde_json::json!({"id": id, "name": id, "owner": "ann", "policy": "Unlimited"}),
    )
    .unwrap();
    Change::ApplicationSaved(application.into())
}

fn event_of(revision: u64, id: &str) -> Event {
    Event { revision: Revision(revision), at: Timestamp::default(), change: application(id) }
}

#[test]
fn a_folder_of_files_is_a_snapshot() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("apis")).unwrap();
    fs::write(folder.path().join("README.md"), "not ours").unwrap();
    fs::write(
        folder.path().join("apis/pets.yaml"),
        "name: pets\nversion: '1'\ncontext: /pets\nendpoints:\n  production: {url: 'http://localhost:1'}\n",
    )
    .unwrap();
    fs::write(folder.path().join("shop.json"), r#"{"name": "shop", "version": "2", "context": "/shop"}"#)
        .unwrap();
    fs::write(
        folder.path().join("policies.yaml"),
        "- kind: subscription\n  name: Gold\n  quota: {requests: 10, window_ms: 60000}\n",
    )
    .unwrap();
    let snapshot = Files::new(folder.path()).load().unwrap();
    let apis = snapshot.changes().filter_map(|change| match change {
        Change::ApiDeployed(api) => Some(api.id.clone()),
        _ => None,
    });
    assert_eq!(apis.collect::<Vec<_>>(), [ApiId::from("pets:1"), ApiId::from("shop:2")]);
    assert_eq!(snapshot.changes().count(), 3);
}

#[test]
fn every_mistake_in_every_file_is_told_with_its_place() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yaml"), "name: a\nversion: '1'\ncontxt: /a\n").unwrap();
    fs::write(
        folder.path().join("b.yaml"),
        "name: b\nversion: '1'\ncontext: /b\nendpoints:\n  production: {url: 'ftp://x'}\n",
    )
    .unwrap();
    fs::write(folder.path().join("c.yaml"), "name: b\nversion: '1'\ncontext: /c\n").unwrap();
    fs::write(
        folder.path().join("subscriptions.yaml"),
        "- {id: s, application: nobody, api: nothing, plan: Gold}\n",
    )
    .unwrap();
    let error = Files::new(folder.path()).load().unwrap_err().to_string();
    for told in [
        "a.yaml: ",
        "contxt",
        "b.yaml: endpoints.production.url: `ftp://x` must begin with",
        "c.yaml: the API `b:1` stands in",
        "subscriptions.yaml: s: no application `nobody`",
        "subscriptions.yaml: s: no API `nothing`",
    ] {
        assert!(error.contains(told), "{told:?} is not in\n{error}");
    }
    let missing = Files::new(folder.path().join("nowhere")).load().unwrap_err();
    assert_eq!(missing.mistakes.len(), 1);
}

fn join(address: std::net::SocketAddr) -> Join {
    serde_json::from_value(serde_json::json!({"url": format!("http://{address}"), "token": "t0"})).unwrap()
}

/// A control plane that knows two revisions, and a third that comes a little later.
async fn control_plane(_: usize, mut wire: Wire) {
    while let Some(got) = wire.next().await {
        assert_eq!(got.header("authorization"), Some("Bearer t0"));
        let target = got.head.split(' ').nth(1).unwrap();
        let answer = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        match target {
            "/internal/gateway/v1/snapshot" => {
                let snapshot = Snapshot::new(Revision(1), [application("one")]);
                wire.send(answer("200 OK", &serde_json::to_string(&snapshot).unwrap())).await;
            }
            "/internal/gateway/v1/events?after=1&gateway=edge+1" => {
                let first = serde_json::to_string(&event_of(2, "two")).unwrap();
                let second = serde_json::to_string(&event_of(3, "three")).unwrap();
                let (begin, end) = second.split_at(10);
                wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                for piece in [format!("\n{first}\n\n"), begin.to_owned(), format!("{end}\n")] {
                    wire.send(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
                    tokio::task::yield_now().await;
                }
                wire.take(1).await;
            }
            "/internal/gateway/v1/applied" => {
                assert_eq!(got.text(), r#"{"revision":3,"gateway":"edge 1"}"#);
                wire.send(answer("204 No Content", "")).await;
            }
            "/internal/gateway/v1/events?after=0&gateway=edge+1" => wire.send(answer("410 Gone", "")).await,
            _ => wire.send(answer("401 Unauthorized", "")).await,
        }
    }
}

#[tokio::test]
async fn a_control_plane_gives_a_snapshot_and_then_each_event() {
    let remote = Remote::new(&join(backend(control_plane).await), "edge 1").unwrap();
    let snapshot = remote.snapshot().await.unwrap();
    assert_eq!(snapshot.revision(), Revision(1));
    let mut events = remote.changes(Revision(1)).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), event_of(2, "two"));
    assert_eq!(events.next().await.unwrap().unwrap(), event_of(3, "three"));
    remote.applied(Revision(3)).await;
    remote.applied(Revision(3)).await;
    let old = remote.changes(Revision(0)).await.err().unwrap();
    assert!(matches!(old, BusError::TooOld(Revision(0))), "{old:?}");
    let refused = remote.changes(Revision(9)).await.err().unwrap();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("401") && why.contains("token"), "{why}");
}

#[tokio::test]
async fn a_gap_or_an_end_breaks_the_stream() {
    let address = backend(|_, mut wire| async move {
        wire.head().await;
        let line = serde_json::to_string(&event_of(5, "five")).unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}\n", line.len() + 1);
        wire.send(answer).await;
    })
    .await;
    let remote = Remote::new(&join(address), "edge").unwrap();
    let mut gap = remote.changes(Revision(3)).await.unwrap();
    assert!(matches!(gap.next().await, Some(Err(BusError::Broken(_)))));
    assert!(gap.next().await.is_none());
    let mut end = remote.changes(Revision(4)).await.unwrap();
    assert!(matches!(end.next().await, Some(Ok(_))));
    assert!(matches!(end.next().await, Some(Err(BusError::Broken(_)))));
}

#[tokio::test]
async fn an_event_that_does_not_end_breaks_the_stream_before_it_fills_the_memory() {
    const MEBIBYTE: usize = 1 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let address = backend(move |number, mut wire| {
        let sent = count.clone();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\n\r\n").await;
            let blank = vec![b' '; MEBIBYTE];
            // The first ends just in time, and the second not at all.
            let most = if number == 0 { 63 } else { 150 };
            while sent.load(SeqCst) < most && wire.tcp.write_all(&blank).await.is_ok() {
                sent.fetch_add(1, SeqCst);
            }
            if number == 0 {
                sent.store(0, SeqCst);
                wire.send(format!("{}\n", serde_json::to_string(&event_of(2, "two")).unwrap())).await;
            }
        }
    })
    .await;
    let remote = Remote::new(&join(address), "edge").unwrap();
    let mut long = remote.changes(Revision(1)).await.unwrap();
    assert_eq!(long.next().await.unwrap().unwrap(), event_of(2, "two"));
    let mut endless = remote.changes(Revision(2)).await.unwrap();
    let broken = endless.next().await.unwrap().unwrap_err();
    let why = std::error::Error::source(&broken).unwrap().to_string();
    assert_eq!(why, "an event is larger than 67108864 bytes");
    assert!(endless.next().await.is_none());
    // What the sockets hold beside it has no part in this.
    assert!(sent.load(SeqCst) < 100, "{} MiB were taken", sent.load(SeqCst));
}

#[test]
fn a_file_of_the_folder_has_so_many_bytes() {
    let folder = TempDir::new().unwrap();
    for (bytes, too_large) in [(16 << 20, false), ((16 << 20) + 1, true)] {
        // Not one byte of it takes a place on the disk.
        fs::File::create(folder.path().join("api.yaml")).unwrap().set_len(bytes).unwrap();
        let error = Files::new(folder.path()).load().unwrap_err().to_string();
        assert_eq!(error.contains("api.yaml: is larger than 16777216 bytes"), too_large, "{error}");
    }
}

#[test]
fn a_token_is_never_sent_in_the_clear_over_a_network() {
    let join: Join = serde_json::from_str(r#"{"url": "http://control.example:9443", "token": "t"}"#).unwrap();
    let error = Remote::new(&join, "edge").unwrap_err().to_string();
    assert!(error.contains("must begin with https://"), "{error}");
    let join: Join =
        serde_json::from_str(r#"{"url": "https://control.example:9443", "token": "t"}"#).unwrap();
    assert!(Remote::new(&join, "edge").unwrap_err().to_string().contains("authority"));
}

/// A source that can go away.
struct Flaky {
    away: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl SnapshotSource for Flaky {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        if self.away.load(SeqCst) {
            return Err(BusError::Broken("away".into()));
        }
        Ok(Snapshot::new(Revision(1), [application("one")]))
    }

    async fn changes(&self, after: Revision) -> Result<EventStream, BusError> {
        if self.away.load(SeqCst) {
            return Err(BusError::Broken("away".into()));
        }
        let events = (after.0 + 1..=3).map(|number| Ok(event_of(number, &number.to_string())));
        Ok(Box::pin(futures_util::stream::iter(events.collect::<Vec<_>>()).chain(event::never())))
    }
}

#[tokio::test]
async fn what_was_saved_is_served_after_a_restart_and_caught_up_with() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let away = Arc::new(AtomicBool::new(false));
    let saved =
        |away: &Arc<AtomicBool>| Saved::new(Flaky { away: away.clone() }, folder.path(), clock.clone());

    let before = saved(&away);
    assert_eq!(before.snapshot().await.unwrap().revision(), Revision(1));
    let mut events = before.changes(Revision(1)).await.unwrap();
    events.next().await.unwrap().unwrap();
    drop((events, before));

    away.store(true, SeqCst);
    let after = saved(&away);
    let snapshot = after.snapshot().await.unwrap();
    assert_eq!((snapshot.revision(), snapshot.changes().count()), (Revision(2), 2));
    assert!(matches!(after.changes(Revision(2)).await.err(), Some(BusError::Broken(_))));

    away.store(false, SeqCst);
    let mut events = after.changes(Revision(2)).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().revision, Revision(3));
    drop((events, after));
    away.store(true, SeqCst);
    assert_eq!(saved(&away).snapshot().await.unwrap().revision(), Revision(3));
}

#[tokio::test]
async fn without_anything_saved_an_absent_source_is_an_error() {
    let folder = TempDir::new().unwrap();
    let away = Arc::new(AtomicBool::new(true));
    let saved = Saved::new(Flaky { away }, folder.path(), Arc::new(ManualClock::default()));
    assert!(saved.snapshot().await.is_err());
}

#[tokio::test]
async fn a_torn_last_line_is_passed_over_and_the_files_are_private() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let away = Arc::new(AtomicBool::new(false));
    let saved = Saved::new(Flaky { away: away.clone() }, folder.path(), clock.clone());
    saved.snapshot().await.unwrap();
    let mut events = saved.changes(Revision(1)).await.unwrap();
    events.next().await.unwrap().unwrap();
    events.next().await.unwrap().unwrap();
    let log = folder.path().join("events.ndjson");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, &whole[..whole.len() - 5]).unwrap();
    away.store(true, SeqCst);
    let again = Saved::new(Flaky { away }, folder.path(), clock);
    assert_eq!(again.snapshot().await.unwrap().revision(), Revision(2));
    #[cfg(unix)]
    for name in ["snapshot.json", "events.ndjson"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_could_not_be_written_is_written_with_the_next_change() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let away = Arc::new(AtomicBool::new(false));
    let saved = Saved::new(Flaky { away: away.clone() }, folder.path(), clock.clone());
    saved.snapshot().await.unwrap();
    // A folder where the log should be lets no event be written.
    let log = folder.path().join("events.ndjson");
    fs::create_dir(&log).unwrap();
    let mut events = saved.changes(Revision(1)).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().revision, Revision(2));
    fs::remove_dir(&log).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().revision, Revision(3));
    away.store(true, SeqCst);
    let again = Saved::new(Flaky { away }, folder.path(), clock).snapshot().await.unwrap();
    assert_eq!((again.revision(), again.changes().count()), (Revision(3), 3));
}

#[tokio::test]
async fn a_report_whose_answer_never_ends_is_given_up() {
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let address = backend(move |_, mut wire| {
        let begun = begun.clone();
        async move {
            wire.next().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(wire);
        }
    })
    .await;
    let remote = Remote::new(&join(address), "edge").unwrap();
    let report = tokio::spawn(async move { remote.applied(Revision(1)).await });
    has_begun.recv().await.unwrap();
    // From here on time passes whenever there is nothing else to do.
    tokio::time::pause();
    tokio::time::timeout(std::time::Duration::from_secs(60), report).await.unwrap().unwrap();
}
