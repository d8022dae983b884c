//! says: to be a future that resolves to `Result<Link, BuildError>`
//! says: // async fn
use apim_core::{Filter, Link, Parts, Provide};

struct Stamp;
impl Filter for Stamp {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

impl Provide<Link> for Stamp {
    const NAME: &'static str = "stamp";
    type Config = Nothing;
    async fn build(_: Nothing, _: &Parts) -> Result<Link, std::io::Error> {
        Ok(Link::filter(Stamp))
    }
}

fn main() {}
