//! The classic mistakes do not compile, and the compiler says what to do instead.
//!
//! Each file under `tests/mistakes` is a program with one mistake; its first lines hold what the compiler has to
//! say about it. They are checked by one run of cargo, in a package of their own beside the other build results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const MANIFEST: &str = r#"
[package]
name = "mistakes"
edition = "2024"

[dependencies]
apim-core = { path = "CORE" }
schemars = "1"
serde = { version = "1", features = ["derive"] }

[workspace]
"#;

#[test]
fn each_classic_mistake_is_answered_with_its_cure() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = programs(core);
    assert!(programs.len() > 10);
    let said = compile(&package(core, &programs));
    let mut wrong = String::new();
    for (name, text) in &programs {
        let said = said.get(name).map_or("", String::as_str);
        let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("//! says: ")).collect();
        assert!(!expected.is_empty(), "{name} does not say what to expect");
        for line in expected.iter().filter(|line| !said.contains(**line)) {
            writeln!(wrong, "{name} should say\n  {line}\nbut says\n{said}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The programs by name.
fn programs(core: &Path) -> BTreeMap<String, String> {
    let folder = fs::read_dir(core.join("tests/mistakes")).unwrap();
    let program = |path: PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    folder.map(|entry| program(entry.unwrap().path())).collect()
}

/// A package with the programs, which is left there so that the next run has little to do.
fn package(core: &Path, programs: &BTreeMap<String, String>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    let sources = folder.join("src/bin");
    let _ = fs::remove_dir_all(&sources);
    fs::create_dir_all(&sources).unwrap();
    for (name, text) in programs {
        fs::write(sources.join(name).with_extension("rs"), text).unwrap();
    }
    fs::write(folder.join("Cargo.toml"), MANIFEST.replace("CORE", core.to_str().unwrap())).unwrap();
    // The versions that the workspace was built with are the ones that are there without a network.
    fs::copy(core.join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

/// What the compiler says of each.
fn compile(folder: &Path) -> BTreeMap<String, String> {
    let output = Command::new(env::var_os("CARGO").unwrap())
        .args(["check", "--offline", "--bins", "--keep-going", "--message-format=json"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let mut said = BTreeMap::<String, String>::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        if let (Some(name), Some(text)) =
            (message["target"]["name"].as_str(), message["message"]["rendered"].as_str())
        {
            said.entry(name.to_owned()).or_default().push_str(text);
        }
    }
    assert!(!said.is_empty(), "cargo: {}", String::from_utf8_lossy(&output.stderr));
    said
}
