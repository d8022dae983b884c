//! The search language of lists of APIs (spec: publisher-api, "Search and sorting").
//!
//! `pet` finds names that contain it; `tag:x version:"1.0"` are attributes, whole where quoted. Different
//! attributes must all hold; of one attribute given twice, either.

use crate::db::api_search::{Field, Order, Search, SeenBy, SortBy, Term, Wanted};
use crate::error::{Finding, Refusal, code};
use crate::principal::Principal;

/// More conditions than anybody types.
const TERMS: usize = 20;
/// Longer than anybody types; and SQLite has a limit of its own, which it answers with a failure.
const LONGEST: usize = 4096;

/// Reads a query; bare words look into `bare`.
pub(crate) fn parse(query: &str, bare: Field) -> Result<Search, Refusal> {
    if query.len() > LONGEST {
        return Err(refused(format!("longer than {LONGEST} bytes")));
    }
    let mut search = Search::default();
    let mut words = Vec::new();
    for piece in pieces(query) {
        match piece.split_once(':') {
            Some((attribute, value)) => add(&mut search, attribute, value)?,
            None => words.push(piece),
        }
    }
    if !words.is_empty() {
        let words = words.join(" ");
        let wanted = Wanted { whole: words.starts_with('"'), text: words.trim_matches('"').to_owned() };
        search.terms.push(Term { field: bare, values: vec![wanted] });
    }
    if search.terms.len() > TERMS {
        return Err(refused(format!("more than {TERMS} attributes")));
    }
    Ok(search)
}

/// Reads how a list is to be sorted; the newest first, if nothing is said.
pub(crate) fn order(by: Option<&str>, direction: Option<&str>) -> Result<Order, Refusal> {
    let unknown = |name: &str, value: &str| {
        code::BAD_REQUEST.found(vec![Finding::new(name, format!("{value} is not known"))])
    };
    let by = match by {
        None | Some("createdTime") => SortBy::Created,
        Some("apiName" | "name") => SortBy::Name,
        Some("version") => SortBy::Version,
        Some("status") => SortBy::State,
        Some(other) => return Err(unknown("sortBy", other)),
    };
    let descending = match direction {
        None => by == SortBy::Created,
        Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(unknown("sortOrder", other)),
    };
    Ok(Order { by, descending })
}

/// What a publisher may see.
pub(crate) fn seen_by(who: &Principal) -> Option<SeenBy> {
    let roles = || who.roles.iter().map(|role| role.as_str().to_owned()).collect();
    (!who.is_admin()).then(|| SeenBy { user: who.user.as_str().to_owned(), roles: roles() })
}

fn add(search: &mut Search, attribute: &str, value: &str) -> Result<(), Refusal> {
    let whole = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
    let text = value.trim_matches('"').to_owned();
    if text.is_empty() {
        return Err(refused(format!("{attribute}: has no search term")));
    }
    let field = match attribute.to_lowercase().as_str() {
        "name" => Field::Name,
        "context" | "contexttemplate" => Field::Context,
        "version" => Field::Version,
        "provider" => Field::Provider,
        "status" | "lcstate" => Field::State,
        "type" => Field::Kind,
        "description" => Field::Description,
        "tag" | "tags" => Field::Tag,
        "api-category" => Field::Category,
        "content" | "subcontext" => Field::Content,
        // Nothing has documents or labels yet, so nothing is found by them.
        "doc" | "label" => {
            search.terms.push(Term { field: Field::Name, values: Vec::new() });
            return Ok(());
        }
        other => {
            return add_value(
                search,
                Field::Property,
                Wanted { text: format!("{other}={text}"), whole: true },
            );
        }
    };
    add_value(search, field, Wanted { text, whole })
}

fn add_value(search: &mut Search, field: Field, wanted: Wanted) -> Result<(), Refusal> {
    match search.terms.iter_mut().find(|term| term.field == field && !term.values.is_empty()) {
        Some(term) if term.values.len() >= TERMS => Err(refused(format!("more than {TERMS} values"))),
        Some(term) => {
            term.values.push(wanted);
            Ok(())
        }
        None => {
            search.terms.push(Term { field, values: vec![wanted] });
            Ok(())
        }
    }
}

/// Splits at spaces that do not stand in quotes.
fn pieces(query: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut quoted = false;
    for c in query.chars() {
        quoted ^= c == '"';
        if c.is_whitespace() && !quoted {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn refused(message: String) -> Refusal {
    code::BAD_REQUEST.found(vec![Finding::new("query", message)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values(query: &str) -> Vec<(Field, Vec<(String, bool)>)> {
        let search = parse(query, Field::Name).unwrap();
        let term = |t: Term| (t.field, t.values.into_iter().map(|w| (w.text, w.whole)).collect());
        search.terms.into_iter().map(term).collect()
    }

    #[test]
    fn quotes_make_a_value_whole_and_may_hold_spaces() {
        assert_eq!(
            values("name:\"Pet Store\" version:1.0"),
            [
                (Field::Name, vec![("Pet Store".to_owned(), true)]),
                (Field::Version, vec![("1.0".to_owned(), false)])
            ]
        );
    }

    #[test]
    fn one_attribute_twice_means_either() {
        assert_eq!(
            values("tag:a tags:b"),
            [(Field::Tag, vec![("a".to_owned(), false), ("b".to_owned(), false)])]
        );
    }

    #[test]
    fn words_without_an_attribute_are_one_text() {
        assert_eq!(values("pet  store"), [(Field::Name, vec![("pet store".to_owned(), false)])]);
        assert_eq!(values(" "), []);
    }

    #[test]
    fn an_attribute_without_a_value_is_refused() {
        assert!(parse("name:", Field::Name).is_err());
    }
}
