//! How long the platform takes from its start until it is ready, with a hundred APIs deployed; how much memory
//! it holds then; how large the program is. `cargo bench -p all-in-one`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::time::Duration;

use driver::{Journey, Process, free_offset};

const BINARY: &str = env!("CARGO_BIN_EXE_all-in-one");
const PETSTORE: &str = include_str!("../../petstore/petstore.yaml");
const APIS: usize = 100;
const STARTS: usize = 7;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (data, offset) = (tempfile::tempdir().unwrap(), free_offset());
    let mut first = Process::launch(BINARY, data.path(), offset, &[]);
    let fresh = first.ready().await;
    let ca = std::fs::read_to_string(data.path().join("ca.pem")).unwrap();
    let journey = Journey::begin(&first.control(), &ca).await;
    for number in 0..APIS {
        let (name, context) = (format!("Petstore{number}"), format!("/petstore{number}"));
        // A scope belongs to one API.
        let document = PETSTORE.replace("pets:write", &format!("pets{number}:write"));
        let api = journey.import(&document, &name, &context, "http://127.0.0.1:9000").await;
        journey.deploy(&api).await;
        journey.lifecycle(&api, "Publish").await;
    }
    assert!(first.terminate().await.success());

    let mut times = Vec::new();
    let mut memory = 0;
    for _ in 0..STARTS {
        let mut process = Process::launch(BINARY, data.path(), offset, &[]);
        times.push(process.ready().await);
        memory = resident_kib(process.id());
        assert!(process.terminate().await.success());
    }
    times.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("first start, everything made anew      {:>8.0} ms", millis(fresh));
    println!(
        "start with {APIS} APIs, of {STARTS}: min, median, max {:.0}, {:.0}, {:.0} ms",
        millis(times[0]),
        millis(times[STARTS / 2]),
        millis(times[STARTS - 1])
    );
    println!("resident memory when ready             {:>8.1} MiB", memory as f64 / 1024.0);
    println!("size of the program                    {:>8.1} MiB", size(BINARY) / 1_048_576.0);
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[allow(clippy::cast_precision_loss, reason = "no program is that large")]
fn size(path: &str) -> f64 {
    std::fs::metadata(path).unwrap().len() as f64
}
