//! The life of an API (spec: lifecycle-and-artifacts, section 1).

use std::fmt;

/// Where an API stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the state it names")]
pub enum State {
    Created,
    Prototyped,
    Published,
    Blocked,
    Deprecated,
    Retired,
}

/// What a publisher does to an API, and where that leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// As clients send it.
    pub action: &'static str,
    /// The state it leads to.
    pub target: State,
    /// Whether clients are offered it; staying where one is is possible, but not worth a button.
    pub offered: bool,
}

const fn to(action: &'static str, target: State) -> Transition {
    Transition { action, target, offered: true }
}

const fn stay(action: &'static str, target: State) -> Transition {
    Transition { action, target, offered: false }
}

const PUBLISH: &str = "Publish";
const PROTOTYPE: &str = "Deploy as a Prototype";
const DEMOTE: &str = "Demote to Created";

const FROM_CREATED: &[Transition] = &[to(PUBLISH, State::Published), to(PROTOTYPE, State::Prototyped)];
const FROM_PROTOTYPED: &[Transition] =
    &[to(PUBLISH, State::Published), to(DEMOTE, State::Created), stay(PROTOTYPE, State::Prototyped)];
const FROM_PUBLISHED: &[Transition] = &[
    to(PROTOTYPE, State::Prototyped),
    to("Block", State::Blocked),
    to(DEMOTE, State::Created),
    to("Deprecate", State::Deprecated),
    stay(PUBLISH, State::Published),
];
const FROM_BLOCKED: &[Transition] = &[to("Re-Publish", State::Published), to("Deprecate", State::Deprecated)];
const FROM_DEPRECATED: &[Transition] = &[to("Retire", State::Retired)];

/// Check items of publishing; their texts are wire values.
pub const CHECK_ITEMS: [&str; 2] = [DEPRECATE_OLD, RESUBSCRIBE];
/// Every lower published version becomes deprecated.
pub const DEPRECATE_OLD: &str = "Deprecate old versions after publishing the API";
/// Subscriptions of older versions are not carried over.
pub const RESUBSCRIBE: &str = "Requires re-subscription when publishing the API";

impl State {
    const ALL: [Self; 6] =
        [Self::Created, Self::Prototyped, Self::Published, Self::Blocked, Self::Deprecated, Self::Retired];

    /// As in an API's own document: `PUBLISHED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Prototyped => "PROTOTYPED",
            Self::Published => "PUBLISHED",
            Self::Blocked => "BLOCKED",
            Self::Deprecated => "DEPRECATED",
            Self::Retired => "RETIRED",
        }
    }

    /// As in life-cycle documents: `Published`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Prototyped => "Prototyped",
            Self::Published => "Published",
            Self::Blocked => "Blocked",
            Self::Deprecated => "Deprecated",
            Self::Retired => "Retired",
        }
    }

    /// In either form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(text))
    }

    /// What can be done from here.
    pub fn transitions(self) -> &'static [Transition] {
        match self {
            Self::Created => FROM_CREATED,
            Self::Prototyped => FROM_PROTOTYPED,
            Self::Published => FROM_PUBLISHED,
            Self::Blocked => FROM_BLOCKED,
            Self::Deprecated => FROM_DEPRECATED,
            Self::Retired => &[],
        }
    }

    /// Where an action leads from here. Case does not matter, as clients' scripts differ in it.
    pub fn after(self, action: &str) -> Option<Self> {
        let known = self.transitions().iter().find(|t| t.action.eq_ignore_ascii_case(action));
        known.map(|transition| transition.target)
    }

    /// Whether publishing is decided here, so that check items apply.
    pub fn has_check_items(self) -> bool {
        matches!(self, Self::Created | Self::Prototyped)
    }

    /// Whether developers see it.
    pub fn is_listed(self) -> bool {
        matches!(self, Self::Published | Self::Prototyped | Self::Deprecated)
    }

    /// Whether it may take the versionless path over from another version.
    pub fn may_serve_default(self) -> bool {
        matches!(self, Self::Published | Self::Prototyped)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_leads_where_the_product_leads() {
        let walk =
            |actions: &[&str]| actions.iter().try_fold(State::Created, |state, action| state.after(action));
        assert_eq!(walk(&["Publish", "Block", "Re-Publish", "Deprecate", "Retire"]), Some(State::Retired));
        assert_eq!(walk(&["Deploy as a Prototype", "demote to created"]), Some(State::Created));
        assert_eq!(walk(&["Publish", "Publish"]), Some(State::Published));
        assert_eq!(walk(&["Retire"]), None);
        assert_eq!(walk(&["Publish", "Deprecate", "Block"]), None);
    }

    #[test]
    fn a_published_api_is_offered_four_ways() {
        let offered = State::Published.transitions().iter().filter(|t| t.offered).map(|t| t.action);
        assert_eq!(
            offered.collect::<Vec<_>>(),
            ["Deploy as a Prototype", "Block", "Demote to Created", "Deprecate"]
        );
    }
}
