//! Finding APIs for developers: only what is listed, and what the caller may see of that.

use super::api_search::{Search, conditions, order};
use super::apis::{StoredApi, api, fold, select};
use super::desk::Read;
use super::sql::Assembled;
use crate::error::Result;
use crate::rest::page::{Found, Page};

/// Who looks at a list.
#[derive(Debug, Clone)]
pub(crate) enum Audience {
    /// Sees whatever is listed: who makes APIs, and who administers.
    Trusted,
    /// Somebody who has signed in, with these roles.
    Known(Vec<String>),
    /// Anybody.
    Anonymous,
}

/// A tag, and how many APIs have it.
pub(crate) struct Tag {
    pub(crate) value: String,
    pub(crate) count: i64,
}

/// One page of what is found, and how much there is in all.
pub(crate) async fn search(
    cx: &mut Read,
    search: &Search,
    audience: &Audience,
    page: Page,
) -> Result<Found<StoredApi>> {
    let mut count = cx.assemble("SELECT COUNT(*) FROM api WHERE tenant = $1");
    let mut query = cx.assemble(select!(""));
    for query in [&mut count, &mut query] {
        visible(query, audience);
        conditions(query, search);
    }
    query.push(order(search.order)).push(" LIMIT ").bind(page.limit).push(" OFFSET ").bind(page.offset);
    let total = cx.found(&count).await?.first().map_or(Ok(0), |row| row.get(0))?;
    let list = cx.found(&query).await?.iter().map(api).collect::<Result<_>>()?;
    Ok(Found { list, total, page })
}

/// The tags of what the caller may see, in order.
pub(crate) async fn tags(cx: &mut Read, audience: &Audience) -> Result<Vec<Tag>> {
    let mut query = cx.assemble(
        "SELECT tag.value, COUNT(*) FROM api_term tag JOIN api ON api.id = tag.api
        WHERE api.tenant = $1 AND tag.field = 'tag'",
    );
    visible(&mut query, audience);
    query.push(" GROUP BY tag.value ORDER BY tag.value COLLATE \"C\"");
    let rows = cx.found(&query).await?;
    rows.iter().map(|row| Ok(Tag { value: row.get(0)?, count: row.get(1)? })).collect()
}

/// Deprecated versions serve those who have subscribed, but are not offered.
fn visible(query: &mut Assembled<'_>, audience: &Audience) {
    query.push(" AND state IN ('PUBLISHED', 'PROTOTYPED')");
    match audience {
        Audience::Trusted => {}
        Audience::Anonymous => {
            query.push(
                " AND NOT EXISTS (SELECT 1 FROM api_term v WHERE v.api = api.id AND v.field = 'visibility'
                    AND v.value IN ('PRIVATE', 'RESTRICTED'))",
            );
        }
        Audience::Known(roles) => {
            query.push(
                " AND (NOT EXISTS (SELECT 1 FROM api_term v WHERE v.api = api.id AND v.field = 'visibility'
                    AND v.value = 'RESTRICTED')",
            );
            for role in roles {
                query.push(
                    " OR EXISTS (SELECT 1 FROM api_term v WHERE v.api = api.id AND v.field = 'visible'
                        AND v.value = ",
                );
                query.bind(fold(role)).push(")");
            }
            query.push(")");
        }
    }
}
