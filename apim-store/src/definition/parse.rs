//! From bytes to a document, JSON or YAML, with every limit kept while reading.
//!
//! What both languages have in common is read by [`crate::strict`].

use serde::de::DeserializeSeed as _;
use serde_json::Value;

use super::{Finding, Limits};
use crate::strict::{self, Bounds, Node, Walk};

/// Reads one document. What begins with `{` is JSON, all else YAML.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Finding> {
    if bytes.len() > limits.bytes {
        return Err(Finding::new("", format!("larger than {} bytes", limits.bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Finding::new("", "not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut walk = Walk::new(Bounds { depth: limits.depth, nodes: limits.nodes });
    let read = if text.trim_start().starts_with('{') {
        strict::json(text, &mut walk).map_err(|error| error.to_string())
    } else {
        on_deep_stack(|| yaml(text, limits, &mut walk).map_err(|error| error.to_string()))
    };
    read.map_err(|message| walk.finding(message))
}

/// Runs on a thread of its own. The YAML reader takes many kilobytes of stack for each level of nesting, and
/// how much of it the caller has left is not known here.
fn on_deep_stack<T: Send>(read: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    const STACK: usize = 32 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("definition".to_owned()).stack_size(STACK);
        let reading = thread.spawn_scoped(scope, read).map_err(|error| error.to_string())?;
        reading.join().unwrap_or_else(|_| Err("cannot be read".to_owned()))
    })
}

fn yaml(text: &str, limits: &Limits, walk: &mut Walk) -> Result<Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(limits.bytes),
            max_depth: limits.depth + 1,
            flow_nesting_limit: limits.depth + 1,
            max_nodes: limits.nodes,
            max_events: limits.nodes.saturating_mul(3),
            max_total_scalar_bytes: limits.bytes,
            max_recorded_anchor_events: limits.nodes,
            max_recorded_anchor_bytes: limits.bytes,
            max_documents: 1,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_merge_keys: 10_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.nodes,
            max_replay_stack_depth: 16,
        },
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |source| {
        Node(walk).deserialize(source)
    })
}
