//! A request reaches the operation it names, or nothing.

use std::sync::Arc;

use apim_core::event::{Change, Revision};
use apim_core::{Body, Peer, Snapshot};
use apim_gateway::router::Found;
use http::{HeaderValue, Method, Request};
use serde_json::json;
use tower::ServiceExt as _;

use crate::gateway::world::{Bench, change, pets};

#[tokio::test]
async fn an_unknown_api_is_not_found_and_the_path_is_not_echoed() {
    let bench = Bench::new().await;
    let reply = bench.get("/%3Cscript%3E/x", &[]).await;
    assert_eq!(reply.status, 404);
    assert_eq!(
        reply.text,
        "{\"code\":\"404\",\"type\":\"Status report\",\"message\":\"Not Found\",\"description\":\"The requested \
         resource is not available.\"}"
    );
}

#[tokio::test]
async fn a_path_and_a_method_that_nobody_declared_are_told_apart_before_authentication() {
    let bench = Bench::new().await;
    let reply = bench.get("/petstore/1.0.0/nothing", &[]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (
            404,
            "{\"code\":\"404\",\"type\":\"Status report\",\"message\":\"Runtime Error\",\"description\":\"No matching \
             resource found for given API Request\"}"
        )
    );
    let reply = bench.call("DELETE", "/petstore/1.0.0/pets", &[]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (
            405,
            "{\"code\":\"405\",\"type\":\"Status report\",\"message\":\"Runtime Error\",\"description\":\"Method \
             not allowed for given API resource\"}"
        )
    );
    assert_eq!(reply.headers["allow"], "GET, POST, HEAD");
}

#[tokio::test]
async fn what_is_ambiguous_is_refused() {
    let bench = Bench::new().await;
    for target in [
        "/petstore/1.0.0/open/../pets",
        "/petstore/1.0.0/open/%2e%2e/pets",
        "/petstore/1.0.0/open/..;/pets",
        "/petstore/1.0.0//pets",
        "/petstore/1.0.0/pets%2f1",
        "/petstore/1.0.0/pets/%5c",
        "/petstore/1.0.0/pets/%00",
        "/petstore/1.0.0/pets/%252e",
        "/petstore/1.0.0/pets/%c0%af",
    ] {
        let reply = bench.get(target, &[]).await;
        assert_eq!(reply.verdict(), (400, "400".into()), "{target}");
    }
    let long = format!("/petstore/1.0.0/{}", "a".repeat(9000));
    assert_eq!(bench.get(&long, &[]).await.status, 414);
    let two = [("host", "a.example"), ("host", "b.example")];
    assert_eq!(bench.get("/petstore/1.0.0/open", &two).await.status, 400);
    assert_eq!(bench.count(), 0);
}

#[tokio::test]
async fn parameters_of_a_segment_lead_to_no_weaker_operation() {
    let bench = Bench::new().await;
    let open = |path: &str| json!({"method": "GET", "path": path, "auth": "none"});
    let operations = [
        json!({"method": "GET", "path": "/admin/{what}", "scopes": ["admin"]}),
        open("/*"),
        open("/lists/{id}"),
        open("/lists/{from}-{to}"),
    ];
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"operations": operations, "revision": 2}))))).await;
    let answer = async |path: &str| bench.get(&format!("/petstore/1.0.0{path}"), &[]).await.status.as_u16();
    assert_eq!(answer("/admin/secret").await, 401);
    for disguised in [
        "/admin;v=1/secret",
        "/admin%3Bv=1/secret",
        "/admin%3bv=1/secret",
        "/;/admin/secret",
        "/admin;/secret;x",
        "/lists/a;-b",
    ] {
        assert_eq!(answer(disguised).await, 400, "{disguised}");
    }
    assert_eq!(bench.get("/petstore;v=1/1.0.0/admin/secret", &[]).await.status, 404);
    assert_eq!(answer("/admin/secret;v=1").await, 401);
    for harmless in ["/lists/7;v=1", "/lists;v=1", "/other;a=b/c;d", "/lists/a-b;c"] {
        assert_eq!(answer(harmless).await, 200, "{harmless}");
    }
}

/// What a servlet container makes of a path: parameters go first, then what is encoded is decoded.
#[tokio::test]
async fn whatever_passes_meets_the_operation_that_the_backend_understands() {
    let bench = Bench::new().await;
    let templates = ["/*", "/a", "/a/{x}", "/a/{x}/b", "/b/*", "/{x}-{y}/b"];
    let operations: Vec<_> =
        templates.map(|path| json!({"method": "GET", "path": path, "auth": "none"})).into();
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"operations": operations, "revision": 2}))))).await;
    let resources =
        apim_gateway::router::Resources::new(templates.iter().map(|path| ("GET", *path))).unwrap();
    let words = ["a", "b", "%61", "a;v=1", ";b", "%3ba", "a-b", "a;-b", "a%3B-c", "b;;/", "c%3b%62"];
    let (mut passed, mut refused) = (0, 0);
    for one in words {
        for two in words {
            for three in words {
                let raw = format!("/{one}/{two}/{three}");
                if bench.get(&format!("/petstore/1.0.0{raw}"), &[]).await.status != 200 {
                    refused += 1;
                    continue;
                }
                passed += 1;
                let raw = raw.replace("%3b", ";").replace("%3B", ";").replace("%61", "a").replace("%62", "b");
                let named = raw.split('/').map(|segment| segment.split(';').next().unwrap());
                let understood = named.collect::<Vec<_>>().join("/");
                let Found::Operation(meant) = resources.find(&Method::GET, &understood) else {
                    panic!("{raw}")
                };
                assert_eq!(bench.last().template, templates[meant as usize], "{raw}");
            }
        }
    }
    assert!(passed > 100 && refused > 100, "{passed} passed, {refused} were refused");
}

#[tokio::test]
async fn before_anything_was_loaded_the_gateway_says_so() {
    let gateway = apim_gateway::Gateway::builder().build().await.unwrap();
    let ask = async || {
        let request = Request::get("/petstore/1.0.0/open").body("".to_owned()).unwrap();
        gateway.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 503);
    // Knowing that there is nothing is something else than not knowing.
    gateway.load(Snapshot::new(Revision(0), [])).await;
    assert_eq!(ask().await, 404);
}

#[tokio::test]
async fn router_policies_and_backend_see_one_path() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/pet%73tore/1.0.0/%6fpen?q=%20x", &[]).await.status, 200);
    let seen = bench.last();
    assert_eq!((seen.target.as_str(), seen.template.as_str()), ("/open?q=%20x", "/open"));
}

#[tokio::test]
async fn head_is_served_by_get() {
    let bench = Bench::new().await;
    let reply = bench.call("HEAD", "/petstore/1.0.0/open", &[]).await;
    assert_eq!((reply.status.as_u16(), bench.last().method.as_str()), (200, "HEAD"));
}

#[tokio::test]
async fn the_default_version_answers_without_one() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/petstore/open", &[]).await.status, 404);
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"default_version": true, "revision": 2}))))).await;
    assert_eq!(bench.get("/petstore/open", &[]).await.status, 200);
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.status, 200);
    let next = json!({"id": "pets-2", "version": "2.0.0", "default_version": true, "context": "/petstore/{version}"});
    bench.apply(Change::ApiDeployed(Arc::new(pets(next)))).await;
    assert_eq!(bench.get("/petstore/2.0.0/open", &[]).await.status, 200);
    assert_eq!(bench.get("/petstore/open", &[]).await.status, 200);
    assert_eq!(bench.last().target, "/open");
}

#[tokio::test]
async fn an_api_answers_on_its_hosts_and_transports_only() {
    let bench = Bench::new().await;
    let bound = json!({"hosts": ["pets.example"], "transports": {"https": true}, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(bound)))).await;
    assert_eq!(bench.get("/petstore/1.0.0/open", &[("host", "other.example")]).await.status, 404);
    let reply = bench.get("/petstore/1.0.0/open", &[("host", "PETS.example.:8280")]).await;
    assert_eq!(reply.verdict(), (403, "403".into()));
    let request = Request::get("https://pets.example/petstore/1.0.0/open").body(Body::empty()).unwrap();
    let peer = Peer { address: ([203, 0, 113, 9], 1).into(), tls: true };
    assert_eq!(bench.send_from(request, peer).await.status, 200);
    assert_eq!(bench.last().target, "/open");

    let clear = json!({"transports": {"http": true}, "revision": 3});
    bench.apply(Change::ApiDeployed(Arc::new(pets(clear)))).await;
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.status, 200);
    let request = Request::get("https://pets.example/petstore/1.0.0/open").body(Body::empty()).unwrap();
    assert_eq!(bench.send_from(request, peer).await.verdict(), (403, "403".into()));
}

#[tokio::test]
async fn a_blocked_api_says_so() {
    let bench = Bench::new().await;
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"state": "blocked", "revision": 2}))))).await;
    let reply = bench.get("/petstore/1.0.0/pets", &[]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (
            503,
            r#"{"code":"700700","type":"API blocked","description":"This API has been blocked temporarily"}"#
        )
    );
}

#[tokio::test]
async fn a_page_of_an_origin_that_is_not_named_reads_nothing() {
    let bench = Bench::new().await;
    let cors = json!({"origins": ["https://shop.example"], "credentials": true});
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"cors": cors, "revision": 2}))))).await;
    for (origin, named) in [
        ("https://shop.example", true),
        ("https://shop.example.evil.example", false),
        ("https://evil.example", false),
        ("http://shop.example", false),
        ("null", false),
    ] {
        let page = [("origin", origin), ("access-control-request-method", "GET")];
        let preflight = bench.call("OPTIONS", "/petstore/1.0.0/open", &page).await;
        let answer = bench.get("/petstore/1.0.0/open", &page[..1]).await;
        for reply in [preflight, answer] {
            assert_eq!(reply.status, 200);
            let allowed = reply.headers.get("access-control-allow-origin");
            assert_eq!(allowed.map(HeaderValue::as_bytes), named.then_some(origin.as_bytes()), "{origin}");
            assert_eq!(reply.headers.contains_key("access-control-allow-credentials"), named, "{origin}");
            assert_eq!(reply.headers["vary"], "origin");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_credential() {
    let bench = Bench::new().await;
    let origin = ("origin", "https://shop.example");
    let asks = ("access-control-request-method", "POST");
    let reply = bench.call("OPTIONS", "/petstore/1.0.0/pets", &[origin, asks]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    assert_eq!(reply.headers["access-control-allow-methods"], "GET, POST");
    assert_eq!(
        reply.headers["access-control-allow-headers"],
        "authorization, Access-Control-Allow-Origin, Content-Type, SOAPAction, apikey, Internal-Key"
    );
    assert_eq!(bench.call("OPTIONS", "/petstore/1.0.0/pets", &[origin]).await.verdict(), (405, "405".into()));
    assert_eq!(bench.call("OPTIONS", "/petstore/1.0.0/nothing", &[origin, asks]).await.verdict().0, 404);
    assert_eq!(bench.count(), 0);
    // Refusals can be read by pages as well.
    let refused = bench.get("/petstore/1.0.0/pets", &[origin]).await;
    assert_eq!(
        (refused.status.as_u16(), refused.headers["access-control-allow-origin"].to_str().unwrap()),
        (401, "*")
    );
}

#[tokio::test]
async fn an_operation_for_all_methods_still_leaves_preflights_to_the_gateway() {
    let bench = Bench::new().await;
    let every = json!({"operations": [{"method": "*", "path": "/*", "auth": "none"}], "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(every)))).await;
    let asks = [("origin", "https://shop.example"), ("access-control-request-method", "PUT")];
    assert_eq!(bench.call("OPTIONS", "/petstore/1.0.0/x", &asks).await.text, "");
    assert_eq!(bench.count(), 0);
    assert_eq!(bench.call("OPTIONS", "/petstore/1.0.0/x", &[]).await.text, "pong");
}

#[tokio::test]
async fn who_asks_for_problem_details_gets_them() {
    let bench = Bench::new().await;
    let reply = bench.get("/petstore/1.0.0/pets", &[("accept", "application/problem+json")]).await;
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert_eq!((reply.json()["status"].as_u64(), reply.json()["code"].as_str()), (Some(401), Some("900902")));
}

#[tokio::test]
async fn it_can_be_mounted_wherever_a_tower_service_can() {
    let bench = Bench::new().await;
    let request = Request::get("/petstore/1.0.0/open").body("any body".to_owned()).unwrap();
    let response = bench.gateway.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_foreign_page_opens_no_socket() {
    let bench = Bench::new().await;
    let chat = json!({
        "kind": "web_socket", "cors": {"origins": ["https://shop.example"]}, "revision": 2,
        "operations": [{"method": "GET", "path": "/chat", "auth": "none"}],
    });
    bench.apply(Change::ApiDeployed(Arc::new(pets(chat)))).await;
    let open = async |headers: &[(&str, &str)]| bench.get("/petstore/1.0.0/chat", headers).await.verdict();
    assert_eq!(open(&[("origin", "https://evil.example")]).await, (403, "900908".into()));
    assert_eq!(open(&[("origin", "https://shop.example")]).await.0, 200);
    assert_eq!(open(&[]).await.0, 200);
}

#[tokio::test]
async fn a_foreign_page_opens_no_socket_where_cors_is_switched_off_or_the_api_is_no_socket_api_either() {
    let bench = Bench::new().await;
    let open = json!([{"method": "GET", "path": "/chat", "auth": "none"}]);
    let ours = json!({"enabled": false, "origins": ["https://shop.example"]});
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let ask = async |origin: &str, more: &[(&str, &str)]| {
        let headers = [&[("origin", origin)], more].concat();
        bench.get("/petstore/1.0.0/chat", &headers).await.status.as_u16()
    };
    let off = json!({"kind": "web_socket", "cors": ours, "operations": open, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(off)))).await;
    assert_eq!((ask("https://evil.example", &[]).await, ask("https://shop.example", &[]).await), (403, 200));

    let http = json!({"cors": ours, "operations": open, "revision": 3});
    bench.apply(Change::ApiDeployed(Arc::new(pets(http)))).await;
    assert_eq!(ask("https://evil.example", &upgrade).await, 403);
    assert_eq!(ask("https://shop.example", &upgrade).await, 200);
    // Pages may send ordinary requests anywhere; what they may not is read the answer.
    assert_eq!(ask("https://evil.example", &[]).await, 200);
}

#[tokio::test]
async fn policies_of_an_api_meet_its_requests_answers_and_faults() {
    let bench = Bench::new().await;
    let mark = |name: &str| json!([{"use": "set-header", "name": name, "value": "yes"}]);
    let with = json!({"request": mark("x-asked"), "response": mark("x-answered"), "fault": mark("x-failed"), "revision": 2});
    let report = bench.apply(Change::ApiDeployed(Arc::new(pets(with)))).await;
    assert!(report.refused.is_empty(), "{report:?}");
    let page = [("origin", "https://shop.example")];
    let good = bench.get("/petstore/1.0.0/open", &page).await;
    assert_eq!((good.status.as_u16(), &good.headers["x-answered"]), (200, &"yes".parse().unwrap()));
    assert_eq!(bench.last().headers["x-asked"], "yes");
    let refused = bench.get("/petstore/1.0.0/pets", &page).await;
    assert_eq!((refused.status.as_u16(), &refused.headers["x-failed"]), (401, &"yes".parse().unwrap()));
    assert_eq!(refused.headers["access-control-allow-origin"], "*");
    assert!(!refused.headers.contains_key("x-answered") && !good.headers.contains_key("x-failed"));
}

#[tokio::test]
async fn renamed_credential_headers_may_be_sent_by_pages() {
    let bench = Bench::new().await;
    let with =
        json!({"authorization_header": "X-Token", "cors": {"headers": ["content-type"]}, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(with)))).await;
    let asks = [("origin", "https://shop.example"), ("access-control-request-method", "POST")];
    let reply = bench.call("OPTIONS", "/petstore/1.0.0/pets", &asks).await;
    assert_eq!(reply.headers["access-control-allow-headers"], "content-type, X-Token");
}

#[tokio::test]
async fn a_trusted_proxy_says_who_its_client_is_and_how_it_came() {
    let file = apim_gateway::config::File::parse("trusted_proxies: [203.0.113.0/24]").unwrap();
    let bench = Bench::with(|builder| builder.config(file.resolve().unwrap())).await;
    let secure = json!({"transports": {"https": true}, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(secure)))).await;
    let claims = [("x-forwarded-proto", "https"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.verdict(), (403, "403".into()));
    assert_eq!(bench.get("/petstore/1.0.0/open", &claims).await.verdict().0, 200);
    let untrusted = Peer { address: ([192, 0, 2, 1], 1).into(), tls: false };
    let mut request = Request::get("/petstore/1.0.0/open");
    for (name, value) in claims {
        request = request.header(name, value);
    }
    let reply = bench.send_from(request.body(Body::empty()).unwrap(), untrusted).await;
    assert_eq!(reply.verdict(), (403, "403".into()));
    let denied =
        json!({"id": "1", "condition": {"type": "ip", "first": "198.51.100.7", "last": "198.51.100.7"}});
    bench.apply(change("DenySaved", denied)).await;
    assert_eq!(bench.get("/petstore/1.0.0/open", &claims).await.verdict(), (403, "900805".into()));
}
