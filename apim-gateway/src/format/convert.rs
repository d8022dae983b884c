//! JSON as XML, XML as JSON, forms as either.
//!
//! # From JSON to XML
//!
//! A member becomes an element of its name; an array becomes an element for each of its items, so an empty
//! one leaves nothing. A member `@name` with a simple value becomes an attribute, `#text` the text beside it.
//! The root needs one name: an object with exactly one member, whose value is no array, gives it; otherwise
//! it is `jsonObject`, or `jsonArray` with items `jsonElement`. `null` becomes an empty element. Characters that no
//! XML name may hold are written `_xHHHH_`, those that no XML may hold are refused.
//!
//! ```
//! use apim_gateway::format::convert::{json_to_xml, xml_to_json};
//! use serde_json::json;
//!
//! let order = json!({"order": {"@id": "7", "item": ["tea", "cup"], "note": {"@lang": "en", "#text": "soon"}}});
//! let document = json_to_xml(&order).unwrap();
//! assert_eq!(document.root.elements().count(), 3);
//! assert_eq!(xml_to_json(&document), json!({"order": {"@id": 7, "item": ["tea", "cup"], "note": {"@lang": "en", "#text": "soon"}}}));
//! ```
//!
//! # From XML to JSON
//!
//! The reverse: the root's name is the one member of the object. Elements of one name beside each other become an
//! array, a single one does not. An element with neither attributes nor children is `null`, one with text
//! alone is that text, else an object. Text that reads exactly as JSON would write a number or a boolean becomes
//! one, so `7` does and `007` does not. Prefixes and their declarations stay part of the names, as `soap:Body`
//! and `@xmlns:soap`. Text between elements is joined as `#text`, unless it is only white space.

use apim_core::message::ContentError;
use apim_core::message::xml::{Document, Element, Name, Node};
use serde_json::{Map, Value};

use super::{DEPTH, xml};

/// JSON as an XML document.
///
/// # Errors
///
/// [`ContentError::Malformed`] for what no XML document can hold: control characters, prefixes without a
/// declaration, a nesting beyond [`DEPTH`].
pub fn json_to_xml(value: &Value) -> Result<Document, ContentError> {
    let named = match value {
        Value::Object(members) if members.len() == 1 => {
            members.iter().next().filter(|(name, value)| !is_marked(name) && !value.is_array())
        }
        _ => None,
    };
    let mut root = match (named, value) {
        (Some((name, value)), _) => element(name, value, DEPTH)?,
        (None, Value::Array(items)) => {
            let mut root = Element::new("jsonArray");
            push(&mut root, "jsonElement", items, DEPTH)?;
            root
        }
        (None, value) => element("jsonObject", value, DEPTH)?,
    };
    xml::resolve(&mut root)?;
    Ok(Document { root })
}

fn is_marked(name: &str) -> bool {
    name.starts_with('@') || name == "#text"
}

fn element(name: &str, value: &Value, depth: usize) -> Result<Element, ContentError> {
    let depth = depth.checked_sub(1).ok_or_else(|| refused(name, "nested too deep"))?;
    let mut element = Element { name: xml_name(name)?, ..Element::default() };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                member(&mut element, name, value, depth)?;
            }
        }
        Value::Array(items) => push(&mut element, "jsonElement", items, depth)?,
        simple => element.children.push(Node::Text(text(name, simple)?)),
    }
    Ok(element)
}

fn member(parent: &mut Element, name: &str, value: &Value, depth: usize) -> Result<(), ContentError> {
    let simple = !matches!(value, Value::Object(_) | Value::Array(_));
    match (name.strip_prefix('@'), value) {
        (Some(attribute), value) if simple && !attribute.is_empty() => {
            parent.attributes.push((xml_name(attribute)?, text(name, value)?));
        }
        (None, value) if simple && name == "#text" => parent.children.push(Node::Text(text(name, value)?)),
        (_, Value::Array(items)) => push(parent, name, items, depth)?,
        (_, value) => parent.children.push(Node::Element(element(name, value, depth)?)),
    }
    Ok(())
}

fn push(parent: &mut Element, name: &str, items: &[Value], depth: usize) -> Result<(), ContentError> {
    for item in items {
        parent.children.push(Node::Element(element(name, item, depth)?));
    }
    Ok(())
}

fn text(name: &str, value: &Value) -> Result<String, ContentError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if text.chars().all(xml::is_char) {
        Ok(text)
    } else {
        Err(refused(name, "a character that no XML may hold"))
    }
}

fn refused(name: &str, rule: &str) -> ContentError {
    ContentError::Malformed {
        format: "JSON for XML",
        place: format!("member `{}`", name.escape_debug()),
        rule: rule.to_owned(),
    }
}

/// A member's name as an element's: its first colon separates a prefix.
fn xml_name(name: &str) -> Result<Name, ContentError> {
    let escaped = escape_name(name);
    match escaped.split_once(':') {
        Some((prefix, local)) if !prefix.is_empty() && !local.is_empty() => Ok(Name {
            prefix: Some(prefix.to_owned()),
            local: local.replace(':', "_x003A_"),
            namespace: None,
        }),
        _ => Ok(Name::local(escaped.replace(':', "_x003A_"))),
    }
}

fn escape_name(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    if name.is_empty() {
        escaped.push('_');
    }
    for (index, char) in name.char_indices() {
        let fits = if index == 0 { xml::begins_name(char) } else { xml::continues_name(char) };
        if fits {
            escaped.push(char);
        } else {
            escaped.push_str(&format!("_x{:04X}_", u32::from(char)));
        }
    }
    escaped
}

fn unescape_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("_x") {
        plain.push_str(before);
        let char = after
            .split_once('_')
            .filter(|(code, _)| (4..=6).contains(&code.len()))
            .and_then(|(code, rest)| Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, rest)));
        match char {
            Some((char, after)) => {
                plain.push(char);
                rest = after;
            }
            None => {
                plain.push_str("_x");
                rest = after;
            }
        }
    }
    plain + rest
}

/// An XML document as JSON.
pub fn xml_to_json(document: &Document) -> Value {
    let mut whole = Map::new();
    whole.insert(json_name(&document.root.name), value(&document.root));
    Value::Object(whole)
}

fn value(element: &Element) -> Value {
    let text = element.text();
    if element.attributes.is_empty() && element.elements().next().is_none() {
        return if element.children.is_empty() { Value::Null } else { simple(text) };
    }
    let mut members = Map::new();
    for (name, value) in &element.attributes {
        members.insert(format!("@{}", json_name(name)), simple(value.clone()));
    }
    for child in element.elements() {
        let new = value(child);
        match members.get_mut(&json_name(&child.name)) {
            None => {
                members.insert(json_name(&child.name), new);
            }
            // No value of an element is an array, so this one holds the earlier elements of the name.
            Some(Value::Array(items)) => items.push(new),
            Some(first) => *first = Value::Array(vec![first.take(), new]),
        }
    }
    if !text.trim().is_empty() {
        members.insert("#text".to_owned(), simple(text));
    }
    Value::Object(members)
}

fn json_name(name: &Name) -> String {
    let local = unescape_name(&name.local);
    match &name.prefix {
        Some(prefix) => format!("{prefix}:{local}"),
        None => local,
    }
}

fn simple(text: String) -> Value {
    let begins_simple =
        text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | 't' | 'f'));
    if begins_simple
        && text.len() <= 32
        && let Ok(value @ (Value::Number(_) | Value::Bool(_))) = serde_json::from_str::<Value>(&text)
        && *value.to_string() == *text
    {
        return value;
    }
    Value::String(text)
}

/// A form as a JSON object of texts; a name that comes more than once becomes an array.
pub fn form_to_json(pairs: &[(String, String)]) -> Value {
    let mut members = Map::new();
    for (name, value) in pairs {
        let new = Value::String(value.clone());
        match members.get_mut(name) {
            None => {
                members.insert(name.clone(), new);
            }
            Some(Value::Array(items)) => items.push(new),
            Some(first) => *first = Value::Array(vec![first.take(), new]),
        }
    }
    Value::Object(members)
}

/// A flat JSON object as a form; none if it is anything else.
pub fn json_to_form(value: &Value) -> Option<Vec<(String, String)>> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let mut pairs = Vec::new();
    for (name, value) in value.as_object()? {
        match value {
            Value::Array(items) => {
                for item in items {
                    pairs.push((name.clone(), plain(item)?));
                }
            }
            value => pairs.push((name.clone(), plain(value)?)),
        }
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let text = xml::write(&json_to_xml(value).unwrap());
        text.strip_prefix(r#"<?xml version="1.0" encoding="UTF-8"?>"#).unwrap().to_owned()
    }

    #[test]
    fn a_root_is_found_or_made() {
        assert_eq!(written(&json!({"a": 1})), "<a>1</a>");
        assert_eq!(written(&json!({"a": 1, "b": null})), "<jsonObject><a>1</a><b/></jsonObject>");
        assert_eq!(written(&json!({"a": [1, 2]})), "<jsonObject><a>1</a><a>2</a></jsonObject>");
        assert_eq!(
            written(&json!([1, "x"])),
            "<jsonArray><jsonElement>1</jsonElement><jsonElement>x</jsonElement></jsonArray>"
        );
        assert_eq!(written(&json!("x")), "<jsonObject>x</jsonObject>");
    }

    #[test]
    fn names_that_xml_forbids_survive_the_way_there_and_back() {
        let value = json!({"r": {"a b": 1, "1x": 2, "": 3}});
        assert_eq!(written(&value), "<r><a_x0020_b>1</a_x0020_b><_x0031_x>2</_x0031_x><_>3</_></r>");
        assert_eq!(xml_to_json(&json_to_xml(&value).unwrap()), json!({"r": {"a b": 1, "1x": 2, "_": 3}}));
    }

    #[test]
    fn text_becomes_a_number_only_if_nothing_is_lost() {
        for (text, value) in [
            ("7", json!(7)),
            ("-1.5", json!(-1.5)),
            ("true", json!(true)),
            ("007", json!("007")),
            ("1.50", json!("1.50")),
            ("1e3", json!("1e3")),
            ("12345678901234567890123", json!("12345678901234567890123")),
            (" 7", json!(" 7")),
        ] {
            assert_eq!(simple(text.to_owned()), value);
        }
    }

    #[test]
    fn what_no_xml_can_hold_is_refused() {
        assert!(json_to_xml(&json!({"a": "\u{0}"})).is_err());
        assert!(json_to_xml(&json!({"p:a": 1})).unwrap_err().to_string().contains("prefix"));
        assert!(json_to_xml(&json!({"p:a": {"@xmlns:p": "urn:x", "p:b": 1}})).is_ok());
        let deep = (0..200).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(json_to_xml(&deep).is_err());
    }

    #[test]
    fn forms_become_objects_and_flat_objects_forms() {
        let own = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let pairs = [own("a", "1"), own("b", "x"), own("a", "2")];
        let value = form_to_json(&pairs);
        assert_eq!(value, json!({"a": ["1", "2"], "b": "x"}));
        assert_eq!(json_to_form(&value).unwrap(), [own("a", "1"), own("a", "2"), own("b", "x")]);
        assert!(json_to_form(&json!({"a": {"b": 1}})).is_none());
    }
}
