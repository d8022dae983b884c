//! Builders and formatters of payloads.
//!
//! | media type | payload | also written from |
//! |---|---|---|
//! | `application/json`, `text/json`, `+json` | JSON | XML, forms, text |
//! | `application/xml`, `text/xml`, `application/soap+xml`, `+xml` | XML | JSON, forms |
//! | `application/x-www-form-urlencoded` | a form | flat JSON objects |
//! | `text/plain`, `text/html`, `text/javascript`, `text/csv` | text | – |
//! | `application/octet-stream`, and every other | bytes | text |
//!
//! How JSON becomes XML and the reverse is said in [`convert`]. What comes from outside is bounded in depth
//! and count here, and in size before it comes here; a mistake in it is told with its line and column.

pub mod convert;
mod form;
mod json;
mod place;
mod text;
mod xml;

use apim_core::message::Formats;

pub use form::Form;
pub use json::Json;
pub use text::{Binary, Text};
pub use xml::Xml;

/// How deep JSON and XML may nest.
pub const DEPTH: usize = 100;

/// How many values, elements, attributes or pairs one body may hold.
pub const COUNT: usize = 100_000;

/// All formats of this module.
///
/// ```
/// use apim_core::message::{Formats, Message, Payload};
/// use http::{Request, header::CONTENT_TYPE};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let formats: Formats = apim_gateway::format::all();
/// let request = Request::post("/").header(CONTENT_TYPE, "text/xml").body("<pet>Rex</pet>".into()).unwrap();
/// let (head, body) = request.into_parts();
/// let mut message = Message::new(head, body);
/// let Payload::Xml(document) = message.payload(&formats).await.unwrap() else { panic!() };
/// assert_eq!(document.root.text(), "Rex");
/// # });
/// ```
pub fn all() -> Formats {
    Formats::default()
        .with("application/json", Json::new("application/json"))
        .with("text/json", Json::new("text/json"))
        .with("application/problem+json", Json::new("application/problem+json"))
        .with("+json", Json::new("application/json"))
        .with("application/xml", Xml::new("application/xml"))
        .with("text/xml", Xml::new("text/xml"))
        .with("application/soap+xml", Xml::new("application/soap+xml"))
        .with("+xml", Xml::new("application/xml"))
        .with("application/x-www-form-urlencoded", Form)
        .with("text/plain", Text::new("text/plain"))
        .with("text/html", Text::new("text/html"))
        .with("text/javascript", Text::new("text/javascript"))
        .with("text/csv", Text::new("text/csv"))
        .with("application/octet-stream", Binary)
}
