//! says: expected `Result<Flow, Fault>`, found `Result<(), Fault>`
use apim_core::{Exchange, Fault, Handler};

struct Ask;

impl Handler for Ask {
    async fn request(&self, _: &mut Exchange) -> Result<(), Fault> {
        Ok(())
    }
}

fn main() {}
