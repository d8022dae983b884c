//! The service's own page and the gateway's APIs through one router.
#![allow(clippy::unwrap_used)]

use axum::body::Body;
use axum::extract::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

#[tokio::test]
async fn own_routes_and_apis_live_under_one_roof() {
    let backend = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/backend", backend.local_addr().unwrap());
    let echo = Router::new().fallback(async |request: Request| request.uri().to_string());
    tokio::spawn(async move { axum::serve(backend, echo).await });

    let app = app(&url).await.unwrap();
    let get = async |path: &str| {
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status.as_u16(), response.into_body().collect().await.unwrap().to_bytes())
    };
    assert_eq!(get("/").await, (200, "my own page".into()));
    assert_eq!(get("/pets/1.0.0/1?full=yes").await, (200, "/backend/1?full=yes".into()));
    assert_eq!(get("/nowhere").await.0, 404);
}
