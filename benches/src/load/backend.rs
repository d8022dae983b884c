//! A backend with a slow side.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Bytes of the large answer: more than sockets on the way will hold for a client that does not read.
pub const LARGE: usize = 1 << 20;

/// How long the slow answer takes to begin.
pub const SLOW: Duration = Duration::from_secs(5);

/// Answers on a thread of its own until dropped. By the last but one segment of the path:
///
/// | | |
/// |---|---|
/// | `pets` | a kilobyte, which begins with the path's first segment |
/// | `uploads` | how many bytes were sent |
/// | `reports` | [`LARGE`] bytes |
/// | `waits` | as `pets`, after [`SLOW`] |
#[derive(Debug)]
pub struct Backend {
    /// Where it is.
    pub address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Backend {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// If there is no port or thread for it.
    pub fn start() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! { () = serve(listener) => {}, _ = stopped => {} }
            });
        });
        Self { address: told.recv().unwrap(), _stop: stop }
    }
}

async fn serve(listener: TcpListener) {
    let large = Bytes::from(vec![b'x'; LARGE]);
    loop {
        // No sockets left is a state that passes.
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let large = large.clone();
        let service = service_fn(move |request| answer(request, large.clone()));
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(connection);
    }
}

async fn answer(request: Request<Incoming>, large: Bytes) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let mut segments = path.trim_start_matches('/').split('/');
    let first = segments.next().unwrap_or_default();
    let body = match path.rsplit('/').nth(1) {
        Some("uploads") => request.into_body().collect().await?.to_bytes().len().to_string().into(),
        Some("reports") => large,
        Some("waits") => {
            tokio::time::sleep(SLOW).await;
            pet(first)
        }
        _ => pet(first),
    };
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn pet(first: &str) -> Bytes {
    format!("{first:<1024}").into()
}
