//! A definition as developers see it: without the publisher's side, and leading to the gateway.

use serde_json::{Map, Value, json};

/// A copy of a definition for the developer portal.
///
/// The publisher's own keys (`x-wso2-…`, mediation scripts, cloud functions) are gone from the root, from
/// paths and from operations; so are all servers, which would name backends. `gateways` are the base URLs
/// it leads to instead.
pub fn portal_copy(document: &Value, gateways: &[String]) -> Value {
    let mut copy = document.clone();
    let Value::Object(root) = &mut copy else { return copy };
    strip(root);
    strip_paths(root.get_mut("paths"));
    // Paths may stand there too, and be referred to (OpenAPI 3.1).
    strip_paths(root.get_mut("components").and_then(|components| components.get_mut("pathItems")));
    set_servers(root, gateways);
    copy
}

fn strip_paths(paths: Option<&mut Value>) {
    let Some(Value::Object(paths)) = paths else { return };
    for item in paths.values_mut().filter_map(Value::as_object_mut) {
        strip(item);
        item.remove("servers");
        for operation in item.values_mut().filter_map(Value::as_object_mut) {
            strip(operation);
            operation.remove("servers");
        }
    }
}

fn strip(map: &mut Map<String, Value>) {
    const PRIVATE: [&str; 3] = ["x-wso2-", "x-mediation-script", "x-amzn-"];
    map.retain(|key, _| !PRIVATE.iter().any(|private| key.starts_with(private)));
}

fn set_servers(root: &mut Map<String, Value>, gateways: &[String]) {
    if !root.contains_key("swagger") {
        let servers = gateways.iter().map(|url| json!({ "url": url })).collect();
        root.insert("servers".to_owned(), Value::Array(servers));
        return;
    }
    // Version 2.0 knows one host.
    for key in ["host", "basePath", "schemes"] {
        root.remove(key);
    }
    let Some(url) = gateways.first().and_then(|url| url::Url::parse(url).ok()) else { return };
    let Some(host) = url.host_str() else { return };
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    root.insert("host".to_owned(), json!(host));
    root.insert("basePath".to_owned(), json!(url.path()));
    root.insert("schemes".to_owned(), json!([url.scheme()]));
}
