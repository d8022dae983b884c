//! A small owned XML tree: what SOAP, XPath and schema checks stand on.
//!
//! No DTD, no entities beyond the five, no processing instructions, no comments: a builder leaves them out
//! or refuses them. Parsing and writing are a builder's and a formatter's business.

/// An XML document, which is its root element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The root.
    pub root: Element,
}

/// A name with its namespace (Namespaces in XML 1.0).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// The prefix as written; kept so that a document leaves as its author wrote it.
    pub prefix: Option<String>,
    /// The local part.
    pub local: String,
    /// The namespace that the prefix, or the default declaration, stands for.
    pub namespace: Option<String>,
}

impl Name {
    /// A name in no namespace.
    pub fn local(local: impl Into<String>) -> Self {
        Self { prefix: None, local: local.into(), namespace: None }
    }
}

/// An element: its name, its attributes in order, its children in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Its name.
    pub name: Name,
    /// Its attributes, namespace declarations among them.
    pub attributes: Vec<(Name, String)>,
    /// What is in it.
    pub children: Vec<Node>,
}

/// What an element contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, unescaped.
    Text(String),
}

impl Element {
    /// An empty element in no namespace.
    pub fn new(local: impl Into<String>) -> Self {
        Self { name: Name::local(local), ..Self::default() }
    }

    /// Its child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The text directly in it, joined.
    pub fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }
}
