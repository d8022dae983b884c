//! The gateway inside somebody else's axum service: its own routes first, everything else to the gateway.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apim_core::{AnalyticsSink, CallEvent, Change, Peer, Revision, Snapshot};
use apim_gateway::Gateway;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::map_request;
use axum::routing::get;
use serde_json::json;

/// What the service's own pages and the gateway both know: how many calls there were.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU64>);

impl AnalyticsSink for Calls {
    fn record(&self, _: &CallEvent<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The service's own routes, and behind them the gateway.
async fn app(backend: &str) -> Result<Router, Box<dyn Error>> {
    let api = serde_json::from_value(json!({
        "id": "pets", "name": "Pets", "version": "1.0.0", "context": "/pets",
        "operations": [{"method": "GET", "path": "/*", "auth": "none"}],
        "endpoints": {"production": {"url": backend}},
    }))?;
    let calls = Calls::default();
    let gateway = Gateway::builder().analytics(Arc::new(calls.clone())).build().await?;
    gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(api)])).await.into_result()?;
    let own = async |State(calls): State<Calls>| format!("{} calls so far", calls.0.load(Ordering::Relaxed));
    Ok(Router::new()
        .route("/", get(own))
        .with_state(calls)
        .fallback_service(gateway)
        .layer(map_request(introduce)))
}

/// Tells the gateway who is at the other end, which only whoever accepts connections knows.
async fn introduce(ConnectInfo(address): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(Peer { address, tls: false });
    request
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:9000/pet".to_owned());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let app = app(&backend).await?.into_make_service_with_connect_info::<SocketAddr>();
    let end = async { drop(tokio::signal::ctrl_c().await) };
    // Calls in flight are finished, the gateway's as well as the service's own.
    Ok(axum::serve(listener, app).with_graceful_shutdown(end).await?)
}

#[cfg(test)]
mod tests;
