//! The format, named in a file, in a gateway between two sockets: a handler sees rows where the wire has text.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;

use apim_core::{
    BuildError, Change, Exchange, Fault, Flow, Handler, Link, Parts, Payload, Provide, Registry, Revision,
    Shutdown, Snapshot,
};
use apim_gateway::server::{Server, ServerConfig};
use apim_gateway::{Gateway, builtin, config};
use axum::Router;
use custom_format::Csv;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sorts the rows of whatever comes as an array.
struct Sort;

impl Handler for Sort {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        if let Payload::Json(serde_json::Value::Array(rows)) = exchange.payload_mut().await? {
            rows.sort_by_key(ToString::to_string);
        }
        Ok(Flow::Continue)
    }
}

impl Provide<Link> for Sort {
    const NAME: &'static str = "sort";
    type Config = ();
    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::handler(Sort))
    }
}

const FILE: &str = "
formats:
  - use: csv
    separator: ';'
handlers:
  - use: anonymous
  - use: sort
";

/// A gateway that a file has told of the format.
async fn gateway(file: &str, backend: SocketAddr) -> SocketAddr {
    let gateway = Gateway::builder()
        .links(builtin::links().with::<Sort>())
        .named_formats(Registry::default().with::<Csv>())
        .config(config::File::parse(file).unwrap().resolve().unwrap())
        .build()
        .await
        .unwrap();
    let api = serde_json::from_value(json!({
        "id": "1", "name": "tables", "version": "1", "context": "/tables",
        "endpoints": {"production": {"url": format!("http://{backend}")}},
    }));
    let changes = [Change::ApiDeployed(api.unwrap())];
    let report = gateway.load(Snapshot::new(Revision(1), changes)).await;
    assert!(report.refused.is_empty(), "{report:?}");
    let mut config = ServerConfig::default();
    config.http = Some(([127, 0, 0, 1], 0).into());
    config.workers = 1;
    let server = Server::new(gateway, config).bind().unwrap();
    let address = server.http_addr().unwrap();
    tokio::spawn(server.run(Shutdown::new(std::future::pending())));
    address
}

/// A server on a socket of its own.
async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends one request over a connection of its own and reads all that comes back.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn post(table: &str) -> String {
    let backend = serve(Router::new().fallback(async |body: String| body)).await;
    let gateway = gateway(FILE, backend).await;
    let request = [
        "POST /tables/1/ HTTP/1.1",
        "host: localhost",
        "connection: close",
        "content-type: text/csv",
        &format!("content-length: {}", table.len()),
        "",
        table,
    ];
    ask(gateway, &request.join("\r\n")).await
}

#[tokio::test]
async fn a_table_is_rows_to_a_handler_and_text_again_to_the_backend() {
    let answer = post("b;2\na;1\n").await;
    assert!(answer.ends_with("\r\n\r\na;1\r\nb;2\r\n"), "{answer}");
}

#[tokio::test]
async fn what_is_no_table_is_refused_with_the_line() {
    let answer = post("a;1\n\"b;2\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("line 2") && answer.contains("quotes are not understood"), "{answer}");
}

#[tokio::test]
async fn a_separator_that_fields_may_hold_is_a_mistake_with_a_place() {
    let file = config::File::parse("formats: [{use: csv, separator: a}]").unwrap().resolve().unwrap();
    let formats = Registry::default().with::<Csv>();
    let refused = Gateway::builder().named_formats(formats).config(file).build().await.unwrap_err();
    assert_eq!(refused.to_string(), "gateway.formats[0].csv.separator: it must not be part of a field");
}
