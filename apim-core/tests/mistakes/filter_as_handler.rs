//! says: `Stamp` is not a `Handler`
//! says: a `Filter` goes into `Link::filter`
use apim_core::{Filter, Link};

struct Stamp;
impl Filter for Stamp {}

fn main() {
    let _ = Link::handler(Stamp);
}
