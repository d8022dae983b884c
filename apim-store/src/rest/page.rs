//! Lists come in pages: `{count, list, pagination: {offset, limit, total, next, previous}}`.

use serde_json::{Value, json};

use crate::error::{Finding, Refusal, code};

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many entries are skipped.
    pub offset: i64,
    /// How many are wanted at most.
    pub limit: i64,
}

impl Page {
    const USUAL: i64 = 25;
    /// More are not given at a time, however many are asked for.
    const MOST: i64 = 1000;

    pub(crate) fn parse(offset: Option<&str>, limit: Option<&str>) -> Result<Self, Refusal> {
        let offset = number("offset", offset, 0)?;
        let limit = number("limit", limit, Self::USUAL)?.min(Self::MOST);
        Ok(Self { offset, limit })
    }
}

fn number(name: &str, text: Option<&str>, usual: i64) -> Result<i64, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(usual) };
    text.parse::<u32>()
        .map(i64::from)
        .map_err(|_| code::BAD_REQUEST.found(vec![Finding::new(name, "must be a number, 0 or more")]))
}

/// A page of what was found, and how much there is in all.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The page's entries.
    pub list: Vec<T>,
    /// Hits in all.
    pub total: i64,
    /// The page.
    pub page: Page,
}

impl<T> Found<T> {
    /// Cuts a page out of a list that is at hand as a whole.
    pub fn cut(all: Vec<T>, page: Page) -> Self {
        let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let part = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        let list = all.into_iter().skip(part(page.offset)).take(part(page.limit)).collect();
        Self { list, total, page }
    }

    /// The page as the contract has it, with its entries in the member `list`, or what else they are called.
    pub(super) fn envelope(self, name: &str, entry: impl FnMut(&T) -> Value) -> (Value, Page) {
        let Page { offset, limit } = self.page;
        let list: Vec<Value> = self.list.iter().map(entry).collect();
        // `next` and `previous` are filled in by the frame, which knows the request.
        let pagination =
            json!({"offset": offset, "limit": limit, "total": self.total, "next": "", "previous": ""});
        (json!({"count": list.len(), name: list, "pagination": pagination}), self.page)
    }
}

/// Fills in the links to the neighbouring pages: relative, with the request's own query, empty where there
/// is no neighbour.
pub(super) fn link(envelope: &mut Value, page: Page, path: &str, query: &[(String, String)]) {
    let Some(pagination) = envelope.get_mut("pagination") else { return };
    let total = pagination.get("total").and_then(Value::as_i64).unwrap_or(0);
    let to = |offset: i64| {
        let mut link = url::form_urlencoded::Serializer::new(String::new());
        let others = query.iter().filter(|(name, _)| name != "offset" && name != "limit");
        link.extend_pairs(others);
        link.append_pair("limit", &page.limit.to_string()).append_pair("offset", &offset.to_string());
        format!("{path}?{}", link.finish())
    };
    if page.limit > 0 && page.offset + page.limit < total {
        pagination["next"] = to(page.offset + page.limit).into();
    }
    if page.limit > 0 && page.offset > 0 {
        pagination["previous"] = to((page.offset - page.limit).max(0)).into();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_in_the_middle_links_both_ways_and_keeps_the_query() {
        let page = Page::parse(Some("2"), Some("2")).unwrap();
        let (mut envelope, page) = Found::cut(vec![1, 2, 3, 4, 5], page).envelope("list", |n| json!(n));
        link(
            &mut envelope,
            page,
            "/apis",
            &[("query".into(), "name:x y".into()), ("limit".into(), "2".into())],
        );
        assert_eq!(envelope["count"], 2);
        assert_eq!(envelope["list"], json!([3, 4]));
        assert_eq!(envelope["pagination"]["next"], "/apis?query=name%3Ax+y&limit=2&offset=4");
        assert_eq!(envelope["pagination"]["previous"], "/apis?query=name%3Ax+y&limit=2&offset=0");
    }

    #[test]
    fn a_page_past_the_end_is_empty_and_says_so() {
        let (envelope, _) =
            Found::cut(vec![1], Page { offset: 20, limit: 20 }).envelope("list", |n| json!(n));
        assert_eq!(envelope["count"], 0);
        assert_eq!(envelope["pagination"]["total"], 1);
    }

    #[test]
    fn a_negative_offset_is_refused_and_a_huge_limit_is_cut() {
        assert!(Page::parse(Some("-1"), None).is_err());
        assert_eq!(Page::parse(None, Some("999999")).unwrap().limit, 1000);
    }
}
