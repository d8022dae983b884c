//! Path templates of operations, as their authors wrote them.

use std::fmt;

use super::Path;

/// Segments a template may have.
const DEEPEST: usize = 64;

/// A path template, taken apart.
///
/// Literal segments, `{variable}` for one whole segment, pieces as in `{from}-{to}` within one segment, and
/// a closing `/*` for the rest, which may be nothing.
///
/// ```
/// use apim_gateway::router::Template;
///
/// assert!(Template::parse("/pets/{id}/photos/*").is_ok());
/// let error = Template::parse("/pets/{id}{name}").unwrap_err();
/// assert_eq!(error.to_string(), "segment 2: two variables need a literal between them");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) segments: Vec<Segment>,
    pub(super) open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    Mixed(Pieces),
    Variable(Box<str>),
}

/// A segment of literals and variables in turn. The literals stand between, before and after the variables,
/// so there is one more of them; only the outer two may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    literals: Vec<Box<str>>,
    names: Vec<Box<str>>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] with the place and the rule that was broken.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let rest =
            text.strip_prefix('/').ok_or_else(|| TemplateError::at(0, "a template begins with `/`"))?;
        let (rest, open) = match rest.strip_suffix('*') {
            Some(before) if before.is_empty() || before.ends_with('/') => (before, true),
            _ => (rest, false),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return Ok(Self { segments: Vec::new(), open });
        }
        let mut segments = Vec::new();
        let mut names = Vec::new();
        for (index, text) in rest.split('/').enumerate() {
            if index == DEEPEST {
                return Err(TemplateError::at(index + 1, "a template has at most 64 segments"));
            }
            let segment = segment(text).map_err(|rule| TemplateError::at(index + 1, rule))?;
            for name in segment.names() {
                if names.contains(name) {
                    return Err(TemplateError::at(index + 1, "a variable stands twice"));
                }
                names.push(name.clone());
            }
            segments.push(segment);
        }
        Ok(Self { segments, open })
    }

    /// The values of the variables in a path that matches, in the template's order, still encoded.
    pub fn variables<'t, 'p>(&'t self, path: &'p str) -> Vec<(&'t str, &'p str)> {
        let mut values = Vec::new();
        for (segment, text) in self.segments.iter().zip(path.trim_start_matches('/').split('/')) {
            match segment {
                Segment::Literal(_) => {}
                Segment::Variable(name) => values.push((&**name, text)),
                Segment::Mixed(pieces) => {
                    pieces.matches(text, |index, value| values.push((&*pieces.names[index], value)));
                }
            }
        }
        values
    }
}

impl Segment {
    fn names(&self) -> &[Box<str>] {
        match self {
            Self::Literal(_) => &[],
            Self::Variable(name) => std::slice::from_ref(name),
            Self::Mixed(pieces) => &pieces.names,
        }
    }
}

fn segment(text: &str) -> Result<Segment, &'static str> {
    let mut literals = Vec::new();
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.,~".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            return Err("a variable's name is 1 to 64 letters, digits, `-`, `_`, `.`, `,` or `~`");
        }
        if !names.is_empty() && literal.is_empty() {
            return Err("two variables need a literal between them");
        }
        literals.push(self::literal(literal)?);
        names.push(name.into());
        rest = after;
    }
    let last = self::literal(rest)?;
    Ok(match names.pop() {
        None if last.is_empty() => return Err("a segment is empty"),
        None => Segment::Literal(last),
        Some(name) if names.is_empty() && last.is_empty() && literals.iter().all(|text| text.is_empty()) => {
            Segment::Variable(name)
        }
        Some(name) => {
            names.push(name);
            literals.push(last);
            Segment::Mixed(Pieces { literals, names })
        }
    })
}

/// A literal in the canonical form that requests have by the time they meet it.
fn literal(text: &str) -> Result<Box<str>, &'static str> {
    if text.contains('}') {
        return Err("a `}` was not opened");
    }
    if text.contains('*') {
        return Err("`*` stands only at the end, as `/*`");
    }
    let path = format!("/{text}");
    let canonical = Path::parse(&path).map_err(super::Ambiguous::as_str)?;
    if canonical.without_parameters().is_some() {
        return Err("a `;` cannot be matched, since it begins what not every backend looks at");
    }
    Ok(canonical.as_str()[1..].into())
}

impl Pieces {
    /// Whether a segment fits; each variable takes as little as it can, but something.
    pub(super) fn matches<'p>(&self, text: &'p str, mut found: impl FnMut(usize, &'p str)) -> bool {
        let (Some(first), Some(last)) = (self.literals.first(), self.literals.last()) else { return false };
        let Some(mut rest) = text.strip_prefix(&**first).and_then(|text| text.strip_suffix(&**last)) else {
            return false;
        };
        let final_variable = self.names.len() - 1;
        for (index, literal) in self.literals[1..=final_variable].iter().enumerate() {
            // From the second character on, since a variable is never empty.
            let from = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
            let Some(at) = rest[from..].find(&**literal).map(|at| at + from) else { return false };
            found(index, &rest[..at]);
            rest = &rest[at + literal.len()..];
        }
        found(final_variable, rest);
        !rest.is_empty()
    }
}

/// Why a template cannot be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    segment: usize,
    rule: &'static str,
}

impl TemplateError {
    fn at(segment: usize, rule: &'static str) -> Self {
        Self { segment, rule }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment {
            0 => f.write_str(self.rule),
            segment => write!(f, "segment {segment}: {}", self.rule),
        }
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hostile_templates_are_refused() {
        let deep = "/a".repeat(DEEPEST + 1);
        for text in [
            "",
            "pets",
            "/a//b",
            "/..",
            "/a/%2e%2e",
            "/a%2fb",
            "/{",
            "/{}",
            "/}",
            "/{a",
            "/{a}{b}",
            "/{a}/{a}",
            "/*/a",
            "/a*",
            "/*.html",
            "/{a b}",
            "/a b",
            "/{+a}",
            "/{a:3}",
            "/a?b",
            "/a;v=1",
            "/a%3bb",
            "/a\0",
            &deep,
        ] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn variables_are_found_in_their_segments() {
        let template = Template::parse("/v/{a}-{b}/x{c}/{d}/*").unwrap();
        let found = template.variables("/v/1-2-3/x9/end/of/it");
        assert_eq!(found, [("a", "1"), ("b", "2-3"), ("c", "9"), ("d", "end")]);
    }

    #[test]
    fn pieces_need_something_for_every_variable() {
        let template = Template::parse("/{a}-{b}").unwrap();
        let [Segment::Mixed(pieces)] = &template.segments[..] else { panic!("not mixed") };
        let fits = |text| pieces.matches(text, |_, _| ());
        assert!(fits("1-2") && fits("--3") && fits("\u{e9}-2"));
        assert!(!fits("12") && !fits("-2") && !fits("1-") && !fits("") && !fits("-"));
    }
}
