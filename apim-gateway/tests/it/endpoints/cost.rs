//! What endpoints cost a request: nothing that they do not ask for.

use apim_gateway::server::Serve as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use allocation_counter::measure;
use apim_core::{Body, Peer, Worker};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::runtime;

use super::endpoint;
use crate::bench::{OK, Plan};

/// A backend on threads of its own, whose allocations are not counted.
fn apart() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while tcp.read(&mut head).is_ok_and(|count| count > 0) {
                    tcp.write_all(OK.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

/// Allocations of one GET through such an endpoint, connection and all else being there already.
fn allocations(members: usize, with: Value) -> u64 {
    let urls: Vec<_> = (0..members).map(|_| format!("http://{}/base", apart())).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let mut plan = Plan::to("");
    plan.endpoint = endpoint(&urls, with);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (gateway, _) = plan.embedded();
    let peer = Peer { address: ([203, 0, 113, 9], 4711).into(), tls: false };
    let original = Request::get("/pets?page=2").header("host", "api.example").body(()).unwrap();
    let once = || {
        let mut request = original.clone().map(|()| Body::empty());
        let response = runtime.block_on(async {
            let response = gateway.serve(&mut request, peer, Worker(0)).await;
            let status = response.status();
            (status, response.into_body().collect().await.unwrap().to_bytes())
        });
        assert_eq!((response.0.as_u16(), &response.1[..]), (200, &b"ok"[..]));
    };
    (0..members * 10).for_each(|_| once());
    // Now and then a deadline is looked at in between; the least is what the request itself costs.
    (0..40).map(|_| measure(once).count_total).min().unwrap()
}

#[test]
fn rules_cost_a_request_no_allocation_and_a_choice_costs_one() {
    let plain = allocations(1, json!({}));
    let rules = json!({"suspension": {}, "breaker": {"ratio": 0.5}, "max_requests": 9});
    assert_eq!(allocations(1, rules.clone()), plain);
    let times = json!({"timeout_ms": 0, "connect_timeout_ms": 9000, "body_timeout_ms": 9000});
    assert_eq!(allocations(1, times), plain);
    // Where another member could be tried the call goes through a box, whatever else is asked for.
    let several = plain + 1;
    assert_eq!(allocations(2, json!({"policy": "weighted"})), several);
    let mut all = rules;
    all["ejection"] = json!({});
    all["policy"] = json!("least_loaded");
    assert_eq!(allocations(3, all), several);
    let basic = json!({"security": {"type": "basic", "username": "a", "password": "b"}});
    assert!(allocations(1, basic) <= plain + 1, "the header may find no room");
    // What may be sent again is copied.
    assert!(allocations(1, json!({"retry": {}})) <= plain + 4);
}
