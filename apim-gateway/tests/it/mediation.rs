//! API authors' mediators do what their names say, and nothing a request holds makes them do more.

use std::sync::{Arc, Mutex};

use apim_core::fault::{self, Fault};
use apim_core::handler::Backend;
use apim_core::model::Api;
use apim_core::{
    Answer, Body, Context, Exchange, Filter, Flow, Link, Parts, Peer, Pipeline, RequestId, Timestamp,
};
use apim_gateway::{format, mediation};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::bench::Number;

/// Remembers what it was sent, and answers with JSON.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Option<Request<String>>>>);

impl Backend for Recorder {
    async fn call(&self, mut exchange: Exchange) -> Answer {
        exchange.write().unwrap();
        let (head, body) = exchange.take_request().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        *self.0.lock().unwrap() = Some(Request::from_parts(head, String::from_utf8(body.to_vec()).unwrap()));
        let response = Response::builder().header("content-type", "application/json");
        exchange.answer(response.body(r#"{"pet": {"name": "Rex", "age": 3}}"#.into()).unwrap())
    }
}

/// Refuses what carries `x-refuse`, as authentication would.
struct Refuse;

impl Filter for Refuse {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        if exchange.headers().contains_key("x-refuse") {
            return Err(Fault::new(fault::MISSING_CREDENTIALS));
        }
        Ok(Flow::Continue)
    }
}

struct Bench {
    api: Arc<Api>,
    pipeline: Pipeline<Recorder>,
    backend: Recorder,
}

impl Bench {
    async fn new(lists: Value) -> Self {
        let api = Arc::new(api(lists));
        let sequences = mediation::compile(&api, &mediation::builtin(), &Parts::default()).await.unwrap();
        let mediation::Links { outer, inner } = sequences.links();
        let links = outer.into_iter().chain([Link::filter(Refuse)]).chain(inner);
        let backend = Recorder::default();
        Self { api, pipeline: Pipeline::new(links, backend.clone(), Arc::new(Number)), backend }
    }

    async fn call(&self, request: Request<&'static str>) -> Response<String> {
        let (head, body) = request.map(Body::from).into_parts();
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false };
        let mut context = Context::new(RequestId(1), peer, Timestamp::default(), &head);
        context.api = Some(self.api.clone());
        context.operation = Some(0);
        context.formats = format::all();
        let exchange = Exchange::new(Request::from_parts(head, body), context);
        let mut answer = self.pipeline.call(exchange).await;
        answer.write().unwrap();
        let (head, body) = answer.into_parts().0.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
    }

    fn sent(&self) -> Request<String> {
        self.backend.0.lock().unwrap().take().expect("the backend was not asked")
    }
}

fn api(lists: Value) -> Api {
    let mut api = json!({
        "id": "pets", "name": "pets", "version": "1", "context": "/pets",
        "operations": [{"method": "*", "path": "/pets/{id}"}],
    });
    api.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
    serde_json::from_value(api).unwrap()
}

fn post(uri: &str, media_type: &str, body: &'static str) -> Request<&'static str> {
    Request::post(uri).header("content-type", media_type).body(body).unwrap()
}

#[tokio::test]
async fn headers_query_path_and_method_change_towards_the_backend() {
    let bench = Bench::new(json!({"request": [
        {"use": "set-header", "name": "X-Pet", "value": "${uri.id} of ${header.x-user} via ${api.name}"},
        {"use": "remove-header", "name": "X-User"},
        {"use": "set-query", "name": "page", "value": "${json.page}&x"},
        {"use": "remove-query", "name": "secret"},
        {"use": "rewrite-path", "path": "/v2/${uri.id}/${header.x-kind}"},
        {"use": "change-method", "method": "PUT"},
    ]}))
    .await;
    let mut request =
        post("/pets/a%20b?page=1&keep=%41&secret=2&page=9", "application/json", r#"{"page": 7}"#);
    request.headers_mut().insert("x-user", "ann".parse().unwrap());
    request.headers_mut().insert("x-kind", "../cat?".parse().unwrap());
    bench.call(request).await;
    let sent = bench.sent();
    assert_eq!(sent.method(), "PUT");
    assert_eq!(sent.uri(), "/v2/a%20b/..%2Fcat%3F?keep=%41&page=7%26x");
    assert_eq!(sent.headers()["x-pet"], "a%20b of ann via pets");
    assert!(!sent.headers().contains_key("x-user"));
    assert_eq!(sent.body(), r#"{"page": 7}"#);
}

#[tokio::test]
async fn no_value_climbs_out_of_its_place() {
    let bench = Bench::new(json!({"request": [
        {"use": "rewrite-path", "path": "/public/${header.x-dir}"},
    ]}))
    .await;
    let request = Request::get("/pets/1").header("x-dir", "..").body("").unwrap();
    assert_eq!(bench.call(request).await.body(), "400");

    let bench =
        Bench::new(json!({"request": [{"use": "set-header", "name": "x", "value": "${json.a}"}]})).await;
    let response = bench.call(post("/pets/1", "application/json", r#"{"a": "1\r\nX-Admin: yes"}"#)).await;
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn a_json_body_is_made_of_values_and_never_of_pasted_text() {
    let bench = Bench::new(json!({"request": [{"use": "json-template", "template": {
        "id": "${json.order.id}", "tags": ["${json.order.tags[1]}", "fixed"], "all": "${json.order.tags}",
        "note": "from ${header.x-user}: ${json.order.id}", "missing": "${json.nothing}", "n": 1, "$": "$${x}",
    }}]}))
    .await;
    let mut request = post("/pets/1", "application/json", r#"{"order": {"id": 7, "tags": ["a", "b\"}"]}}"#);
    request.headers_mut().insert("x-user", "\"}".parse().unwrap());
    bench.call(request).await;
    let sent = bench.sent();
    assert_eq!(
        serde_json::from_str::<Value>(sent.body()).unwrap(),
        json!({"id": 7, "tags": ["b\"}", "fixed"], "all": ["a", "b\"}"],
               "note": "from \"}: 7", "missing": null, "n": 1, "$": "${x}"})
    );
    assert_eq!(sent.headers()["content-type"], "application/json");
    assert!(!sent.headers().contains_key("content-length"));
}

#[tokio::test]
async fn bodies_are_converted_on_their_way_there_and_back() {
    let bench =
        Bench::new(json!({"request": [{"use": "xml-to-json"}], "response": [{"use": "json-to-xml"}]})).await;
    let response = bench.call(post("/pets/1", "text/xml", "<pet id='1'><name>Rex</name></pet>")).await;
    let sent = bench.sent();
    assert_eq!(sent.body(), r#"{"pet":{"@id":1,"name":"Rex"}}"#);
    assert_eq!(sent.headers()["content-type"], "application/json");
    assert!(response.body().ends_with("<pet><name>Rex</name><age>3</age></pet>"), "{}", response.body());
    assert_eq!(response.headers()["content-type"], "application/xml; charset=utf-8");
    // No body is nothing to convert, and no mistake.
    bench.call(post("/pets/1", "text/xml", "")).await;
    assert_eq!(bench.sent().body(), "");
    // What is no XML is the client's mistake, with its place.
    assert_eq!(bench.call(post("/pets/1", "text/xml", "<pet>")).await.body(), "601000");
}

#[tokio::test]
async fn a_mediator_answers_in_place_of_the_backend_and_of_its_answer() {
    let respond = json!({"use": "respond", "status": 202, "headers": {"X-Id": "${uri.id}"}, "body": {"got": "${json.a}"}});
    let bench = Bench::new(json!({"request": [respond]})).await;
    let response = bench.call(post("/pets/5", "application/json", r#"{"a": [1]}"#)).await;
    assert_eq!((response.status().as_u16(), response.body().as_str()), (202, r#"{"got":[1]}"#));
    assert_eq!(response.headers()["x-id"], "5");
    assert!(bench.backend.0.lock().unwrap().is_none());

    let bench = Bench::new(json!({"response": [{"use": "respond", "body": "${json.pet.name}!"}]})).await;
    assert_eq!(bench.call(post("/pets/5", "text/plain", "x")).await.body(), "Rex!");
}

#[tokio::test]
async fn faults_have_a_list_of_their_own_wherever_they_arose() {
    let bench = Bench::new(json!({
        "response": [{"use": "set-header", "name": "x-answer", "value": "1"}],
        "fault": [{"use": "set-header", "name": "x-fault", "value": "${request.method}"}],
    }))
    .await;
    let refused = Request::get("/pets/1").header("x-refuse", "1").body("").unwrap();
    let response = bench.call(refused).await;
    assert_eq!((response.status().as_u16(), response.body().as_str()), (401, "900902"));
    assert_eq!(response.headers()["x-fault"], "GET");
    assert!(!response.headers().contains_key("x-answer"));

    let response = bench.call(Request::get("/pets/1").body("").unwrap()).await;
    assert_eq!(response.headers()["x-answer"], "1");
    assert!(!response.headers().contains_key("x-fault"));
}

#[tokio::test]
async fn an_operation_adds_to_the_apis_own() {
    let bench = Bench::new(json!({
        "request": [{"use": "set-header", "name": "x-who", "value": "api"}],
        "operations": [{"method": "*", "path": "/pets/{id}",
            "request": [{"use": "set-header", "name": "x-who", "value": "${header.x-who}, operation"}]}],
    }))
    .await;
    bench.call(Request::get("/pets/1").body("").unwrap()).await;
    assert_eq!(bench.sent().headers()["x-who"], "api, operation");
}

#[tokio::test]
async fn what_can_never_work_refuses_the_deployment_with_its_place() {
    for (lists, told) in [
        (json!({"request": [{"use": "no-such"}]}), "request[0].no-such: nothing of that name is installed"),
        (
            json!({"request": [{"use": "set-header", "name": "a b", "value": ""}]}),
            "request[0].set-header.name: invalid HTTP header name",
        ),
        (
            json!({"request": [{"use": "set-header", "name": "Content-Length", "value": "1"}]}),
            "request[0].set-header.name: the header `content-length` is the gateway's own",
        ),
        (
            json!({"response": [{"use": "xml-to-json"}, {"use": "rewrite-path", "path": "/"}]}),
            "response[1].rewrite-path: it works on requests only",
        ),
        (
            json!({"request": [{"use": "set-header", "name": "x", "value": "${shell.rm}"}]}),
            "request[0].set-header.value: `${shell.rm}` refers to nothing",
        ),
        (
            json!({"fault": [{"use": "respond", "status": 101}]}),
            "fault[0].respond.status: it must be 200 or more",
        ),
        (
            json!({"operations": [{"method": "GET", "path": "/", "request": [{"use": "set-query", "nme": "x"}]}]}),
            "operations[0].request[0].set-query: unknown field `nme`",
        ),
    ] {
        let error =
            mediation::compile(&api(lists), &mediation::builtin(), &Parts::default()).await.unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
    }
}
