//! says: `Mark` cannot be named in configuration: it does not implement `Provide<Link>`
//! says: but trait `Provide<Arc<(dyn Mediator
use std::sync::Arc;

use apim_core::mediator::Stage;
use apim_core::{BuildError, Fault, Flow, Link, Mediator, Parts, Provide, Registry};

struct Mark;

#[apim_core::async_trait]
impl Mediator for Mark {
    async fn mediate(&self, _: Stage<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Continue)
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

impl Provide<Arc<dyn Mediator>> for Mark {
    const NAME: &'static str = "mark";
    type Config = Nothing;
    async fn build(_: Nothing, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(Mark))
    }
}

fn main() {
    let _ = Registry::<Link>::default().with::<Mark>();
}
