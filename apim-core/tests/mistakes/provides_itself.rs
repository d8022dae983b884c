//! says: `Stamp` is nothing that can be plugged in
//! says: an `Arc<dyn Mediator>`, a `Format`
use apim_core::{BuildError, Filter, Parts, Provide};

struct Stamp;
impl Filter for Stamp {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

impl Provide<Stamp> for Stamp {
    const NAME: &'static str = "stamp";
    type Config = Nothing;
    async fn build(_: Nothing, _: &Parts) -> Result<Stamp, BuildError> {
        Ok(Stamp)
    }
}

fn main() {}
