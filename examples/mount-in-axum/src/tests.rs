//! The service's own page and the gateway's APIs through one socket.
#![allow(clippy::unwrap_used)]

use axum::extract::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn own_routes_and_apis_live_under_one_roof() {
    let echo = async |request: Request| {
        format!("{} for {}", request.uri(), request.headers()["x-forwarded-for"].to_str().unwrap())
    };
    let backend = serve(Router::new().fallback(echo)).await;
    let service = serve(app(&format!("http://{backend}/backend")).await.unwrap()).await;
    assert!(get(service, "/").await.ends_with("0 calls so far"));
    let called = get(service, "/pets/1.0.0/1?full=yes").await;
    assert!(called.ends_with("/backend/1?full=yes for 127.0.0.1"), "{called}");
    assert!(get(service, "/nowhere").await.starts_with("HTTP/1.1 404"));
    // The gateway and the page share what was counted.
    assert!(get(service, "/").await.ends_with("1 calls so far"));
}
