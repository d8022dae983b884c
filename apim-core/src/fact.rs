//! What a rule compared, kept as it is until somebody asks.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::model::Quota;

/// Bytes of one text. What callers send may be long, and a refusal must not keep all of it.
const LONGEST_TEXT: usize = 256;

/// Members of one list.
const LONGEST_LIST: usize = 16;

/// One side of a comparison: what a rule wanted, or what it found.
///
/// A refusal keeps facts instead of a sentence, so that refusing formats nothing. They are bounded: a text is
/// cut after 256 bytes, a list after 16 members. **A credential is no fact**: name its owner or its id, never
/// the credential itself. [`Secret`](crate::Secret) therefore does not become one.
///
/// ```
/// use apim_core::{Fact, Timestamp};
///
/// assert_eq!(Fact::from(42u64).to_string(), "42");
/// assert_eq!(Fact::list(["pets:read", "pets:write"]).to_string(), "[pets:read, pets:write]");
/// assert_eq!(Fact::from(Timestamp::from_secs(0)).to_string(), "1970-01-01T00:00:00.000Z");
/// assert!(Fact::from("x".repeat(1000)).to_string().len() < 300);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A text of its own.
    Text(Cow<'static, str>),
    /// A text that others hold too, as an id.
    Shared(Arc<str>),
    /// A count or a size.
    Number(u64),
    /// A point in time.
    Moment(Timestamp),
    /// A length of time.
    Span(Duration),
    /// So many in each window of time.
    Rate(Quota),
    /// Several.
    List(Vec<Fact>),
}

impl Fact {
    /// Several facts, of which the first sixteen are kept.
    pub fn list<F: Into<Self>>(facts: impl IntoIterator<Item = F>) -> Self {
        Self::List(facts.into_iter().take(LONGEST_LIST).map(Into::into).collect())
    }
}

/// A text of at most so many bytes, with a mark where it was cut.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

impl From<&'static str> for Fact {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(cut(text, LONGEST_TEXT)))
    }
}

impl From<Arc<str>> for Fact {
    fn from(text: Arc<str>) -> Self {
        if text.len() > LONGEST_TEXT { Self::from(text.to_string()) } else { Self::Shared(text) }
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Fact {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<Timestamp> for Fact {
    fn from(at: Timestamp) -> Self {
        Self::Moment(at)
    }
}

impl From<Duration> for Fact {
    fn from(span: Duration) -> Self {
        Self::Span(span)
    }
}

impl From<Quota> for Fact {
    fn from(quota: Quota) -> Self {
        Self::Rate(quota)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Shared(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Moment(at) => write!(f, "{at}"),
            Self::Span(span) => write!(f, "{span:?}"),
            Self::Rate(quota) => {
                write!(f, "{} in {:?}", quota.requests, Duration::from_millis(quota.window_ms))
            }
            Self::List(facts) => {
                f.write_str("[")?;
                for (index, fact) in facts.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    fmt::Display::fmt(fact, f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Numbers as numbers, lists as lists, all else as the text it prints.
impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::List(facts) => facts.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}
