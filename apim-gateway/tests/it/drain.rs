//! Stopping loses no request.

use std::time::Duration;

use crate::bench::{LIMIT, OK, Plan, answering, backend};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_request_in_flight_is_answered_and_the_server_ends() {
    let (seen, mut asked) = tokio::sync::watch::channel(false);
    let (go, gone) = tokio::sync::watch::channel(false);
    let address = backend(move |_, mut wire| {
        let (seen, mut gone) = (seen.clone(), gone.clone());
        async move {
            wire.head().await.unwrap();
            seen.send_replace(true);
            gone.wait_for(|go| *go).await.unwrap();
            wire.send(OK).await;
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let http = gateway.http();
    let mut client = gateway.connect().await;
    client.send(GET).await;
    asked.wait_for(|asked| *asked).await.unwrap();
    gateway.stop.send(()).unwrap();
    // Nobody new is let in, once the listeners are gone.
    let refused = async {
        while tokio::net::TcpStream::connect(http).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.unwrap();
    go.send_replace(true);
    let got = client.message().await;
    assert_eq!((got.status(), got.header("connection")), ("200", Some("close")));
    tokio::time::timeout(LIMIT, gateway.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn clients_that_keep_asking_lose_nothing() {
    let gateway = Plan::to(format!("http://{}", answering(OK).await)).start();
    let http = gateway.http();
    let clients = (0..8).map(|_| {
        tokio::spawn(async move {
            let mut client = crate::bench::Wire::connect(http).await;
            let mut answered = 0;
            loop {
                let got = client.ask(GET).await;
                assert_eq!(got.status(), "200");
                answered += 1;
                if got.header("connection") == Some("close") {
                    return answered;
                }
            }
        })
    });
    let clients = clients.collect::<Vec<_>>();
    tokio::time::sleep(Duration::from_millis(200)).await;
    gateway.stop.send(()).unwrap();
    for client in clients {
        assert!(tokio::time::timeout(LIMIT, client).await.unwrap().unwrap() > 0);
    }
    tokio::time::timeout(LIMIT, gateway.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_server_up_and_a_stuck_one_only_so_long() {
    let address = backend(|_, mut wire| async move {
        wire.head().await;
        wire.head().await;
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.server.limits.drain_timeout = Duration::from_secs(2);
    let gateway = plan.start();
    let _silent = gateway.connect().await;
    let mut stuck = gateway.connect().await;
    stuck.send(GET).await;
    gateway.stop.send(()).unwrap();
    tokio::time::timeout(LIMIT, gateway.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_error() {
    let gateway = Plan::to("http://127.0.0.1:9").start();
    let mut second = Plan::to("http://127.0.0.1:9");
    second.server.http = Some(gateway.http());
    let error = second.try_bind().unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on {}: another program uses this port", gateway.http()));
}
