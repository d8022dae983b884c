//! Whom a thread has let call an API lately.
//!
//! From a token to the leave to call an API is a way of some fifteen places in memory, each of which says where the
//! next one is: the client's key, its application, the application's subscription, and the names by which they are
//! found. With thousands of callers none of them is in a cache. The same callers come again and again, so a thread
//! keeps at hand what it found for them, for as long as nothing has changed.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use apim_core::{Claims, Fault};

use super::subscription::Found;
use crate::deploy::{Site, ViewNumber};

/// Callers that a thread keeps at hand. One that falls on another's place takes it the second time it comes.
const PLACES: usize = 4096;

thread_local! {
    static ACQUAINTED: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Place {
    caller: Option<Caller>,
    /// Who came last and found it taken.
    knocked: u64,
}

struct Caller {
    /// Where it was found. In another view anything may be otherwise.
    view: ViewNumber,
    /// Held, so that no other claims can be where these are, but not kept from being forgotten.
    claims: Weak<Claims>,
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
    ACQUAINTED.with_borrow_mut(|places| {
        if places.is_empty() {
            places.resize_with(PLACES, Place::default);
        }
        let api = Arc::as_ptr(&site.api).addr();
        let hash = hash(view, Arc::as_ptr(claims).addr(), api);
        // The highest bits of a product are those that hang on all of its factors.
        let place = &mut places[(hash >> (u64::BITS - PLACES.ilog2())) as usize];
        if let Some(found) = place.get(view, claims, api) {
            found.fetch();
            return Ok(found.clone());
        }
        let found = find()?;
        place.put(hash, || Caller { view, claims: Arc::downgrade(claims), api, found: found.clone() });
        Ok(found)
    })
}

fn hash(ViewNumber(view): ViewNumber, claims: usize, api: usize) -> u64 {
    let places = claims as u64 ^ (api as u64).rotate_left(20);
    (places ^ view.rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Place {
    fn get(&self, view: ViewNumber, claims: &Arc<Claims>, api: usize) -> Option<&Found> {
        let caller = self.caller.as_ref()?;
        let is = caller.view == view && caller.api == api && caller.claims.as_ptr() == Arc::as_ptr(claims);
        is.then_some(&caller.found)
    }

    fn put(&mut self, hash: u64, caller: impl FnOnce() -> Caller) {
        if self.knocked == hash {
            self.caller = Some(caller());
        } else {
            self.knocked = hash;
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
        let (view, later) = (ViewNumber(1), ViewNumber(2));
        let caller = || Caller { view, claims: Arc::downgrade(&one), api: 64, found: Found::default() };
        let mut place = Place::default();
        place.put(7, caller);
        assert!(place.get(view, &one, 64).is_none());
        place.put(7, caller);
        assert!(place.get(view, &one, 64).is_some());
        assert!(place.get(view, &one, 128).is_none());
        assert!(place.get(view, &other, 64).is_none());
        assert!(place.get(later, &one, 64).is_none());
    }
}
