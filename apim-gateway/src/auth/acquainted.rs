//! Whom a thread has let call an API lately.
//!
//! From a token to the leave to call an API is a way of some fifteen places in memory, each of which says where the
//! next one is: the client's key, its application, the application's subscription, and the names by which they are
//! found. With thousands of callers none of them is in a cache. The same callers come again and again, so a thread
//! keeps at hand what it found for them, for as long as nothing has changed.

use std::cell::RefCell;
use std::sync::Arc;

use apim_core::{Claims, Fault};

use super::subscription::Found;
use crate::deploy::{Site, ViewNumber};

/// Callers that a thread keeps at hand. One that falls on another's place takes it the second time it comes.
const PLACES: usize = 4096;

thread_local! {
    static ACQUAINTED: RefCell<Acquainted> = const { RefCell::new(Acquainted::WITH_NOBODY) };
}

struct Acquainted {
    /// The view in which they were found. Of another they are not asked, since there anything may be otherwise.
    of: ViewNumber,
    places: Vec<Place>,
}

#[derive(Default)]
struct Place {
    caller: Option<Caller>,
    /// Who came last and found it taken.
    knocked: u64,
}

struct Caller {
    /// Owned, so that no other claims can be where these are.
    claims: Arc<Claims>,
    /// Where the API is in the view, in which there is no other at this place.
    api: usize,
    found: Found,
}

/// What `find` answers about a caller of an API, or has answered lately in the same view. A refusal is not kept.
pub(super) fn with(
    view: ViewNumber,
    claims: &Arc<Claims>,
    site: &Site,
    find: impl FnOnce() -> Result<Found, Fault>,
) -> Result<Found, Fault> {
    ACQUAINTED.with_borrow_mut(|acquainted| {
        acquainted.come_to(view);
        let api = Arc::as_ptr(&site.api).addr();
        let hash = hash(Arc::as_ptr(claims).addr(), api);
        // The highest bits of a product are those that hang on all of its factors.
        let place = &mut acquainted.places[(hash >> 52) as usize % PLACES];
        if let Some(found) = place.get(claims, api) {
            return Ok(found.clone());
        }
        let found = find()?;
        place.put(hash, || Caller { claims: claims.clone(), api, found: found.clone() });
        Ok(found)
    })
}

fn hash(claims: usize, api: usize) -> u64 {
    (claims as u64 ^ (api as u64).rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Place {
    fn get(&self, claims: &Arc<Claims>, api: usize) -> Option<&Found> {
        let known = |caller: &&Caller| caller.api == api && Arc::ptr_eq(&caller.claims, claims);
        self.caller.as_ref().filter(known).map(|caller| &caller.found)
    }

    fn put(&mut self, hash: u64, caller: impl FnOnce() -> Caller) {
        if self.knocked == hash {
            self.caller = Some(caller());
        } else {
            self.knocked = hash;
        }
    }
}

impl Acquainted {
    const WITH_NOBODY: Self = Self { of: ViewNumber::NONE, places: Vec::new() };

    fn come_to(&mut self, view: ViewNumber) {
        if self.of != view || self.places.is_empty() {
            self.of = view;
            self.places.clear();
            self.places.resize_with(PLACES, Place::default);
        }
    }
}

#[cfg(test)]
mod tests {
    use apim_core::Timestamp;

    use super::*;

    #[test]
    fn a_place_is_for_one_caller_of_one_api_who_has_come_twice() {
        let claims = || Arc::new(Claims::new("km".into(), "c".into(), "ann".into(), Timestamp::default()));
        let (one, other) = (claims(), claims());
        let caller = || Caller { claims: one.clone(), api: 64, found: Found::default() };
        let mut place = Place::default();
        place.put(7, caller);
        assert!(place.get(&one, 64).is_none());
        place.put(7, caller);
        assert!(place.get(&one, 64).is_some());
        assert!(place.get(&one, 128).is_none() && place.get(&other, 64).is_none());
    }
}
