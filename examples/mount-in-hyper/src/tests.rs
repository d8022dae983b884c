//! Through sockets on both sides: calls, the caller's address, and an end that waits.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::{gateway, serve};

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_call_in_flight_is_finished_and_its_backend_knows_who_calls() {
    let (asked, mut asking) = mpsc::unbounded_channel();
    let backend = Router::new().fallback(async move |request: Request| {
        let (go, wait) = oneshot::channel::<()>();
        let caller = request.headers()["x-forwarded-for"].to_str().unwrap().to_owned();
        asked.send((request.uri().to_string(), caller, go)).unwrap();
        wait.await.unwrap();
        "late"
    });
    let (socket, address) = listener().await;
    tokio::spawn(async move { axum::serve(socket, backend).await });
    let (socket, own) = listener().await;
    let (end, ended) = oneshot::channel::<()>();
    let gateway = gateway(&format!("http://{address}/backend")).await.unwrap();
    let server = tokio::spawn(serve(gateway, socket, async { drop(ended.await) }));

    let mut stream = TcpStream::connect(own).await.unwrap();
    stream.write_all(b"GET /pets/1.0.0/1 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let (path, caller, go) = asking.recv().await.unwrap();
    assert_eq!((path.as_str(), caller.as_str()), ("/backend/1", "127.0.0.1"));

    end.send(()).unwrap();
    go.send(()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("late"), "{answer}");
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(own).await.is_err());
}
