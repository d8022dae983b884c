//! `$ref`: checked everywhere, followed only where a path or a security scheme hides behind one.
//!
//! References are never written out, so a document cannot explode by them; and a schema may well refer to
//! itself, as a tree does. What is refused is a reference that leads out of the document, into nothing, or
//! in a circle of references without anything in it.

use std::borrow::Cow;

use serde_json::Value;

use super::{Finding, Limits, step};

/// References that lead from one to the next before one is taken for a circle.
const HOPS: usize = 16;

/// What a value stands for: itself, or what its `$ref` leads to.
pub(super) fn resolve<'v>(document: &'v Value, value: &'v Value) -> Option<&'v Value> {
    let mut at = value;
    for _ in 0..HOPS {
        match at.get("$ref").and_then(Value::as_str) {
            None => return Some(at),
            Some(reference) => at = target(document, reference)?,
        }
    }
    None
}

/// Looks at every reference of a document.
pub(super) fn check(document: &Value, anchors: bool, limits: &Limits, findings: &mut Vec<Finding>) {
    let mut check = Check { document, anchors, limits, seen: 0, findings };
    check.visit(document, &mut Vec::new());
}

struct Check<'a> {
    document: &'a Value,
    anchors: bool,
    limits: &'a Limits,
    seen: usize,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Check<'a> {
    fn visit(&mut self, value: &'a Value, path: &mut Vec<Cow<'a, str>>) {
        if self.seen > self.limits.references || self.findings.len() >= self.limits.findings {
            return;
        }
        match value {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                    self.judge(reference, value, path);
                }
                for (key, child) in map {
                    path.push(Cow::Borrowed(key));
                    self.visit(child, path);
                    path.pop();
                }
            }
            Value::Array(list) => {
                for (index, child) in list.iter().enumerate().filter(|(_, child)| !child.is_string()) {
                    path.push(Cow::Owned(index.to_string()));
                    self.visit(child, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn judge(&mut self, reference: &str, holder: &Value, path: &[Cow<'a, str>]) {
        self.seen += 1;
        let message = if self.seen > self.limits.references {
            format!("more than {} references", self.limits.references)
        } else if !reference.starts_with('#') {
            "leads out of this document; files and URLs are not read".to_owned()
        } else if self.anchors && !reference.starts_with("#/") && reference != "#" {
            return;
        } else if target(self.document, reference).is_none() {
            "leads to nothing in this document".to_owned()
        } else if resolve(self.document, holder).is_none() {
            "leads in a circle".to_owned()
        } else {
            return;
        };
        let place = path.iter().fold(String::new(), |place, key| step(&place, key));
        self.findings.push(Finding::new(step(&place, "$ref"), message));
    }
}

fn target<'v>(document: &'v Value, reference: &str) -> Option<&'v Value> {
    document.pointer(&decoded(reference.strip_prefix('#')?)?)
}

/// A URI fragment without its percent-encoding (RFC 6901 section 6).
fn decoded(fragment: &str) -> Option<Cow<'_, str>> {
    if !fragment.contains('%') {
        return Some(Cow::Borrowed(fragment));
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
