//! Newtypes over text, so that no function takes two strings in a row.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fact::Fact;

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        ///
        /// Cheap to clone: the text is shared.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; nothing is trimmed or folded.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
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

impl Default for Tenant {
    /// The tenant that exists without being created: `carbon.super`, as WSO2's clients expect.
    fn default() -> Self {
        Self::from("carbon.super")
    }
}
