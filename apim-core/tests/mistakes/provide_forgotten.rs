//! says: `Stamp` cannot be named in configuration: it does not implement `Provide<Link>`
//! says: write `impl Provide<Link> for Stamp`
use apim_core::{Filter, Link, Registry};

struct Stamp;
impl Filter for Stamp {}

fn main() {
    let _ = Registry::<Link>::default().with::<Stamp>();
}
