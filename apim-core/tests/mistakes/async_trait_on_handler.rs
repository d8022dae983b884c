//! says: lifetimes do not match method in trait
use apim_core::{Exchange, Fault, Flow, Handler};

struct Ask;

#[apim_core::async_trait]
impl Handler for Ask {
    async fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }
}

fn main() {}
