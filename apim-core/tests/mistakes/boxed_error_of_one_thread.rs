//! says: the method `at_key` exists
//! says: + Send + Sync + 'static)>>`
use apim_core::{AtKey, BuildError, Filter, Link, Parts, Provide};

struct Stamp;
impl Filter for Stamp {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

fn load() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

impl Provide<Link> for Stamp {
    const NAME: &'static str = "stamp";
    type Config = Nothing;
    async fn build(_: Nothing, _: &Parts) -> Result<Link, BuildError> {
        load().at_key("file")?;
        Ok(Link::filter(Stamp))
    }
}

fn main() {}
