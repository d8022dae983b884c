//! What is counted at the doors.

use std::net::{Ipv4Addr, SocketAddr};

use apim_core::Shutdown;
use apim_gateway::Gateway;
use apim_gateway::metrics::Metrics;
use tokio::net::TcpSocket;

use super::page::Page;
use crate::bench::{Identity, LIMIT, OK, Plan, Wire, answering};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const CONNECTIONS: [(&str, &str); 8] = [
    ("open", "{listener=\"http\"}"),
    ("open", "{listener=\"https\"}"),
    ("accepted_total", "{listener=\"http\"}"),
    ("accepted_total", "{listener=\"https\"}"),
    ("refused_total", "{reason=\"balancer\"}"),
    ("refused_total", "{reason=\"client\"}"),
    ("refused_total", "{reason=\"tls\"}"),
    ("refused_total", "{reason=\"system\"}"),
];

/// Waits until the counters are these, in the order of [`CONNECTIONS`].
async fn until(metrics: &Metrics, gateway: &Gateway, expected: [f64; 8]) {
    let patience = tokio::time::Instant::now() + LIMIT;
    loop {
        let page = Page::read(&metrics.exposition(gateway));
        let counted =
            CONNECTIONS.map(|(name, labels)| page.value(&format!("apim_gateway_connections_{name}{labels}")));
        if counted == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < patience, "{counted:?}, not {expected:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn connect_from(address: Ipv4Addr, to: SocketAddr) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    Wire::over(socket.connect(to).await.unwrap())
}

#[tokio::test]
async fn connections_are_counted_as_they_come_and_go_and_as_they_are_sent_away() {
    let identity = Identity::new();
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(identity.server());
    plan.server.limits.connections_per_client = Some(2);
    plan.server.http_balancers = vec!["127.0.0.2/32".parse().unwrap()];
    let bound = plan.try_bind().unwrap();
    let (http, https) = (bound.http_addr().unwrap(), bound.https_addr().unwrap());
    let metrics = Metrics::new(2, 1);
    let gateway = Gateway::builder().build().await.unwrap();
    assert!(!metrics.exposition(&gateway).contains("connections"));
    metrics.watch(bound.traffic());
    tokio::spawn(bound.run(Shutdown::new(std::future::pending())));

    let mut first = Wire::connect(http).await;
    assert_eq!(first.ask(GET).await.status(), "200");
    // However many requests there are, it is one connection.
    assert_eq!(first.ask(GET).await.status(), "200");
    until(&metrics, &gateway, [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).await;

    let mut second = Wire::connect(https).await;
    until(&metrics, &gateway, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]).await;
    let mut third = Wire::connect(http).await;
    assert!(third.is_closed().await, "it is one too many of this client");
    until(&metrics, &gateway, [1.0, 1.0, 2.0, 1.0, 0.0, 1.0, 0.0, 0.0]).await;

    second.send("this is no handshake").await;
    while second.next().await.is_some() {}
    let mut balancer = connect_from(Ipv4Addr::new(127, 0, 0, 2), http).await;
    balancer.send(GET).await;
    assert!(balancer.next().await.is_none(), "nobody knows whose connection it is");
    until(&metrics, &gateway, [1.0, 0.0, 3.0, 1.0, 1.0, 1.0, 1.0, 0.0]).await;

    drop(first);
    until(&metrics, &gateway, [0.0, 0.0, 3.0, 1.0, 1.0, 1.0, 1.0, 0.0]).await;
}
