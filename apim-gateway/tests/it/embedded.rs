//! The upstream works without our server, under a runtime with many threads.

use apim_core::{Body, Peer, Worker};
use apim_gateway::server::Serve as _;
use http::Request;
use http_body_util::BodyExt as _;

use crate::bench::{OK, Plan, answering};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_share_what_a_worker_would_have_for_itself() {
    let (gateway, _) = Plan::to(format!("http://{}", answering(OK).await)).embedded();
    let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false };
    let calls = (0..32).map(|_| {
        let gateway = gateway.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                let mut request = Request::get("/x").body(Body::empty()).unwrap();
                let response = gateway.serve(&mut request, peer, Worker(0)).await;
                assert_eq!(response.status(), 200);
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, "ok");
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}
