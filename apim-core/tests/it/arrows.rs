//! Which crate may depend on which: everything on the vocabulary, siblings never on each other.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const SIBLINGS: [&str; 4] = ["apim-gateway", "apim-keymgr", "apim-store", "apim-throttle"];

/// What the vocabulary must never bring along: runtimes, servers, databases.
const FOREIGN: [&str; 6] = ["tokio", "hyper", "sqlx", "redis", "axum", "rustls"];

/// The workspace's normal dependencies as cargo resolved them: package name to package names.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<_, _> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let normal =
        |dependency: &Value| list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let of = all.entry(names[&text(&node["id"])].clone()).or_default();
        let wanted = list(&node["deps"]).into_iter().filter(normal);
        of.extend(wanted.map(|dependency| names[&text(&dependency["pkg"])].clone()));
    }
    all
}

#[test]
fn siblings_know_the_vocabulary_and_not_each_other() {
    let dependencies = dependencies();
    for sibling in SIBLINGS {
        let ours: Vec<_> = dependencies[sibling].iter().filter(|name| name.starts_with("apim-")).collect();
        assert_eq!(ours, ["apim-core"], "{sibling}");
    }
}

#[test]
fn the_vocabulary_knows_no_runtime_no_server_and_no_database() {
    let dependencies = dependencies();
    // By which way each was reached, to say so.
    let mut reached = BTreeMap::from([("apim-core", "apim-core".to_owned())]);
    let mut next = vec!["apim-core"];
    while let Some(name) = next.pop() {
        let way = reached[name].clone();
        for dependency in &dependencies[name] {
            if !reached.contains_key(dependency.as_str()) {
                reached.insert(dependency, format!("{way} -> {dependency}"));
                next.push(dependency);
            }
        }
    }
    let strangers: Vec<_> = FOREIGN.iter().filter_map(|name| reached.get(name)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    assert!(reached.contains_key("http"), "the walk went nowhere");
}
