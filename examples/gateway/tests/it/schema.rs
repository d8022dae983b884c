//! What `--schema` prints describes the files that the gateway reads, down to what each name can be told.

use std::process::Command;

use serde_json::{Value, json};

use crate::BINARY;

/// Whether a file is one, by the schema of that name.
fn check(schema: &str, file: &Value) -> bool {
    let output = Command::new(BINARY).arg(format!("--schema={schema}")).output().unwrap();
    assert!(output.status.success());
    jsonschema::is_valid(&serde_json::from_slice(&output.stdout).unwrap(), file)
}

#[test]
fn the_example_of_an_api_is_one_and_with_a_slip_in_it_is_none() {
    let mut api: Value = serde_saphyr::from_str(include_str!("../../apis/petstore.yaml")).unwrap();
    api["request"] = json!([{"use": "set-header", "name": "x-from", "value": "a gateway"}]);
    assert!(check("api", &api));
    api["request"][0]["vlaue"] = json!("a gateway");
    assert!(!check("api", &api));
    api["request"] = json!([{"use": "set-haeder", "name": "x-from", "value": "a gateway"}]);
    assert!(!check("api", &api));
}

#[test]
fn a_settings_file_names_handlers_and_what_they_can_be_told() {
    let authentication = |key: &str| json!({"gateway": {"handlers": [{"use": "authentication", key: true}]}});
    assert!(check("settings", &authentication("keep_credentials")));
    assert!(!check("settings", &authentication("keep_credential")));
    assert!(check("settings", &json!({"gateway": {"trusted_proxies": ["10.0.0.0/8"]}, "workers": 2})));
}
