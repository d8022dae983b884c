//! says: expected `Link`, found `Stamp`
use apim_core::{BuildError, Filter, Link, Parts, Provide};

struct Stamp;
impl Filter for Stamp {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

impl Provide<Link> for Stamp {
    const NAME: &'static str = "stamp";
    type Config = Nothing;
    async fn build(_: Nothing, _: &Parts) -> Result<Link, BuildError> {
        Ok(Stamp)
    }
}

fn main() {}
