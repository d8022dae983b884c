//! From a tree to text.

use apim_core::message::xml::{Document, Element, Name, Node};

/// Writes a document.
pub(in crate::format) fn write(document: &Document) -> String {
    let mut out = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    element(&document.root, &mut out);
    out
}

fn element(element: &Element, out: &mut String) {
    out.push('<');
    name(&element.name, out);
    for (key, value) in &element.attributes {
        out.push(' ');
        name(key, out);
        out.push_str("=\"");
        escape(value, true, out);
        out.push('"');
    }
    if element.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for child in &element.children {
        match child {
            Node::Element(child) => self::element(child, out),
            Node::Text(text) => escape(text, false, out),
        }
    }
    out.push_str("</");
    name(&element.name, out);
    out.push('>');
}

fn name(name: &Name, out: &mut String) {
    if let Some(prefix) = &name.prefix {
        out.push_str(prefix);
        out.push(':');
    }
    out.push_str(&name.local);
}

/// White space that a reader would normalise away is written as a reference.
fn escape(text: &str, attribute: bool, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            other => out.push(other),
        }
    }
}
