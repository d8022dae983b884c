//! The gateway in a server of one's own, on plain hyper.

use std::error::Error;
use std::time::Duration;

use apim_core::{Change, Peer, Revision, Snapshot};
use apim_gateway::Gateway;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// A gateway with one API, which everybody may call.
async fn gateway(backend: &str) -> Result<Gateway, Box<dyn Error>> {
    let api = serde_json::from_value(json!({
        "id": "pets", "name": "Pets", "version": "1.0.0", "context": "/pets",
        "operations": [{"method": "GET", "path": "/*", "auth": "none"}],
        "endpoints": {"production": {"url": backend}},
    }))?;
    let gateway = Gateway::builder().build().await?;
    gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(api)])).await.into_result()?;
    Ok(gateway)
}

/// Serves until `end` is ready, and then what is in flight.
async fn serve(
    gateway: Gateway,
    listener: TcpListener,
    end: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let connections = GracefulShutdown::new();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    let mut end = std::pin::pin!(end);
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = &mut end => break,
        };
        let gateway = gateway.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            // Without it the gateway does not know whose request it is: logs, limits and deny policies need it.
            request.extensions_mut().insert(Peer { address, tls: false });
            gateway.clone().oneshot(request)
        });
        // HTTP/1.1 and HTTP/2, and whatever either is upgraded to.
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), answer).into_owned();
        tokio::spawn(connections.watch(connection));
    }
    // Those that take longer are cut off.
    let _ = tokio::time::timeout(Duration::from_secs(30), connections.shutdown()).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:9000/pet".to_owned());
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let end = async { drop(tokio::signal::ctrl_c().await) };
    Ok(serve(gateway(&backend).await?, listener, end).await?)
}

#[cfg(test)]
mod tests;
