//! A configuration that cannot be meant does not start.

use apim_gateway::Gateway;
use apim_gateway::config::File;

async fn mistake(yaml: &str) -> String {
    let config = match File::parse(yaml).and_then(File::resolve) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    Gateway::builder().config(config).build().await.err().map_or_else(String::new, |error| error.to_string())
}

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    assert_eq!(mistake("").await, "");
    assert_eq!(
        mistake("handlers: [{use: cors, origins: [https://shop.example]}, {use: anonymous}]").await,
        ""
    );
    for (yaml, place) in [
        ("handlers: [{use: cors, origin: x}]", "gateway.handlers[0].cors: unknown field `origin`"),
        ("handlers: [{use: cors, origins: x}]", "gateway.handlers[0].cors.origins: "),
        // For all origins, as it is where none are named.
        ("handlers: [{use: cors, credentials: true}]", "gateway.handlers[0].cors.credentials: "),
        (
            "handlers: [{use: cors}, {use: teleport}]",
            "gateway.handlers[1].teleport: nothing of that name is installed",
        ),
        ("handlers: [{use: throttle, limit: 7}]", "unknown field `limit`, it has no configuration"),
        ("handlers: [{name: cors}]", "use"),
        ("handler: []", "handler"),
        ("trusted_proxies: [10.0.0.0/33]", "trusted_proxies[0]: "),
        ("leeway_seconds: -1", "leeway_seconds"),
        ("leeway_seconds: 301", "leeway_seconds: at most 300"),
        ("token_memory_mib: 65537", "token_memory_mib: at most 65536"),
        (
            "client_certificate_header: {name: Authorization, to_backends: true}",
            "client_certificate_header.name",
        ),
        ("client_certificate_header: {balancers: [moon]}", "client_certificate_header.balancers[0]"),
        ("client_certificate_header: {}", "client_certificate_header: nobody"),
        ("[", ""),
        ("a: &a [*a, *a]", ""),
    ] {
        let text = mistake(yaml).await;
        assert!(!text.is_empty() && text.contains(place), "{yaml}: {text}");
    }
}

/// The list in the guide is copied, and what is missing from it is missing from gateways.
#[test]
fn the_guides_list_of_handlers_is_the_usual_one_with_one_more() {
    let guide = include_str!("../../../../apim-core/src/guide.rs");
    let named = guide.lines().filter_map(|line| line.strip_prefix("//!   - use: "));
    let named: Vec<_> = named.filter(|name| *name != "user-quota").collect();
    assert_eq!(named, apim_gateway::chain::USUAL);
}
