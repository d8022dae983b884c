//! says: `?` couldn't convert the error to `BuildError`
//! says: other errors: .at_key("key")? of AtKey
use apim_core::{BuildError, Filter, Link, Parts, Provide};

struct Stamp;
impl Filter for Stamp {}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {
    port: String,
}

impl Provide<Link> for Stamp {
    const NAME: &'static str = "stamp";
    type Config = Config;
    async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
        config.port.parse::<u16>()?;
        Ok(Link::filter(Stamp))
    }
}

fn main() {}
