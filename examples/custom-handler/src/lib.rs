//! A handler crate of one's own: `sunset` announces the end of an API, and then ends it.
//!
//! It depends on `apim-core` alone. A gateway installs it with one line,
//! `builtin::links().with::<sunset::Sunset>()`, and from then on a file can name it:
//!
//! ```yaml
//! handlers:
//!   - use: sunset
//!     date: Thu, 31 Dec 2026 23:59:59 GMT
//!     link: https://example.com/migrate
//! ```

use std::sync::Arc;
use std::time::SystemTime;

use apim_core::fault::{Code, Shape};
use apim_core::{
    Answer, AtKey, BuildError, Clock, Exchange, Fault, Filter, Flow, Link, Parts, Provide, Timestamp,
};
use http::{HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

/// The API is over.
const GONE: Code = Code { number: 410, status: StatusCode::GONE, message: "Gone", shape: Shape::Report };

/// What a file can say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// When the API ends, as HTTP writes dates.
    date: String,
    /// Where to read what to do about it.
    link: Option<String>,
}

/// Adds `Sunset` (RFC 8594) to every answer until its date, and answers 410 from then on.
pub struct Sunset {
    ends: Timestamp,
    date: HeaderValue,
    link: Option<HeaderValue>,
    clock: Arc<dyn Clock>,
}

impl Filter for Sunset {
    fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        if self.clock.now() < self.ends {
            return Ok(Flow::Continue);
        }
        Err(Fault::new(GONE).because("This API has been retired").detail("its sunset date is over"))
    }

    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        const SUNSET: HeaderName = HeaderName::from_static("sunset");
        answer.headers_mut().insert(SUNSET, self.date.clone());
        if let Some(link) = &self.link {
            answer.headers_mut().append(http::header::LINK, link.clone());
        }
        Ok(())
    }
}

impl Provide<Link> for Sunset {
    const NAME: &'static str = "sunset";
    type Config = Config;

    async fn build(config: Config, parts: &Parts) -> Result<Link, BuildError> {
        let ends: SystemTime = httpdate::parse_http_date(&config.date).at_key("date")?;
        let link = config.link.map(|link| HeaderValue::try_from(format!("<{link}>; rel=\"sunset\"")));
        Ok(Link::filter(Self {
            ends: ends.into(),
            date: HeaderValue::try_from(config.date).at_key("date")?,
            link: link.transpose().at_key("link")?,
            clock: parts.clock(),
        }))
    }
}
