//! Which crate may depend on which: everything on the vocabulary, siblings never on each other.

use std::collections::BTreeSet;
use std::process::Command;

const SIBLINGS: [&str; 4] = ["apim-gateway", "apim-keymgr", "apim-store", "apim-throttle"];

/// What the vocabulary must never bring along: runtimes, servers, databases.
const FOREIGN: [&str; 6] = ["tokio", "hyper", "sqlx", "redis", "axum", "rustls"];

/// All that a package stands on, without what only its tests need. `cargo tree` and not `cargo metadata`:
/// the latter lends each package the features that others in the workspace ask for.
fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn siblings_know_the_vocabulary_and_not_each_other() {
    for sibling in SIBLINGS {
        let mut ours = tree(sibling);
        ours.retain(|name| name.starts_with("apim-"));
        assert_eq!(ours, BTreeSet::from(["apim-core".to_owned(), sibling.to_owned()]));
    }
}

#[test]
fn the_vocabulary_knows_no_runtime_no_server_and_no_database() {
    let tree = tree("apim-core");
    assert!(tree.contains("http"), "{tree:?}");
    let strangers: Vec<_> = FOREIGN.iter().filter(|name| tree.contains(**name)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}
