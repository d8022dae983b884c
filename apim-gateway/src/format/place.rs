//! Where in a text something is.

/// The line and column of a byte, both from 1, as editors count them.
pub(super) fn of(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
    format!("line {line} column {column}")
}
