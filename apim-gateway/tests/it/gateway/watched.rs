//! What can be seen of requests from outside: the correlation id, the access log, the counters.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apim_core::event::{Change, Revision};
use apim_core::{Shutdown, Snapshot};
use apim_gateway::config::File;
use apim_gateway::log::Log;
use apim_gateway::metrics::{Kind, Metrics};
use apim_gateway::server::health::Health;
use serde_json::{Value, json};

use super::page::Page;
use super::sockets::Running;
use super::world::{Bench, pets};
use crate::bench::{LIMIT, Wire, echoing_heads};

#[tokio::test]
async fn a_clients_correlation_id_goes_to_the_backend_and_back_and_nonsense_is_replaced() {
    let running = Running::start(format!("http://{}", echoing_heads().await), json!({})).await;
    let mut client = Wire::connect(running.address).await;
    let with = |id: &str| format!("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n{id}\r\n");

    let got = client.ask(&with("activityid: order-4711/a\r\n")).await;
    assert_eq!(got.header("activityid"), Some("order-4711/a"));
    assert!(got.text().to_ascii_lowercase().contains("activityid: order-4711/a\r\n"), "{}", got.text());

    for nonsense in
        ["", "activityid: a b\r\n", "activityid: <x>\r\n", &format!("activityid: {}\r\n", "x".repeat(129))]
    {
        let got = client.ask(&with(nonsense)).await;
        assert_eq!(got.header("activityid"), None);
        let head = got.text().to_ascii_lowercase();
        let sent = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let id = sent("activityid: ");
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(sent("x-request-id: "), id);
    }
    // A refusal carries it, too, and an id of ours beside it.
    let refused = client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\nactivityid: mine\r\n\r\n").await;
    assert_eq!((refused.status(), refused.header("activityid")), ("404", Some("mine")));
    assert_ne!(refused.header("x-request-id"), Some("mine"));
    let refused = client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(refused.header("activityid"), refused.header("x-request-id"));
}

#[tokio::test]
async fn the_correlation_header_has_the_name_that_the_operator_gave_it() {
    let config = File::parse("correlation_header: X-Correlation-ID").unwrap().resolve().unwrap();
    let bench = Bench::with(|builder| builder.config(config)).await;
    let reply = bench.get("/petstore/1.0.0/open", &[("x-correlation-id", "7")]).await;
    assert_eq!(reply.headers["x-correlation-id"], "7");
    assert_eq!(bench.last().headers["x-correlation-id"], "7");
    let wrong = File::parse("correlation_header: Authorization").unwrap().resolve().unwrap_err();
    assert!(wrong.to_string().contains("correlation_header"), "{wrong}");
}

#[tokio::test]
async fn where_nobody_traces_a_trace_passes_as_it_is() {
    let running = Running::start(format!("http://{}", echoing_heads().await), json!({})).await;
    let trace = "traceparent: what-ever it is\r\ntracestate: a=1, =\r\n";
    let request = format!("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n{trace}\r\n");
    let got = Wire::connect(running.address).await.ask(&request).await;
    let head = got.text().to_ascii_lowercase();
    assert!(
        head.contains("traceparent: what-ever it is\r\n") && head.contains("tracestate: a=1, =\r\n"),
        "{head}"
    );
    let got = Wire::connect(running.address)
        .await
        .ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert!(!got.text().to_ascii_lowercase().contains("trace"), "{}", got.text());
}

/// The lines of a log, once there are so many.
pub(super) async fn lines(path: &Path, count: usize) -> Vec<Value> {
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        assert!(tokio::time::Instant::now() < until, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn each_request_leaves_one_line_without_secrets_and_a_file_that_was_moved_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.jsonl");
    let log = Log::append(&path, u64::MAX, 2).unwrap().redacting(["session".to_owned()]);
    let log = Arc::new(log);
    let given = log.clone();
    let backend = format!("http://{}", echoing_heads().await);
    let running = Running::start_with(backend, json!({}), |builder| builder.access_log(given)).await;
    let mut client = Wire::connect(running.address).await;
    let answered = client
        .ask(&format!(
            "GET /petstore/1.0.0/pets/7?apikey=s3cret&Session=s3cret&page=2 HTTP/1.1\r\nHost: a\r\n\
             User-Agent: test/1\r\nactivityid: order-1\r\nAuthorization: Bearer {}\r\n\r\n",
            running.token
        ))
        .await;
    assert_eq!(answered.status(), "200");
    let refused = client.ask("GET /petstore/1.0.0/pets HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(refused.status(), "401");
    let unrouted = client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(unrouted.status(), "404");

    let told = lines(&path, 3).await;
    let by_status = |status: u64| told.iter().find(|line| line["status"] == status).unwrap();
    let line = by_status(200);
    assert_eq!(line["path"], "/petstore/1.0.0/pets/7?apikey=[redacted]&Session=[redacted]&page=2");
    let expected = json!({
        "correlationId": "order-1", "client": "127.0.0.1", "method": "GET", "userAgent": "test/1",
        "api": "PetStore:1.0.0", "apiId": "pets", "operation": "/pets/{id}", "application": "shop",
        "user": "ann", "backendStatus": 200, "sentBytes": answered.body.len(), "complete": true,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&line[field], value, "{field}");
    }
    let (all, backend) = (line["durationMs"].as_f64().unwrap(), line["backendMs"].as_f64().unwrap());
    assert!(all >= backend && backend > 0.0, "{all} {backend}");
    let line = by_status(401);
    assert_eq!(
        (&line["code"], &line["stage"], &line["rule"]),
        (&json!(900_902), &json!("authentication"), &json!("api.schemes"))
    );
    assert_eq!(line["requestId"], refused.header("x-request-id").unwrap());
    assert!(line.get("backend").is_none());
    assert_eq!((&by_status(404)["stage"], by_status(404).get("api")), (&json!("router"), None));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret") && !text.contains(&running.token), "{text}");

    let moved = folder.path().join("access.moved");
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(lines(&path, 1).await.len(), 1);
    assert_eq!((lines(&moved, 3).await.len(), log.dropped()), (3, 0));
    // Who calls is nobody's business but their owner's, of the file that was there and of the new one.
    for file in [&path, &moved] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_happens_is_counted_and_prometheus_can_read_it() {
    let metrics =
        Metrics::new(2, 10).with("apim_gateway_analytics_dropped_total", "Lost", Kind::Counter, || 3);
    let given = metrics.clone();
    let backend = format!("http://{}", echoing_heads().await);
    let named = json!({"name": "a \"quoted\" \\ name"});
    let running = Running::start_with(backend, named, |builder| builder.metrics(given)).await;
    let counted = (running.gateway.clone(), metrics);
    let health = Health::new(|| Ok(())).with_metrics(move || counted.1.exposition(&counted.0));
    let bound = health.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let door = bound.address();
    tokio::spawn(bound.run(Shutdown::new(std::future::pending())));

    let mut client = Wire::connect(running.address).await;
    for (path, status) in [("/open", "200"), ("/open", "200"), ("/pets", "401")] {
        let got = client.ask(&format!("GET /petstore/1.0.0{path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(got.status(), status);
    }
    assert_eq!(client.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), "404");

    let scrape = async || {
        let got = Wire::connect(door).await.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(got.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Page::read(got.text())
    };
    // A request ends when its last byte has left, which may be a moment after that byte has arrived.
    let until = tokio::time::Instant::now() + LIMIT;
    let page = loop {
        let page = scrape().await;
        if page.value("apim_gateway_request_duration_seconds_count") == 4.0 {
            break page;
        }
        assert!(tokio::time::Instant::now() < until, "{page:#?}");
    };
    let requests = |class: &str| {
        format!(
            "apim_gateway_requests_total{{api=\"a \\\"quoted\\\" \\\\ name\",version=\"1.0.0\",class=\"{class}\"}}"
        )
    };
    assert_eq!((page.value(&requests("2xx")), page.value(&requests("4xx"))), (2.0, 1.0));
    assert_eq!(page.value("apim_gateway_unrouted_requests_total{class=\"4xx\"}"), 1.0);
    assert_eq!(page.value("apim_gateway_refusals_total{code=\"900902\",rule=\"api.schemes\"}"), 1.0);
    assert_eq!(page.value("apim_gateway_backend_responses_total{class=\"2xx\"}"), 2.0);
    assert_eq!(page.value("apim_gateway_backend_duration_seconds_count"), 2.0);
    assert_eq!(page.value("apim_gateway_requests_in_flight"), 0.0);
    assert_eq!(page.value("apim_gateway_requests_incomplete_total"), 0.0);
    assert_eq!(page.value("apim_gateway_analytics_dropped_total"), 3.0);
    assert_eq!((page.value("apim_gateway_apis"), page.value("apim_gateway_snapshot_revision")), (1.0, 1.0));
    assert!(page.value("apim_gateway_snapshot_age_seconds") < 60.0);
    assert!(page.value("process_resident_memory_bytes") > 1e6 && page.value("process_open_fds") > 3.0);
    assert!(
        page.value("process_start_time_seconds") > 1.6e9 && page.value("process_cpu_seconds_total") >= 0.0
    );
}

#[tokio::test]
async fn ten_thousand_apis_that_are_all_called_leave_few_series_and_are_scraped_at_once() {
    const APIS: usize = 10_000;
    const MOST: usize = 500;
    let metrics = Metrics::new(2, MOST);
    let given = metrics.clone();
    let bench = Bench::with(|builder| builder.metrics(given)).await;
    let changes = (0..APIS).map(|n| {
        let api =
            json!({"id": format!("api-{n}"), "name": format!("api-{n}"), "context": format!("/api-{n}")});
        Change::ApiDeployed(Arc::new(pets(api)))
    });
    bench.gateway.load(Snapshot::new(Revision(10), changes)).await;
    for n in 0..APIS {
        assert_eq!(bench.get(&format!("/api-{n}/1.0.0/open"), &[]).await.status, 200);
    }
    // The quickest of a few, since others may be using the machine.
    let mut quickest = Duration::MAX;
    let mut text = String::new();
    for _ in 0..10 {
        let began = Instant::now();
        text = metrics.exposition(&bench.gateway);
        quickest = quickest.min(began.elapsed());
    }
    let page = Page::read(&text);
    let of_apis =
        || page.samples.iter().filter(|(series, _)| series.starts_with("apim_gateway_requests_total"));
    assert_eq!(of_apis().count(), MOST + 1);
    assert_eq!(of_apis().map(|(_, count)| count).sum::<f64>(), 10_000.0);
    assert!(quickest < Duration::from_millis(50), "a scrape took {quickest:?}");
}
