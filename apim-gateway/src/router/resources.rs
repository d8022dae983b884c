//! From a method and a path below the context to the operation that serves it.

use std::cmp::Ordering;
use std::num::NonZeroU32;

use http::{HeaderValue, Method};

use super::template::{Pieces, Segment};
use super::{Template, TemplateError};
use crate::fetch::Fetch;

/// The operations of one API, as a trie over segments.
///
/// At each segment a literal wins over pieces (`{a}-{b}`), pieces over a variable, a variable over the
/// closing `/*`; a choice that leads nowhere *for this method* is taken back. Looking up allocates nothing,
/// and visits no node of the trie twice.
///
/// Every call looks here, and with ten thousand APIs what it looks at is in no cache. So all numbers of the trie stand
/// behind each other in one list, each node's together, and the texts in another.
#[derive(Debug)]
pub struct Resources {
    /// The nodes, of which the first is the root; see [`Node`].
    words: Box<[u32]>,
    /// Those of literals.
    texts: Box<str>,
    mixed: Box<[(Pieces, u32)]>,
    /// Methods that have no number of their own.
    others: Box<[Method]>,
}

/// A node, as it stands in the list: six words, then its literals, sorted, of three words each, then its rows, of two.
///
/// | Word | |
/// |--:|---|
/// | 0 | how many literals |
/// | 1, 2 | where its pieces begin and end |
/// | 3 | the node of a variable; 0 if it has none, since the root is nobody's child |
/// | 4 | rows of templates that end here |
/// | 5 | rows of those that end here with `/*` |
#[derive(Clone, Copy)]
struct Node<'a> {
    head: &'a [u32],
    literals: &'a [u32],
    here: &'a [u32],
    below: &'a [u32],
}

/// Words of a node before its lists.
const HEAD: usize = 6;
/// Of a literal: where its text begins and ends, and its node.
const LITERAL: usize = 3;
/// Of a row: the number of a method, and the operation that serves it.
const ROW: usize = 2;

/// The number of `*` among methods. Smaller ones are those of [`USUAL`], larger ones those of the others.
const ALL: u32 = USUAL.len() as u32;

/// There are 4,096 operations of 64 segments at most.
fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A node as it grows.
#[derive(Debug, Default)]
struct Growing {
    /// Sorted, so that it can be searched.
    literals: Vec<(Box<str>, usize)>,
    mixed: Vec<(Pieces, usize)>,
    /// Not the root, which is nobody's child.
    variable: Option<NonZeroU32>,
    here: Vec<Row>,
    below: Vec<Row>,
}

impl Growing {
    /// Words it takes.
    fn size(&self) -> usize {
        HEAD + self.literals.len() * LITERAL + (self.here.len() + self.below.len()) * ROW
    }
}

/// A method, and the operation that serves it.
type Row = (Served, u32);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Served {
    One(Method),
    /// Every usual method; see [`USUAL`].
    All,
}

/// What `*` stands for. TRACE and CONNECT are never served, and what nobody has declared is not guessed.
const USUAL: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// What a lookup finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The operation with this index.
    Operation(u32),
    /// Templates match, but none has this method.
    OtherMethods,
    /// No template matches.
    Nothing,
}

impl Resources {
    /// Builds the trie from methods and templates, in the order of their indexes.
    ///
    /// # Errors
    ///
    /// The index of the first operation that breaks a rule, and which.
    pub fn new<'a>(
        operations: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, (usize, ResourceError)> {
        let mut nodes = vec![Growing::default()];
        for (index, (method, template)) in operations.enumerate() {
            insert(&mut nodes, index, method, template).map_err(|error| (index, error))?;
        }
        Ok(Self::grown(nodes))
    }

    fn grown(growing: Vec<Growing>) -> Self {
        let mut places = Vec::with_capacity(growing.len());
        let all = growing.iter().fold(0, |at, node| {
            places.push(small(at));
            at + node.size()
        });
        let mut words = Vec::with_capacity(all);
        let (mut texts, mut mixed, mut others) = (String::new(), Vec::new(), Vec::new());
        for node in growing {
            let pieces = small(mixed.len());
            mixed.extend(node.mixed.into_iter().map(|(it, child)| (it, places[child])));
            let variable = node.variable.map_or(0, |child| places[child.get() as usize]);
            words.extend([small(node.literals.len()), pieces, small(mixed.len()), variable]);
            words.extend([small(node.here.len()), small(node.below.len())]);
            for (text, child) in node.literals {
                let begin = small(texts.len());
                texts.push_str(&text);
                words.extend([begin, small(texts.len()), places[child]]);
            }
            for (served, operation) in node.here.into_iter().chain(node.below) {
                words.extend([number(served, &mut others), operation]);
            }
        }
        Self { words: words.into(), texts: texts.into(), mixed: mixed.into(), others: others.into() }
    }

    /// Asks for what a lookup is about to look at.
    pub(crate) fn fetch(&self, fetch: &mut Fetch) {
        for word in self.words.iter().step_by(16).take(4) {
            fetch.at(*word as usize);
        }
        fetch.text(self.texts.get(..64).unwrap_or(&self.texts));
    }

    fn node(&self, at: u32) -> Node<'_> {
        let (head, lists) = self.words[at as usize..].split_at(HEAD);
        let (literals, rows) = lists.split_at(head[0] as usize * LITERAL);
        let (here, rows) = rows.split_at(head[4] as usize * ROW);
        Node { head, literals, here, below: &rows[..head[5] as usize * ROW] }
    }

    /// The number that rows have for a method; none if no row has it.
    fn number(&self, method: &Method) -> Option<u32> {
        let usual = USUAL.iter().position(|usual| usual == method);
        let other = || Some(USUAL.len() + 1 + self.others.iter().position(|other| other == method)?);
        usual.or_else(other).map(small)
    }

    /// Finds the operation for a method on a canonical path. HEAD is served by GET's operation where
    /// nobody has declared it.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let rest = segments(path);
        let find = |method| self.walk(0, rest, &mut |rows| serving(rows, method));
        let number = self.number(method);
        if let Some(operation) = number.and_then(find) {
            return Found::Operation(operation);
        }
        if method == Method::HEAD
            && let Some(operation) = self.number(&Method::GET).and_then(find)
        {
            return Found::Operation(operation);
        }
        match self.walk(0, rest, &mut |rows| rows.get(1).copied()) {
            Some(_) => Found::OtherMethods,
            None => Found::Nothing,
        }
    }

    /// Whether an operation on this path names the method itself, rather than `*`.
    pub fn declares(&self, method: &Method, path: &str) -> bool {
        let Some(wanted) = self.number(method) else { return false };
        self.walk(0, segments(path), &mut |rows| operation(rows, wanted)).is_some()
    }

    /// The methods that are served on a path, in no particular order.
    pub fn methods(&self, path: &str) -> Vec<Method> {
        let mut all: Vec<Method> = Vec::new();
        self.walk(0, segments(path), &mut |rows| {
            for row in rows.chunks_exact(ROW) {
                let number = row[0] as usize;
                let served = match row[0] {
                    ALL => &USUAL[..],
                    usual if usual < ALL => &USUAL[number..=number],
                    _ => std::slice::from_ref(&self.others[number - USUAL.len() - 1]),
                };
                let fresh = served.iter().filter(|method| !all.contains(method)).cloned().collect::<Vec<_>>();
                all.extend(fresh);
            }
            None
        });
        if all.contains(&Method::GET) && !all.contains(&Method::HEAD) {
            all.push(Method::HEAD);
        }
        all
    }

    /// The methods of a path, as in an `Allow` header (RFC 9110 section 10.2.1).
    pub fn allow(&self, path: &str) -> HeaderValue {
        let methods = self.methods(path);
        let text = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// Walks all matching templates, the most particular first, until `visit` is content with one.
    fn walk(&self, at: u32, rest: Option<&str>, visit: &mut dyn FnMut(&[u32]) -> Option<u32>) -> Option<u32> {
        let node = self.node(at);
        let Some(rest) = rest else {
            return visit(node.here).or_else(|| visit(node.below));
        };
        let (segment, after) = first(rest);
        if let Some(child) = self.literal(node, segment)
            && let Some(found) = self.walk(child, after, visit)
        {
            return Some(found);
        }
        for (pieces, child) in &self.mixed[node.head[1] as usize..node.head[2] as usize] {
            if pieces.matches(segment, |_, _| ())
                && let Some(found) = self.walk(*child, after, visit)
            {
                return Some(found);
            }
        }
        let variable = node.head[3];
        if variable != 0
            && let Some(found) = self.walk(variable, after, visit)
        {
            return Some(found);
        }
        visit(node.below)
    }

    /// The child of a node for a segment that stands there word for word.
    fn literal(&self, node: Node<'_>, segment: &str) -> Option<u32> {
        let (mut from, mut to) = (0, node.literals.len() / LITERAL);
        while from < to {
            let middle = usize::midpoint(from, to);
            let literal = &node.literals[middle * LITERAL..][..LITERAL];
            match self.texts[literal[0] as usize..literal[1] as usize].cmp(segment) {
                Ordering::Less => from = middle + 1,
                Ordering::Equal => return Some(literal[2]),
                Ordering::Greater => to = middle,
            }
        }
        None
    }
}

/// Adds an operation to a trie that grows.
fn insert(nodes: &mut Vec<Growing>, index: usize, method: &str, template: &str) -> Result<(), ResourceError> {
    let served = match method {
        "*" => Served::All,
        method => Served::One(usable(method)?),
    };
    let template = Template::parse(template)?;
    let mut at = 0;
    for segment in template.segments {
        at = child(nodes, at, segment);
    }
    let node = &mut nodes[at];
    let methods = if template.open { &mut node.below } else { &mut node.here };
    if methods.iter().any(|(other, _)| *other == served) {
        return Err(ResourceError::Twice);
    }
    methods.push((served, small(index)));
    Ok(())
}

/// The child of a node for a segment, made if there is none.
fn child(nodes: &mut Vec<Growing>, at: usize, segment: Segment) -> usize {
    let next = nodes.len();
    let node = &mut nodes[at];
    let child = match segment {
        Segment::Literal(text) => match node.literals.binary_search_by(|(other, _)| other.cmp(&text)) {
            Ok(position) => node.literals[position].1,
            Err(position) => {
                node.literals.insert(position, (text, next));
                next
            }
        },
        // The names of variables make no difference to what is matched, but pieces keep theirs.
        Segment::Variable(_) => match node.variable {
            Some(child) => child.get() as usize,
            None => {
                node.variable = NonZeroU32::new(small(next));
                next
            }
        },
        Segment::Mixed(pieces) => match node.mixed.iter().find(|(other, _)| *other == pieces) {
            Some((_, child)) => *child,
            None => {
                node.mixed.push((pieces, next));
                next
            }
        },
    };
    if child == next {
        nodes.push(Growing::default());
    }
    child
}

/// The number of a method that rows name, which others may have had before.
fn number(served: Served, others: &mut Vec<Method>) -> u32 {
    let Served::One(method) = served else { return ALL };
    if let Some(usual) = USUAL.iter().position(|usual| *usual == method) {
        return small(usual);
    }
    let known = others.iter().position(|other| *other == method).unwrap_or_else(|| {
        others.push(method);
        others.len() - 1
    });
    small(USUAL.len() + 1 + known)
}

/// The operation among these that serves a method: by name, or as one of the usual.
fn serving(rows: &[u32], method: u32) -> Option<u32> {
    operation(rows, method).or_else(|| if method < ALL { operation(rows, ALL) } else { None })
}

/// The operation that a row names beside a number.
fn operation(rows: &[u32], number: u32) -> Option<u32> {
    rows.chunks_exact(ROW).find(|row| row[0] == number).map(|row| row[1])
}

/// What follows the first slash; nothing for the root. One trailing slash makes no difference.
fn segments(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    (!path.is_empty()).then_some(path)
}

/// The first segment, and what follows its slash. Segments are so short that looking at each byte is quicker than
/// setting out to search.
fn first(rest: &str) -> (&str, Option<&str>) {
    match rest.bytes().position(|byte| byte == b'/') {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    }
}

fn usable(method: &str) -> Result<Method, ResourceError> {
    let known = Method::from_bytes(method.as_bytes()).map_err(|_| ResourceError::Method)?;
    if method.bytes().any(|b| b.is_ascii_lowercase()) || known == Method::TRACE || known == Method::CONNECT {
        return Err(ResourceError::Method);
    }
    Ok(known)
}

/// Why an operation cannot be deployed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Its path.
    #[error("path: {0}")]
    Template(#[from] TemplateError),
    /// Its method.
    #[error("method: a method in capitals, but not TRACE or CONNECT, or `*`")]
    Method,
    /// Another operation is the same.
    #[error("another operation has this method on the same path")]
    Twice,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn resources(operations: &[(&str, &str)]) -> Resources {
        Resources::new(operations.iter().copied()).unwrap()
    }

    fn get(resources: &Resources, path: &str) -> Found {
        resources.find(&Method::GET, path)
    }

    #[test]
    fn the_more_particular_template_wins_whatever_the_order() {
        let templates = ["/*", "/pets/*", "/pets/{id}", "/pets/{a}-{b}", "/pets/mine", "/pets"];
        let operations: Vec<_> = templates.iter().map(|template| ("GET", *template)).collect();
        let found = resources(&operations);
        for (path, index) in [
            ("/pets/mine", 4),
            ("/pets/mine/", 4),
            ("/pets/1-2", 3),
            ("/pets/7", 2),
            ("/pets/7/photos", 1),
            ("/pets", 5),
            ("/petstore", 0),
            ("/", 0),
        ] {
            assert_eq!(get(&found, path), Found::Operation(index.try_into().unwrap()), "{path}");
        }
    }

    #[test]
    fn a_choice_that_leads_nowhere_is_taken_back() {
        let found =
            resources(&[("GET", "/a/b/c"), ("GET", "/a/{x}/d"), ("GET", "/{y}/b/*"), ("POST", "/a/b/d")]);
        assert_eq!(get(&found, "/a/b/d"), Found::Operation(1));
        assert_eq!(get(&found, "/a/b/e"), Found::Operation(2));
        assert_eq!(found.find(&Method::POST, "/a/b/d"), Found::Operation(3));
        assert_eq!(found.find(&Method::DELETE, "/a/b/d"), Found::OtherMethods);
        assert_eq!(get(&found, "/a/x"), Found::Nothing);
    }

    #[test]
    fn head_is_served_by_get_unless_declared() {
        let found = resources(&[("GET", "/a"), ("GET", "/b"), ("HEAD", "/b"), ("POST", "/c")]);
        assert_eq!(found.find(&Method::HEAD, "/a"), Found::Operation(0));
        assert_eq!(found.find(&Method::HEAD, "/b"), Found::Operation(2));
        assert_eq!(found.find(&Method::HEAD, "/c"), Found::OtherMethods);
    }

    #[test]
    fn a_star_serves_the_usual_methods_only() {
        let found = resources(&[("*", "/*")]);
        assert_eq!(found.find(&Method::PATCH, "/x"), Found::Operation(0));
        for method in ["TRACE", "CONNECT", "get", "BREW"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(found.find(&method, "/x"), Found::OtherMethods, "{method}");
        }
    }

    #[test]
    fn allow_names_every_method_of_the_path() {
        let found = resources(&[("GET", "/a/{x}"), ("PUT", "/a/b"), ("POST", "/*")]);
        assert_eq!(found.allow("/a/b"), "PUT, GET, POST, HEAD");
        assert_eq!(found.allow("/z"), "POST");
    }

    #[test]
    fn twins_are_refused() {
        let twins = Resources::new([("GET", "/a/{x}"), ("GET", "/a/{y}/")].into_iter());
        assert!(matches!(twins, Err((1, ResourceError::Twice))));
        assert!(matches!(Resources::new([("get", "/")].into_iter()), Err((0, ResourceError::Method))));
    }

    /// All templates tried one by one, and the most particular chosen: slow, and obviously right.
    fn naive(operations: &[(&str, &str)], method: &Method, path: &str) -> Option<usize> {
        let parts: Vec<_> = segments(path).map_or(Vec::new(), |rest| rest.split('/').collect());
        let rank = |template: &Template| -> Option<Vec<u8>> {
            if parts.len() < template.segments.len()
                || !template.open && parts.len() > template.segments.len()
            {
                return None;
            }
            let mut rank = Vec::new();
            for (segment, text) in template.segments.iter().zip(&parts) {
                rank.push(match segment {
                    Segment::Literal(literal) if **literal == **text => 0,
                    Segment::Mixed(pieces) if pieces.matches(text, |_, _| ()) => 1,
                    Segment::Variable(_) => 2,
                    _ => return None,
                });
            }
            // A closing `/*` ranks behind whatever else could stand at its place.
            rank.push(if template.open { 3 } else { 0 });
            Some(rank)
        };
        let of_method = operations.iter().enumerate().filter(|(_, (other, _))| other == method);
        of_method
            .filter_map(|(index, (_, text))| Some((rank(&Template::parse(text).unwrap())?, index)))
            .min()
            .map(|(_, index)| index)
    }

    #[test]
    fn the_trie_agrees_with_trying_every_template() {
        // Every tree of depth up to three over four kinds of segment, in a scrambled selection.
        let kinds = ["a", "b", "{x}", "{p}-{q}"];
        let mut all = vec!["/*".to_owned()];
        for (i, one) in kinds.iter().enumerate() {
            all.push(format!("/{one}"));
            all.push(format!("/{one}/*"));
            for two in &kinds {
                let two = two.replace('x', "y").replace('p', "r").replace('q', "s");
                all.push(format!("/{one}/{two}"));
                if i % 2 == 0 {
                    all.push(format!("/{one}/{two}/*"));
                    all.push(format!("/{one}/{two}/a"));
                }
            }
        }
        let words = ["a", "b", "c", "a-b"];
        for seed in 0..200_u64 {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut next = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            let chosen: Vec<&String> = all.iter().filter(|_| next() % 3 == 0).collect();
            let operations: Vec<(&str, &str)> = chosen
                .iter()
                .map(|text| (if next() % 2 == 0 { "GET" } else { "PUT" }, text.as_str()))
                .collect();
            let trie = resources(&operations);
            for one in words {
                for two in ["", "/a", "/b", "/c", "/a-b"] {
                    for three in ["", "/a", "/z"] {
                        if two.is_empty() && !three.is_empty() {
                            continue;
                        }
                        let path = format!("/{one}{two}{three}");
                        let found = match get(&trie, &path) {
                            Found::Operation(index) => Some(index as usize),
                            _ => None,
                        };
                        assert_eq!(
                            found,
                            naive(&operations, &Method::GET, &path),
                            "{path} in {operations:?}"
                        );
                    }
                }
            }
        }
    }
}
