//! The gateway inside somebody else's axum service: its own routes first, everything else to the gateway.

use apim_core::{Change, Revision, Snapshot};
use apim_gateway::Gateway;
use axum::Router;
use axum::routing::get;
use serde_json::json;

/// The service's own routes, and behind them the gateway.
async fn app(backend: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let api = serde_json::from_value(json!({
        "id": "pets", "name": "Pets", "version": "1.0.0", "context": "/pets",
        "operations": [{"method": "GET", "path": "/*", "auth": "none"}],
        "endpoints": {"production": {"url": backend}},
    }))?;
    let gateway = Gateway::builder().build().await?;
    gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(api)])).await;
    Ok(Router::new().route("/", get(async || "my own page")).fallback_service(gateway))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:9000/pet".to_owned());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(&backend).await?).await?)
}

#[cfg(test)]
mod tests;
