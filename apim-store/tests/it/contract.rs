//! Rows, descriptions, and the contracts they stand for agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apim_store::plane::contracts;
use apim_store::rest::operation::Access;
use serde_json::Value;

#[test]
fn every_row_has_a_description_and_every_description_a_row() {
    for contract in contracts() {
        assert_eq!(contract.mistakes(), Vec::<String>::new(), "{}", contract.title());
    }
}

#[test]
fn every_row_says_who_may_call_it() {
    for contract in contracts() {
        for operation in contract.operations() {
            assert_ne!(operation.access, Access::Scopes(&[]), "{operation:?} is closed to everybody");
        }
    }
}

#[test]
fn every_reference_of_a_description_leads_somewhere() {
    fn visit(value: &Value, root: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let place = reference.strip_prefix('#').unwrap();
                    assert!(root.pointer(place).is_some(), "{reference} leads nowhere");
                }
                members.values().for_each(|value| visit(value, root));
            }
            Value::Array(list) => list.iter().for_each(|value| visit(value, root)),
            _ => {}
        }
    }
    for contract in contracts() {
        visit(contract.document(), contract.document());
    }
}

/// The reference descriptions are not ours to keep in the repository; where they are at hand, methods,
/// paths and scopes are compared.
#[test]
fn rows_are_those_of_the_reference_descriptions() {
    let Some(folder) = reference() else {
        eprintln!("not compared: APIM_REFERENCE names no folder of reference descriptions");
        return;
    };
    for contract in contracts() {
        let name = contract.title().to_lowercase().replace(' ', "-");
        let file = folder.join(format!("{name}-api.yaml"));
        // Of the contract for those who run the platform there is no description, and its rows are our own.
        if !file.is_file() {
            assert_eq!(name, "devops", "{} is missing", file.display());
            continue;
        }
        let theirs = rows_of(&file);
        let ours: BTreeMap<_, _> = contract
            .operations()
            .iter()
            .map(|operation| {
                let scopes = match operation.access {
                    Access::Scopes(scopes) => scopes.iter().map(|s| (*s).to_owned()).collect(),
                    Access::Anyone => Vec::new(),
                };
                (format!("{} {}", operation.method, operation.path), scopes)
            })
            .collect();
        for (row, scopes) in &theirs {
            let mut scopes = scopes.clone();
            scopes.sort();
            let mut mine = ours.get(row).unwrap_or_else(|| panic!("{row} is missing")).clone();
            mine.sort();
            assert_eq!(mine, scopes, "{row}");
        }
        let more = ours.keys().filter(|row| !theirs.contains_key(*row));
        // Users and roles: the original keeps them behind another product's services.
        let more: Vec<_> = more.filter(|row| !row.contains(" /users") && !row.contains(" /roles")).collect();
        assert!(more.is_empty(), "rows that the reference does not have: {more:?}");
    }
}

fn reference() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let named = std::env::var_os("APIM_REFERENCE").map(PathBuf::from);
    named.into_iter().chain([workspace.join("../shared/openapi")]).find(|folder| folder.is_dir())
}

/// Reads what is compared line by line: the files are not quite YAML.
fn rows_of(file: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut path, mut row, mut in_security) = (String::new(), String::new(), false);
    let paths = text.lines().skip_while(|line| *line != "paths:").skip(1);
    for line in paths.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim().trim_end_matches(':');
        match indent {
            2 => path = word.trim_matches(['"', '\'']).to_owned(),
            4 if ["get", "put", "post", "delete", "head", "patch"].contains(&word) => {
                row = format!("{} {path}", word.to_uppercase());
                rows.insert(row.clone(), Vec::new());
                in_security = false;
            }
            6 if !word.starts_with('-') => in_security = word == "security",
            _ if in_security && word.starts_with("- ") && !word.starts_with("- OAuth2Security") => {
                let scope = word.trim_start_matches("- ").split(" #").next().unwrap().trim();
                rows.get_mut(&row).unwrap().push(scope.to_owned());
            }
            _ => {}
        }
    }
    rows
}
