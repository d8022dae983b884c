//! The claims of a token that is being read, where they stand.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

/// The members of an object, in its order. None is repeated: two readers could otherwise see two different
/// tokens.
#[derive(Debug)]
pub(super) struct Members<'a>(SmallVec<[(Cow<'a, str>, Said<'a>); 16]>);

/// What stands under a name. All of it is read, so that what is not JSON is found out wherever it stands; what is
/// kept is what an access token may have to say to a gateway.
#[derive(Debug)]
pub(super) enum Said<'a> {
    Text(Cow<'a, str>),
    /// A whole number that is not negative.
    Whole(u64),
    /// Any other.
    Number(f64),
    /// The texts of a list.
    Texts(Vec<Cow<'a, str>>),
    Other,
}

impl<'a> Members<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Said<'a>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, said)| said)
    }

    /// A claim that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Said::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A claim that is text with blanks between, or a list of texts.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let (text, items) = match self.get(name) {
            Some(Said::Text(text)) => (&**text, &[][..]),
            Some(Said::Texts(items)) => ("", items.as_slice()),
            _ => ("", &[][..]),
        };
        text.split_ascii_whitespace().chain(items.iter().map(|item| &**item))
    }

    /// A name that stands there twice.
    fn repeated(&self) -> Option<&str> {
        let mut names: SmallVec<[&str; 16]> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members(SmallVec::new());
        while let Some((name, said)) = access.next_entry::<Name<'de>, Said<'de>>()? {
            members.0.push((name.0, said));
        }
        match members.repeated() {
            None => Ok(members),
            Some(name) => Err(A::Error::custom(format_args!("member `{name}` is repeated"))),
        }
    }
}

/// A name that is copied only if it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Said<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Said<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Said<'de>, E> {
        Ok(Said::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Said<'de>, E> {
        Ok(Said::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Said<'de>, E> {
        Ok(Said::Whole(number))
    }

    // Only what is negative comes this way.
    #[allow(clippy::cast_precision_loss, reason = "only its sign matters")]
    fn visit_i64<E>(self, number: i64) -> Result<Said<'de>, E> {
        Ok(Said::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Said<'de>, E> {
        Ok(Said::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Said<'de>, E> {
        Ok(Said::Other)
    }

    fn visit_unit<E>(self) -> Result<Said<'de>, E> {
        Ok(Said::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Said<'de>, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = access.next_element()? {
            if let Said::Text(text) = item {
                texts.push(text);
            }
        }
        Ok(Said::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Said<'de>, A::Error> {
        while access.next_entry::<Name<'de>, Said<'de>>()?.is_some() {}
        Ok(Said::Other)
    }
}
