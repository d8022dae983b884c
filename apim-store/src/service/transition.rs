//! Steps in the life of an API, and what follows from them.

use std::cmp::Ordering;

use super::api::{self, Editable};
use super::lifecycle::{CHECK_ITEMS, DEPRECATE_OLD, RESUBSCRIBE, State};
use super::{Expected, deploy, subscription};
use crate::db::Write;
use crate::db::apis::{self, StoredApi};
use crate::db::revisions::{self, Step};
use crate::error::{Finding, Refusal, Result, code};

/// What a publisher ticked: `name:true,name:false`.
#[derive(Debug, Default, Clone)]
pub struct Checklist(Vec<(String, bool)>);

impl Checklist {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// 400 for an item that does not exist.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut items = Vec::new();
        for item in text.split(',').filter(|item| !item.trim().is_empty()) {
            let (name, value) = item.rsplit_once(':').unwrap_or((item, ""));
            let known = CHECK_ITEMS.iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
            let Some(known) = known else {
                let finding = Finding::new("lifecycleChecklist", format!("{name} is no check item"));
                return Err(code::BAD_REQUEST.found(vec![finding]));
            };
            items.push(((*known).to_owned(), value.trim().eq_ignore_ascii_case("true")));
        }
        Ok(Self(items))
    }

    fn ticked(&self, item: &str) -> bool {
        self.0.iter().any(|(name, value)| name == item && *value)
    }
}

/// Does something to an API that changes where it stands.
///
/// # Errors
///
/// 404, 403, 412; 400 if the action does not lead anywhere from here, or if publishing lacks a plan.
pub async fn change(
    cx: &mut Write,
    id: &str,
    action: &str,
    checklist: &Checklist,
    expected: &Expected,
) -> Result<StoredApi> {
    let mut api = api::to_edit(cx, id, expected).await?;
    let Some(next) = api.state.after(action) else {
        let text = format!("{action} leads nowhere from {}", api.state.title());
        return Err(code::BAD_STATE_CHANGE.because(text).into());
    };
    if next == State::Published && api.texts("policies").next().is_none() {
        return Err(code::NO_PLANS.because("Choose a business plan before you publish").into());
    }
    let first = next == State::Published && api.state.has_check_items();
    step(cx, &mut api, next).await?;
    if first && checklist.ticked(DEPRECATE_OLD) {
        deprecate_older(cx, &api).await?;
    }
    if first && !checklist.ticked(RESUBSCRIBE) {
        carry_over(cx, &api).await?;
    }
    api.save(cx).await
}

/// Lets those who subscribed to the version before use this one, too.
async fn carry_over(cx: &mut Write, api: &Editable) -> Result<()> {
    let mut versions = apis::named(cx, &api.name).await?;
    // A version that was never out has no subscribers; those of the one before it are meant.
    versions.retain(|other| {
        !matches!(other.state, State::Created | State::Retired)
            && compare(&other.api_version, &api.api_version) == Ordering::Less
    });
    versions.sort_by(|a, b| compare(&a.api_version, &b.api_version));
    match versions.last() {
        Some(before) => subscription::carry_over(cx, &before.id, &api.id).await,
        None => Ok(()),
    }
}

async fn step(cx: &mut Write, api: &mut StoredApi, next: State) -> Result<()> {
    let who = cx.who().user.as_str().to_owned();
    let step = Step { previous: api.state, next, who, at: cx.now() };
    revisions::log(cx, &api.id, api.version, &step).await?;
    api.state = next;
    match next {
        State::Created => deploy::withdraw(cx, api).await,
        State::Retired => {
            subscription::end_all(cx, &api.id).await?;
            deploy::withdraw(cx, api).await
        }
        _ => deploy::announce(cx, api).await,
    }
}

async fn deprecate_older(cx: &mut Write, api: &Editable) -> Result<()> {
    for older in apis::named(cx, &api.name).await? {
        let lower = compare(&older.api_version, &api.api_version) == Ordering::Less;
        if older.id == api.id || older.state != State::Published || !lower {
            continue;
        }
        let Some(mut older) = apis::bump(cx, &older.id).await? else { continue };
        step(cx, &mut older, State::Deprecated).await?;
        apis::save(cx, &older).await?;
    }
    Ok(())
}

/// Compares versions as people count: `1.10` after `1.9`, `v2` after `v1`.
fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        text.split(['.', '-', '_'])
            .map(|part| {
                let digits: String = part.chars().filter(char::is_ascii_digit).collect();
                let letters: String = part.chars().filter(|c| !c.is_ascii_digit()).collect();
                (digits.parse().unwrap_or(0), letters)
            })
            .collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_compared_as_people_count() {
        assert_eq!(compare("1.9", "1.10"), Ordering::Less);
        assert_eq!(compare("v2", "v1"), Ordering::Greater);
        assert_eq!(compare("1.0.0", "1.0.0"), Ordering::Equal);
        assert_eq!(compare("1.0", "1.0.1"), Ordering::Less);
    }

    #[test]
    fn unknown_check_items_are_refused() {
        let list = Checklist::parse(&format!("{DEPRECATE_OLD}:true,{}:false", CHECK_ITEMS[1])).unwrap();
        assert!(list.ticked(DEPRECATE_OLD) && !list.ticked(CHECK_ITEMS[1]));
        assert!(Checklist::parse("Feed the cat:true").is_err());
    }
}
