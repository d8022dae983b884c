//! says: the trait bound `Config: schemars::JsonSchema` is not satisfied
//! says: #[derive(Deserialize, JsonSchema)]
use apim_core::{BuildError, Filter, Link, Parts, Provide};

struct Stamp;
impl Filter for Stamp {}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Config {
    text: String,
}

impl Provide<Link> for Stamp {
    const NAME: &'static str = "stamp";
    type Config = Config;
    async fn build(_: Config, _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Stamp))
    }
}

fn main() {}
