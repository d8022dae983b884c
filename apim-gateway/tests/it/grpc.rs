//! gRPC passes: messages as they come, in both directions, and the trailers that say how it went.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::bench::{Identity, LIMIT, Plan, Running};

type Frames = StreamBody<futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// A body whose frames are sent one after the other.
fn frames(mut receiver: mpsc::Receiver<Frame<Bytes>>) -> Frames {
    let next = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|frame| frame.map(Ok)));
    StreamBody::new(Box::pin(next))
}

fn trailers(status: &'static str) -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from_static(status),
    )]))
}

/// Sends each message back when it has come, and the status when the caller has ended.
async fn echo(request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    let (sender, receiver) = mpsc::channel(1);
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.headers()["content-type"], "application/grpc+proto");
    tokio::spawn(async move {
        let mut body = request.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                let _ = sender.send(Frame::data(data)).await;
            }
        }
        let _ = sender.send(trailers("0")).await;
    });
    let mut response = Response::new(frames(receiver));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc+proto"));
    Ok(response)
}

async fn backend(tls: Option<TlsAcceptor>) -> SocketAddr {
    async fn serve(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(io), service_fn(echo)).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => serve(tcp).await,
                    Some(tls) => serve(tls.accept(tcp).await.unwrap()).await,
                }
            });
        }
    });
    address
}

/// A gateway before a backend that speaks HTTP/2, in the clear and over TLS; clients may come over either.
async fn gateways() -> (Identity, [Running; 2]) {
    let identity = Identity::new();
    let mut clear = Plan::to(format!("http://{}", backend(None).await));
    clear.endpoint.http2 = true;
    let port = backend(Some(TlsAcceptor::from(identity.server()))).await.port();
    let mut encrypted = Plan::to(format!("https://localhost:{port}"));
    encrypted.upstream.tls = Some(Arc::new(identity.client()));
    let both = [clear, encrypted].map(|mut plan| {
        plan.server.https = Some(([127, 0, 0, 1], 0).into());
        plan.server.tls = Some(identity.server());
        plan.start()
    });
    (identity, both)
}

async fn connect(gateway: &Running, identity: Option<&Identity>) -> http2::SendRequest<Frames> {
    async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> http2::SendRequest<Frames> {
        let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(io));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender
    }
    let Some(identity) = identity else {
        return over(TcpStream::connect(gateway.http()).await.unwrap()).await;
    };
    let mut config = identity.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(gateway.https()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    over(connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap()).await
}

fn call(body: Frames) -> Request<Frames> {
    Request::post("http://localhost/pkg.Service/Method")
        .header("te", "trailers")
        .header("content-type", "application/grpc+proto")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn a_call_with_one_message_each_way_ends_with_its_status() {
    let (identity, gateways) = gateways().await;
    for gateway in &gateways {
        for tls in [None, Some(&identity)] {
            let (sender, receiver) = mpsc::channel(1);
            sender.send(Frame::data(Bytes::from_static(b"\0\0\0\0\x02hi"))).await.unwrap();
            drop(sender);
            let response = connect(gateway, tls).await.send_request(call(frames(receiver))).await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/grpc+proto");
            let whole = response.into_body().collect().await.unwrap();
            assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
            assert_eq!(whole.to_bytes(), &b"\0\0\0\0\x02hi"[..]);
        }
    }
}

#[tokio::test]
async fn messages_stream_both_ways_at_once() {
    let (identity, gateways) = gateways().await;
    for gateway in &gateways {
        for tls in [None, Some(&identity)] {
            let (sender, receiver) = mpsc::channel(1);
            let mut client = connect(gateway, tls).await;
            let response = tokio::time::timeout(LIMIT, client.send_request(call(frames(receiver))));
            let mut answers = response.await.unwrap().unwrap().into_body();
            for number in 0..50_u8 {
                // Each is answered before the next is sent.
                sender.send(Frame::data(Bytes::copy_from_slice(&[0, 0, 0, 0, 1, number]))).await.unwrap();
                let frame = tokio::time::timeout(LIMIT, answers.frame()).await.unwrap().unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), &[0, 0, 0, 0, 1, number][..]);
            }
            drop(sender);
            let last = tokio::time::timeout(LIMIT, answers.frame()).await.unwrap().unwrap().unwrap();
            assert_eq!(last.into_trailers().unwrap()["grpc-status"], "0");
            assert!(answers.frame().await.is_none() && answers.is_end_stream());
        }
    }
}
