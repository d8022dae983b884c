//! From text to a tree.

use apim_core::message::ContentError;
use apim_core::message::xml::{Document, Element, Name, Node};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::QName;
use quick_xml::{Reader, XmlVersion};

use super::chars::{is_char, is_name};
use super::resolve;
use crate::format::{COUNT, DEPTH, place};

/// Attributes of one element. Names are compared with each other, so this one is small.
const ATTRIBUTES: usize = 256;

/// Reads a document.
pub(super) fn read(text: &str) -> Result<Document, ContentError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut tree = Tree { open: Vec::new(), root: None, left: COUNT };
    loop {
        let before = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let refused =
            |rule: String| ContentError::Malformed { format: "XML", place: place::of(text, before), rule };
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            ContentError::Malformed { format: "XML", place: place::of(text, at), rule: error.to_string() }
        })?;
        if matches!(event, Event::Eof) {
            let mut root = tree.finish().map_err(refused)?;
            resolve(&mut root)?;
            return Ok(Document { root });
        }
        tree.event(event).map_err(refused)?;
    }
}

struct Tree {
    /// Elements that have begun, the root first.
    open: Vec<Element>,
    root: Option<Element>,
    left: usize,
}

impl Tree {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(&start),
            Event::Empty(start) => {
                self.start(&start)?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.reference(&reference),
            Event::DocType(_) => Err("a document type is not allowed".to_owned()),
            Event::Decl(declaration) => match declaration.encoding() {
                // The text has been decoded already, so it can only be wrong about it.
                Some(Ok(encoding)) if !is_known(&encoding) => {
                    Err(format!("the encoding `{encoding}` is not supported"))
                }
                Some(Err(error)) => Err(error.to_string()),
                _ => Ok(()),
            },
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.open.is_empty() && self.root.is_some() {
            return Err("a second root element".to_owned());
        }
        if self.open.len() >= DEPTH {
            return Err(format!("nested deeper than {DEPTH}"));
        }
        self.count()?;
        let mut element = Element { name: name(start.name())?, ..Element::default() };
        for attribute in start.attributes() {
            self.count()?;
            if element.attributes.len() >= ATTRIBUTES {
                return Err(format!("more than {ATTRIBUTES} attributes"));
            }
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.value.contains('<') {
                return Err("`<` in an attribute's value".to_owned());
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            if !value.chars().all(is_char) {
                return Err("a character that XML does not allow".to_owned());
            }
            element.attributes.push((name(attribute.key)?, value.into_owned()));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let element = self.open.pop().ok_or("an end without a begin")?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        if !text.chars().all(is_char) {
            return Err("a character that XML does not allow".to_owned());
        }
        let Some(parent) = self.open.last_mut() else {
            return if text.trim().is_empty() {
                Ok(())
            } else {
                Err("text outside the root element".to_owned())
            };
        };
        if let Some(Node::Text(before)) = parent.children.last_mut() {
            before.push_str(text);
            return Ok(());
        }
        parent.children.push(Node::Text(text.to_owned()));
        self.count()
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), String> {
        if let Some(char) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
            return self.text(char.encode_utf8(&mut [0; 4]));
        }
        let text = match &**reference {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "apos" => "'",
            "quot" => "\"",
            other => return Err(format!("the entity `{other}` is not allowed")),
        };
        self.text(text)
    }

    fn finish(self) -> Result<Element, String> {
        match (self.open.last(), self.root) {
            (Some(open), _) => Err(format!("the element `{}` has no end", open.name.local)),
            (None, Some(root)) => Ok(root),
            (None, None) => Err("there is no root element".to_owned()),
        }
    }

    fn count(&mut self) -> Result<(), String> {
        self.left = self.left.checked_sub(1).ok_or_else(|| format!("more than {COUNT} nodes"))?;
        Ok(())
    }
}

fn is_known(encoding: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "iso-8859-1"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
}

fn name(name: QName<'_>) -> Result<Name, String> {
    let (local, prefix) = name.decompose();
    let prefix = prefix.as_ref().map(AsRef::<str>::as_ref);
    if !is_name(local.as_ref()) || !prefix.is_none_or(is_name) {
        return Err(format!("`{}` is no name", AsRef::<str>::as_ref(&name).escape_debug()));
    }
    Ok(Name { prefix: prefix.map(str::to_owned), local: local.as_ref().to_owned(), namespace: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::format::xml::write;

    fn refused(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_document_leaves_as_its_author_wrote_it() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?><s:a xmlns:s="urn:x" xmlns="urn:y" b="&lt;&quot;&#10;" s:c="2">x &amp; y<d/><![CDATA[<raw>]]> </s:a>"#;
        let document = read(text).unwrap();
        assert_eq!(document.root.name.namespace.as_deref(), Some("urn:x"));
        let d = document.root.elements().next().unwrap();
        assert_eq!(d.name.namespace.as_deref(), Some("urn:y"));
        assert_eq!(document.root.attributes[2].0.namespace, None);
        assert_eq!(document.root.attributes[2].1, "<\"\n");
        assert_eq!(document.root.text(), "x & y<raw> ");
        let written = write(&document);
        assert_eq!(written, text.replace("<![CDATA[<raw>]]>", "&lt;raw&gt;"));
        assert_eq!(read(&written).unwrap(), document);
    }

    #[test]
    fn document_types_and_their_entities_are_refused() {
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "xx">]><a>&b;</a>"#;
        assert_eq!(refused(bomb), "malformed XML at line 1 column 1: a document type is not allowed");
        assert_eq!(
            refused("<a>\n  &b;</a>"),
            "malformed XML at line 2 column 3: the entity `b` is not allowed"
        );
        assert!(refused(r#"<a b="&c;"/>"#).contains("c"));
        assert!(refused("<a>&#0;</a>").starts_with("malformed"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused_with_its_place() {
        for (text, told) in [
            ("", "there is no root element"),
            ("<a/><b/>", "a second root element"),
            ("x<a/>", "text outside"),
            ("<a><b></a>", "line 1"),
            ("<a>", "the element `a` has no end"),
            ("</a>", "line 1"),
            ("<a b='1' b='2'/>", "line 1"),
            ("<p:a/>", "prefix that is not declared"),
            ("<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>", "stands twice"),
            ("<a xmlns:xml='u'/>", "reserved"),
            ("<1/>", "is no name"),
            ("<a b='<'/>", "`<` in an attribute"),
            ("<a>\u{1}</a>", "character"),
            ("<?xml version='1.0' encoding='UTF-16'?><a/>", "encoding"),
        ] {
            assert!(refused(text).contains(told), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(&deep(DEPTH)).is_ok());
        assert!(refused(&deep(DEPTH + 1)).contains("nested deeper"));
        assert!(refused(&deep(200_000)).contains("nested deeper"));
        assert!(refused(&format!("<a>{}</a>", "<b/>".repeat(COUNT))).contains("more than"));
        let wide = |count: usize| {
            let attributes: String = (0..count).map(|number| format!(" a{number}=''")).collect();
            format!("<a{attributes}/>")
        };
        assert!(read(&wide(ATTRIBUTES)).is_ok());
        assert!(refused(&wide(ATTRIBUTES + 1)).contains("more than 256 attributes"));
    }
}
