//! Names of headers, as they were read before.
//!
//! Clients and backends send the same few names again and again, in the same spelling. To find a name among those
//! of the last heads costs a comparison; to read it costs a walk over its letters, and for a name that is in no
//! standard an allocation.

use std::cell::RefCell;

use http::HeaderName;
use http::header::InvalidHeaderName;

/// The longest name that is remembered.
const LONGEST: usize = 32;

/// How many are. Spellings that look alike share two places; of the names there, the one that came first makes room.
const PLACES: usize = 128;

/// The names that a thread has read.
pub(super) struct Names(Vec<Option<Known>>);

struct Known {
    spelling: [u8; LONGEST],
    length: usize,
    name: HeaderName,
}

impl Known {
    fn is(&self, spelling: &[u8]) -> bool {
        self.spelling[..self.length] == *spelling
    }
}

thread_local! {
    static NAMES: RefCell<Names> = const { RefCell::new(Names(Vec::new())) };
}

/// Lends the names of this thread.
pub(super) fn with<R>(read: impl FnOnce(&mut Names) -> R) -> R {
    NAMES.with_borrow_mut(read)
}

impl Names {
    /// Reads a name.
    pub(super) fn read(&mut self, spelling: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        let (Some(first), Some(last)) = (spelling.first(), spelling.last()) else {
            return HeaderName::from_bytes(spelling);
        };
        if spelling.len() > LONGEST {
            return HeaderName::from_bytes(spelling);
        }
        if self.0.is_empty() {
            self.0.resize_with(PLACES, || None);
        }
        let middle = spelling[spelling.len() / 2];
        let look =
            spelling.len() * 5 + usize::from(*first) * 3 + usize::from(middle) * 11 + usize::from(*last) * 7;
        let pair = look * 2 % PLACES;
        if let Some(known) = self.0[pair..pair + 2].iter().flatten().find(|known| known.is(spelling)) {
            return Ok(known.name.clone());
        }
        let name = HeaderName::from_bytes(spelling)?;
        let mut kept = [0; LONGEST];
        kept[..spelling.len()].copy_from_slice(spelling);
        self.0.swap(pair, pair + 1);
        self.0[pair] = Some(Known { spelling: kept, length: spelling.len(), name: name.clone() });
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_is_the_same_whether_it_is_remembered_or_read() {
        let mut names = Names(Vec::new());
        let long = "x-".repeat(LONGEST);
        let spellings = ["Host", "host", "HOST", "X-Request-Id", "x-request-id", "a", "-", &long];
        let more: Vec<_> = (0..999).map(|number| format!("x-{number}")).collect();
        for _ in 0..3 {
            for spelling in spellings.into_iter().chain(more.iter().map(String::as_str)) {
                let expected = HeaderName::from_bytes(spelling.as_bytes()).unwrap();
                assert_eq!(names.read(spelling.as_bytes()).unwrap(), expected);
            }
        }
        for wrong in ["", "a b", "a:", "\u{fc}"] {
            assert!(names.read(wrong.as_bytes()).is_err());
        }
    }
}
