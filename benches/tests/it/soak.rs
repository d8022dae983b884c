//! The soak watches what it says it does.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_window_of_a_soak_is_kept() {
    let _alone = super::alone();
    let folder = tempfile::tempdir().unwrap();
    let windows = folder.path().join("windows.jsonl");
    // Too short for a verdict: what a process needs to warm up is more than it may grow by.
    let ended = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(["--minutes", "0.04", "--idle", "20", "--slow", "0", "--calls", "50", "--windows"])
        .arg(&windows)
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.contains("| no request fails | 0 of "), "{said}");
    let windows = std::fs::read_to_string(windows).unwrap();
    let windows: Vec<Value> = windows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(windows.len() >= 2, "{said}");
    let sum = |key: &str| windows.iter().map(|window| window[key].as_u64().unwrap()).sum::<u64>();
    assert!(sum("calls") > 50 && sum("deployments") >= 1, "{said}");
    assert!(windows[0]["vitals"]["rss_kib"].as_u64().unwrap() > 10_000, "{said}");
    assert!(windows[0]["latency"]["p99"].as_u64().unwrap() > 100, "{said}");
}
