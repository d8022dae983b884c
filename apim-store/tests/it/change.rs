//! Change reaches its readers: numbered, in order, without gaps.

use apim_core::Timestamp;
use apim_core::event::{BusError, Change, Revision};
use apim_core::model::{Application, Revocation, Tenant};
use apim_core::store::RevocationStore as _;
use apim_store::Store;
use futures_util::StreamExt as _;
use std::time::Duration;

use crate::place::databases;

pub fn application(id: &str) -> Change {
    let document = serde_json::json!({"id": id, "name": id, "owner": "ann", "policy": "Unlimited"});
    let application: Application = serde_json::from_value(document).unwrap();
    Change::ApplicationSaved(application.into())
}

async fn tell(store: &Store, id: &str) -> Revision {
    let mut write = store.platform(&Tenant::default()).write().await.unwrap();
    write.tell(application(id));
    write.commit().await.unwrap()
}

#[tokio::test]
async fn a_reader_sees_every_change_once_and_in_order_while_sixteen_write_and_some_roll_back() {
    for database in databases().await {
        let store = database.open().await;
        let mut events = store.source().changes(Revision(0)).await.unwrap();
        let writers = (0..16).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..5 {
                    let mut write = store.platform(&Tenant::default()).write().await.unwrap();
                    write.tell(application(&format!("{writer}-{n}")));
                    if n != 3 {
                        write.commit().await.unwrap();
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        for expected in 1..=16 * 4 {
            let event = tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap().unwrap();
            assert_eq!(event.unwrap().revision, Revision(expected));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(store.head(), Revision(64));
    }
}

#[tokio::test]
async fn a_snapshot_is_what_the_changes_lead_to() {
    for database in databases().await {
        let store = database.open().await;
        tell(&store, "one").await;
        tell(&store, "one").await;
        tell(&store, "two").await;
        let mut write = store.platform(&Tenant::default()).write().await.unwrap();
        write.tell(Change::ApplicationRemoved("two".into()));
        write.commit().await.unwrap();
        let token = Revocation::Token { id: "jti".into(), expires_at: Timestamp::from_secs(1_800_000_100) };
        store.revoke(&Tenant::default(), token).await.unwrap();
        let snapshot = store.source().snapshot().await.unwrap();
        assert_eq!(snapshot.revision(), Revision(5));
        assert_eq!(snapshot.changes().count(), 2);

        database.clock.advance(Duration::from_secs(101));
        assert_eq!(store.source().snapshot().await.unwrap().changes().count(), 1);
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    for database in databases().await {
        let store = database.open().await;
        let revision = tell(&store, "one").await;
        // Nothing is closed: the process is gone, as far as the file can tell.
        std::mem::forget(store);
        let store = database.open().await;
        assert_eq!(store.head(), revision);
        assert_eq!(store.source().snapshot().await.unwrap().changes().count(), 1);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_and_the_sealing_key_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    let _store = Store::open(apim_store::Settings::new("sqlite:apim.db", &folder)).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("seal.key")), 0o600);
}

#[tokio::test]
async fn a_cursor_from_another_life_needs_a_snapshot() {
    for database in databases().await {
        let store = database.open().await;
        tell(&store, "one").await;
        let refused = store.source().changes(Revision(2)).await.err();
        assert!(matches!(refused, Some(BusError::TooOld(Revision(2)))));
        assert!(store.source().changes(Revision(1)).await.is_ok());
    }
}

#[tokio::test]
async fn events_that_nobody_needs_are_thrown_away_and_an_old_cursor_is_told_so() {
    let database = databases().await.remove(0);
    let store = database.open().await;
    for _ in 0..13 {
        let mut write = store.platform(&Tenant::default()).write().await.unwrap();
        for n in 0..1000 {
            write.tell(application(&format!("{}", n % 3)));
        }
        write.commit().await.unwrap();
    }
    assert!(matches!(store.source().changes(Revision(100)).await.err(), Some(BusError::TooOld(_))));
    let mut events = store.source().changes(Revision(12_000)).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().revision, Revision(12_001));
}
