//! says: expected `Result<Flow, apim_core::Fault>`, found future
use apim_core::{Exchange, Fault, Filter, Flow};

struct Ask;

impl Filter for Ask {
    async fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }
}

fn main() {}
