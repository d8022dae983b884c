//! says: under #[apim_core::async_trait]
use apim_core::mediator::Stage;
use apim_core::{Fault, Flow, Mediator};

struct Mark;

impl Mediator for Mark {
    async fn mediate(&self, _: Stage<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }
}

fn main() {}
