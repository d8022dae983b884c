//! The load that an optimised build learns from.
//!
//! A compiler that knows which way most calls take lays a program out for them. So `benches/optimise` builds the
//! servers so that they count, has them called from here and by the soak, and builds them again with what they
//! counted. It is a mixture of what a gateway sees, not the comparison's own rounds: whatever is missing here is
//! taken for what never happens, and made small instead of fast.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::load::{Connection, Door};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::contender::{BACKEND, Site, body};
use crate::material::Material;
use crate::proof;
use crate::scenario::LESSON;

/// Connections of HTTP/1.1 to each gateway.
const CONNECTIONS: usize = 32;

/// Streams of HTTP/2, on one connection.
const STREAMS: usize = 16;

/// Bytes of what is large.
const LARGE: usize = 1 << 20;

/// Has two gateways called for so long, one that everybody may call and one that asks for tokens.
pub(crate) fn train(site: &Site, material: &Material, time: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, BACKEND))).unwrap();
    runtime.spawn(serve(listener));
    let contenders = site.start(&LESSON, material);
    proof::of_work(&contenders, material);
    for contender in &contenders {
        let tokens = if contender.kind.checks_tokens() { &material.tokens[..] } else { &[] };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, contender.port));
        let calls = Arc::new(calls(tokens, &material.expired));
        let fresh = if tokens.is_empty() { Vec::new() } else { once_each(&material.fresh_tokens) };
        let answers = runtime.block_on(all(address, &calls, fresh, tokens.first().cloned(), time));
        eprintln!("{}: {answers} answers", contender.kind.name());
    }
}

fn authorization(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") }
}

/// Calls with tokens that come once.
fn once_each(tokens: &[String]) -> Vec<Vec<u8>> {
    let head = "GET /api-0/1.0.0/items/17 HTTP/1.1\r\nHost: a\r\n";
    tokens.iter().map(|token| format!("{head}{}\r\n", authorization(token)).into_bytes()).collect()
}

/// What is sent again and again: mostly calls that are let through, and some of all that is refused.
fn calls(tokens: &[String], expired: &str) -> Vec<Vec<u8>> {
    let browser =
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n";
    let mut all = Vec::new();
    for turn in 0..1_000 {
        let token = tokens.get(turn % tokens.len().max(1)).map_or("", String::as_str);
        let usual = if turn % 2 == 0 { "" } else { browser };
        let call = |line: &str, token: &str, more: &str| {
            let token = authorization(token);
            format!("{line} HTTP/1.1\r\nHost: api.example:8280\r\n{usual}{token}{more}\r\n").into_bytes()
        };
        let (get, post) = ("GET /api-0/1.0.0/items/17", "POST /api-0/1.0.0/items/17");
        all.extend(std::iter::repeat_n(call(get, token, ""), 3));
        all.push([call(post, token, "Content-Length: 10240\r\n"), vec![b'x'; 10_240]].concat());
        match turn % 50 {
            1 => all.push(call(get, expired, "")),
            2 => all.push(call("GET /nobody/1.0.0/items/17?a=b", token, "")),
            3 => all.push(call("DELETE /api-0/1.0.0/items/17", token, "")),
            4 => all.push(call("GET /api-0/1.0.0/items/large", token, "")),
            6 => {
                let head = call(post, token, "Transfer-Encoding: chunked\r\n");
                all.push(
                    [head, b"2800\r\n".to_vec(), vec![b'x'; 10_240], b"\r\n0\r\n\r\n".to_vec()].concat(),
                );
            }
            7 => all.push([call(post, token, "Content-Length: 1048576\r\n"), vec![b'x'; LARGE]].concat()),
            turn => {
                // Applications have subscribed to the first of the APIs that ask for that.
                let api = if tokens.is_empty() { turn } else { 0 };
                all.push(call(&format!("GET /api-{api}/1.0.0/items/{turn}?limit=5"), token, ""));
            }
        }
    }
    all
}

async fn all(
    address: SocketAddr,
    calls: &Arc<Vec<Vec<u8>>>,
    fresh: Vec<Vec<u8>>,
    token: Option<String>,
    time: Duration,
) -> usize {
    let until = Instant::now() + time;
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        clients.spawn(by_http1(address, calls.clone(), number * 97, until));
    }
    clients.spawn(strangers(address, fresh, until));
    let tcp = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..STREAMS {
        clients.spawn(by_http2(sender.clone(), token.clone(), until));
    }
    let mut answers = 0;
    while let Some(client) = clients.join_next().await {
        answers += client.unwrap();
    }
    answers
}

/// Sends one request after the other; answers how many were answered.
async fn by_http1(address: SocketAddr, calls: Arc<Vec<Vec<u8>>>, first: usize, until: Instant) -> usize {
    let door = Door::plain(address);
    let mut connection = Connection::open(&door).await.unwrap();
    let mut answers = 0;
    while Instant::now() < until {
        let (head, _) = connection.exchange(&calls[(first + answers) % calls.len()]).await.unwrap();
        answers += 1;
        // New connections are part of the lesson, too.
        if head.closes || answers % 500 == 0 {
            connection = Connection::open(&door).await.unwrap();
        }
    }
    answers
}

/// Sends each call once, between those of others.
async fn strangers(address: SocketAddr, calls: Vec<Vec<u8>>, until: Instant) -> usize {
    let mut connection = Connection::open(&Door::plain(address)).await.unwrap();
    let mut answers = 0;
    for call in calls.iter().take_while(|_| Instant::now() < until) {
        connection.exchange(call).await.unwrap();
        answers += 1;
    }
    answers
}

async fn by_http2(
    mut sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    token: Option<String>,
    until: Instant,
) -> usize {
    let mut answers = 0;
    while Instant::now() < until {
        let mut request = Request::get("http://api.example:8280/api-0/1.0.0/items/17");
        if let Some(token) = &token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = sender.send_request(request.body(Full::default()).unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap();
        answers += 1;
        // HTTP/1.1 is what most send.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answers
}

async fn serve(listener: TcpListener) {
    let (usual, large) = (Bytes::from(body()), Bytes::from(vec![b'x'; LARGE]));
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (usual, large) = (usual.clone(), large.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = if request.uri().path().ends_with("/large") { large.clone() } else { usual.clone() };
            async move {
                request.into_body().collect().await?;
                Ok::<_, hyper::Error>(Response::new(Full::new(answer)))
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
        );
    }
}
