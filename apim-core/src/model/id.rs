//! Newtypes over text, so that no function takes two strings in a row.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Deref;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::fact::Fact;

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        ///
        /// Cheap to clone: the text is shared.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; nothing is trimmed or folded.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The same as [`new`](Self::new), for texts that are read again and again: one that this thread has
            /// read lately is found, and takes no memory of its own.
            pub fn shared(text: &str) -> Self {
                Self(TEXTS.with_borrow_mut(|texts| texts.share(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Shared).map(Self)
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&$name> for Fact {
            fn from(id: &$name) -> Self {
                Self::from(id.0.clone())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &self.0)
            }
        }
    )*};
}

text! {
    /// Identifies an API (one version of it); a UUID in text.
    ApiId
    /// Identifies an application; a UUID in text.
    ApplicationId
    /// Identifies a subscription; a UUID in text.
    SubscriptionId
    /// Identifies an OAuth client; WSO2 calls it the consumer key.
    ClientId
    /// Who a token is meant for (RFC 7519 section 4.1.3).
    Audience
    /// Identifies a deny policy.
    DenyId
    /// Identifies an API key; not the key itself.
    KeyId
    /// Names a key manager, as `Resident Key Manager`.
    KeyManagerName
    /// Names a throttling policy or business plan, as `Gold`.
    PolicyName
    /// Names a role, as `Internal/creator`.
    Role
    /// An OAuth scope, as `pets:write` (RFC 6749 section 3.3).
    Scope
    /// A tenant's domain, as `carbon.super`.
    Tenant
    /// A token's `jti` (RFC 7519 section 4.1.7).
    TokenId
    /// A user's login name, without its tenant.
    UserName
}

/// Reads a text, and shares it with others that were read before.
///
/// Among the subscriptions of a gateway the same few plans, APIs and applications are named again and again, in a
/// memory of their own each time.
struct Shared;

impl Visitor<'_> for Shared {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(TEXTS.with_borrow_mut(|texts| texts.share(text)))
    }
}

/// The texts that a thread has read last.
struct Texts {
    places: Vec<Option<Arc<str>>>,
    hasher: Option<RandomState>,
}

/// How many are remembered. A text that falls on another's place takes it.
const PLACES: usize = 4096;

/// The longest that is: what is longer is hardly ever said twice.
const LONGEST: usize = 64;

thread_local! {
    static TEXTS: RefCell<Texts> = const { RefCell::new(Texts { places: Vec::new(), hasher: None }) };
}

impl Texts {
    fn share(&mut self, text: &str) -> Arc<str> {
        if text.len() > LONGEST {
            return text.into();
        }
        self.places.resize(PLACES, None);
        // Chosen by chance, so that nobody can choose texts that chase each other away.
        let hash = self.hasher.get_or_insert_default().hash_one(text);
        // The remainder is less than the number of places.
        let place = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        match &mut self.places[place] {
            Some(known) if **known == *text => known.clone(),
            place => place.insert(text.into()).clone(),
        }
    }
}

impl Default for Tenant {
    /// The tenant that exists without being created: `carbon.super`, as WSO2's clients expect.
    fn default() -> Self {
        Self::from("carbon.super")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_same_text_is_in_memory_once_however_often_it_is_read() {
        let read = |text: &str| serde_json::from_str::<ApiId>(text).unwrap();
        let (first, second) = (read("\"pets\""), read(r#""p\u0065ts""#));
        assert!(Arc::ptr_eq(&first.0, &second.0));
        for number in 0..3 * PLACES {
            let text = format!("api-{number}");
            assert_eq!(read(&format!("{text:?}")).as_str(), text);
        }
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(read(&format!("{long:?}")).as_str(), long);
        assert!(serde_json::from_str::<ApiId>("7").is_err());
    }
}
