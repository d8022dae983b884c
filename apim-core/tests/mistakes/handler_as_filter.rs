//! says: `Ask` is not a `Filter`
//! says: a `Handler`, whose phases are `async fn`, goes into `Link::handler`
use apim_core::{Handler, Link};

struct Ask;
impl Handler for Ask {}

fn main() {
    let _ = Link::filter(Ask);
}
