//! HTTP/2 as h2spec understands it (<https://github.com/summerwind/h2spec>), over TLS.
//!
//! Run where the program is: in the path, or where `APIM_TEST_H2SPEC` says.

use std::process::Stdio;

use tokio::process::Command;

use crate::bench::{Identity, OK, Plan, answering};

/// What fails, and why it may. Each is one line of h2spec's list of failures.
const EXPLAINED: [(&str, &str); 0] = [];

#[tokio::test]
async fn h2spec_finds_nothing_that_is_not_explained() {
    let program = std::env::var_os("APIM_TEST_H2SPEC").unwrap_or_else(|| "h2spec".into());
    if Command::new(&program).arg("--version").stdout(Stdio::null()).status().await.is_err() {
        return tell("SKIPPED: h2spec is not in the path; set APIM_TEST_H2SPEC to where it is");
    }
    let identity = Identity::new();
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(identity.server());
    let gateway = plan.start();
    let port = gateway.https().port().to_string();
    let output = Command::new(&program)
        .args(["-t", "-k", "-h", "127.0.0.1", "-p", &port, "-o", "5"])
        .output()
        .await
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let summary = report.lines().rev().find(|line| line.contains(" passed")).unwrap_or("no summary");
    tell(&format!("h2spec: {summary}"));
    let (_, failures) = report.split_once("Failures:").unwrap_or_default();
    let unexplained: Vec<_> = failures
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with('×'))
        .filter(|line| !EXPLAINED.iter().any(|(case, _)| line.contains(case)))
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}\n{failures}");
    assert!(summary.contains(" passed") && !summary.contains(" 0 passed"), "{report}");
}

/// Past the test harness, which keeps what a passing test prints to itself.
fn tell(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
