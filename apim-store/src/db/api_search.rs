//! Finding APIs. It scans: ten thousand rows take some twenty milliseconds, and an index of words would
//! need another text for each database and not match parts of words.

use super::apis::{StoredApi, api, fold, select};
use super::desk::Read;
use super::sql::Assembled;
use crate::error::Result;
use crate::rest::page::{Found, Page};

/// What is searched for: all of it must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    pub(crate) terms: Vec<Term>,
    pub(crate) order: Order,
    /// Only what publishers see who are not administrators.
    pub(crate) seen_by: Option<SeenBy>,
}

/// One condition: any of the values will do.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) field: Field,
    pub(crate) values: Vec<Wanted>,
}

/// A value that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) text: String,
    /// Whether all of it must match, rather than a part.
    pub(crate) whole: bool,
}

/// Where it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Context,
    Version,
    Provider,
    State,
    Kind,
    Description,
    Tag,
    Category,
    /// `name=value` of the API's own properties.
    Property,
    /// As [`Property`](Self::Property), of those that developers are shown.
    ShownProperty,
    /// The whole document.
    Content,
}

/// A caller who sees what is not restricted, what is theirs, and what their roles open.
#[derive(Debug, Clone)]
pub(crate) struct SeenBy {
    pub(crate) user: String,
    pub(crate) roles: Vec<String>,
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) by: SortBy,
    pub(crate) descending: bool,
}

/// By what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SortBy {
    #[default]
    Created,
    Name,
    Version,
    State,
}

/// One page of what is found, and how much there is in all.
pub(crate) async fn search(cx: &mut Read, search: &Search, page: Page) -> Result<Found<StoredApi>> {
    let mut count = cx.assemble("SELECT count(*) FROM api WHERE tenant = $1");
    conditions(&mut count, search);
    let total = cx.found(&count).await?.first().map_or(Ok(0), |row| row.get(0))?;

    let mut query = cx.assemble(select!(""));
    conditions(&mut query, search);
    query.push(order(search.order)).push(" LIMIT ").bind(page.limit).push(" OFFSET ").bind(page.offset);
    let list = cx.found(&query).await?.iter().map(api).collect::<Result<_>>()?;
    Ok(Found { list, total, page })
}

pub(super) fn conditions<'a>(query: &mut Assembled<'a>, search: &'a Search) {
    if let Some(seen) = &search.seen_by {
        query.push(" AND (restricted = 0 OR provider = ").bind(seen.user.as_str());
        for role in &seen.roles {
            query.push(
                " OR EXISTS (SELECT 1 FROM api_term t WHERE t.api = api.id AND t.field = 'access' AND t.value = ",
            );
            query.bind(fold(role)).push(")");
        }
        query.push(")");
    }
    for term in &search.terms {
        query.push(" AND (1 = 0");
        for wanted in &term.values {
            condition(query, term.field, wanted);
        }
        query.push(")");
    }
}

fn condition(query: &mut Assembled<'_>, field: Field, wanted: &Wanted) {
    let listed = |field| (field, ")");
    let (before, after) = match field {
        Field::Name => (" OR name_folded", ""),
        Field::Context => (" OR context_folded", ""),
        Field::Version => (" OR lower(api_version)", ""),
        Field::Provider => (" OR lower(provider)", ""),
        Field::State => (" OR lower(state)", ""),
        Field::Kind => (" OR lower(kind)", ""),
        Field::Description => (" OR description_folded", ""),
        Field::Content => (" OR lower(doc)", ""),
        Field::Tag => listed(
            " OR EXISTS (SELECT 1 FROM api_term t WHERE t.api = api.id AND t.field = 'tag' AND lower(t.value)",
        ),
        Field::Category => listed(
            " OR EXISTS (SELECT 1 FROM api_term t WHERE t.api = api.id AND t.field = 'category' AND lower(t.value)",
        ),
        Field::Property => listed(
            " OR EXISTS (SELECT 1 FROM api_term t WHERE t.api = api.id AND t.field = 'property' AND lower(t.value)",
        ),
        Field::ShownProperty => listed(
            " OR EXISTS (SELECT 1 FROM api_term t WHERE t.api = api.id AND t.field = 'shown' AND lower(t.value)",
        ),
    };
    query.push(before);
    // Tags and categories are names, of which a part says nothing.
    let names = [Field::Tag, Field::Category, Field::Property, Field::ShownProperty];
    if wanted.whole || names.contains(&field) {
        query.push(" = ").bind(fold(&wanted.text));
    } else {
        query.push(" LIKE ").bind(containing(&wanted.text)).push(" ESCAPE '\\'");
    }
    query.push(after);
}

/// A pattern that a text matches if it contains this; `*` stands for anything.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in fold(text).chars() {
        match c {
            '%' | '_' | '\\' => pattern.extend(['\\', c]),
            '*' => pattern.push('%'),
            c => pattern.push(c),
        }
    }
    pattern + "%"
}

/// Ids break ties, so that pages neither repeat nor skip.
pub(super) fn order(order: Order) -> &'static str {
    match (order.by, order.descending) {
        (SortBy::Created, false) => " ORDER BY created_at, id",
        (SortBy::Created, true) => " ORDER BY created_at DESC, id DESC",
        (SortBy::Name, false) => " ORDER BY name_folded COLLATE \"C\", id",
        (SortBy::Name, true) => " ORDER BY name_folded COLLATE \"C\" DESC, id DESC",
        (SortBy::Version, false) => " ORDER BY api_version COLLATE \"C\", id",
        (SortBy::Version, true) => " ORDER BY api_version COLLATE \"C\" DESC, id DESC",
        (SortBy::State, false) => " ORDER BY state COLLATE \"C\", id",
        (SortBy::State, true) => " ORDER BY state COLLATE \"C\" DESC, id DESC",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_would_mean_is_taken_literally_save_for_the_star() {
        assert_eq!(containing("50%_A*b"), "%50\\%\\_a%b%");
    }
}
