//! What prefixes stand for (Namespaces in XML 1.0).

use apim_core::message::ContentError;
use apim_core::message::xml::{Element, Name, Node};

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Gives every name in a tree its namespace, from the declarations in the tree.
pub(in crate::format) fn resolve(root: &mut Element) -> Result<(), ContentError> {
    down(root, &mut Vec::new())
}

/// The declarations in force: prefix and namespace, innermost last. The tree's depth has been bounded.
fn down(element: &mut Element, scope: &mut Vec<(Option<String>, String)>) -> Result<(), ContentError> {
    let outer = scope.len();
    for (name, value) in &mut element.attributes {
        let declared = match (name.prefix.as_deref(), name.local.as_str()) {
            (None, "xmlns") => None,
            (Some("xmlns"), prefix) => Some(prefix.to_owned()),
            _ => continue,
        };
        let reserved = matches!(declared.as_deref(), Some("xmlns"))
            || (declared.as_deref() == Some("xml")) != (value == XML)
            || value == XMLNS
            || (declared.is_some() && value.is_empty());
        if reserved {
            return Err(refused(name, "declares a reserved prefix or namespace"));
        }
        name.namespace = Some(XMLNS.to_owned());
        scope.push((declared, value.clone()));
    }
    element.name.namespace = meaning(&element.name, scope, true)?;
    for index in 0..element.attributes.len() {
        let (name, _) = &element.attributes[index];
        if name.namespace.is_none() {
            let namespace = meaning(name, scope, false)?;
            element.attributes[index].0.namespace = namespace;
        }
        let (name, _) = &element.attributes[index];
        let same = |other: &Name| other.local == name.local && other.namespace == name.namespace;
        if element.attributes[..index].iter().any(|(other, _)| same(other)) {
            return Err(refused(name, "stands twice in one element"));
        }
    }
    for child in &mut element.children {
        if let Node::Element(child) = child {
            down(child, scope)?;
        }
    }
    scope.truncate(outer);
    Ok(())
}

fn meaning(
    name: &Name,
    scope: &[(Option<String>, String)],
    element: bool,
) -> Result<Option<String>, ContentError> {
    let Some(prefix) = &name.prefix else {
        // The default namespace is for elements only, and an empty one takes it back.
        let default = scope.iter().rev().find(|(prefix, _)| prefix.is_none());
        return Ok(default.filter(|(_, value)| element && !value.is_empty()).map(|(_, value)| value.clone()));
    };
    if prefix == "xml" {
        return Ok(Some(XML.to_owned()));
    }
    let declared = scope.iter().rev().find(|(known, _)| known.as_ref() == Some(prefix));
    match declared {
        Some((_, value)) => Ok(Some(value.clone())),
        None => Err(refused(name, "has a prefix that is not declared")),
    }
}

fn refused(name: &Name, rule: &str) -> ContentError {
    let written = match &name.prefix {
        Some(prefix) => format!("{prefix}:{}", name.local),
        None => name.local.clone(),
    };
    ContentError::Malformed { format: "XML", place: format!("the name `{written}`"), rule: rule.to_owned() }
}
