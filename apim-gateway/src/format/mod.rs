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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::message::{ContentError, ContentHead, Message, MessageBuilder as _, Payload};
    use bytes::Bytes;
    use http::Request;
    use http::header::CONTENT_TYPE;

    use super::*;

    const SEEDS: [(&str, &str); 4] = [
        ("application/json", r#"{"a": [1, -2.5e3, "x\u00e4", {"b": null}], "c": true}"#),
        (
            "application/xml",
            r#"<?xml version="1.0"?><p:a xmlns:p="u" b="&lt;"><![CDATA[x]]>&#65;<!-- c --><d/></p:a>"#,
        ),
        ("application/x-www-form-urlencoded", "a=1+2&b=%C3%A4&&c"),
        ("text/plain; charset=iso-8859-1", "x"),
    ];

    /// A small generator, so that a failure can be repeated.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
        }
    }

    async fn understand(media_type: &str, body: Vec<u8>) -> Result<(), ContentError> {
        let formats = all();
        let request = Request::post("/").header(CONTENT_TYPE, media_type);
        let (head, body) = request.body(Bytes::from(body).into()).unwrap().into_parts();
        let mut message = Message::new(head, body);
        // What can be read can be written, and converted or refused, but never makes anybody panic.
        let payload = message.payload_mut(&formats).await?;
        if let Payload::Xml(document) = payload {
            let written = Bytes::from(xml::write(document));
            let again = Xml::new("text/xml").build(&ContentHead::default(), written).unwrap();
            assert!(matches!(again, Payload::Xml(again) if again == *document));
            convert::json_to_xml(&convert::xml_to_json(document))?;
        }
        if let Payload::Json(value) = payload
            && let Ok(document) = convert::json_to_xml(value)
        {
            convert::xml_to_json(&document);
        }
        message.write(&formats)
    }

    #[tokio::test]
    async fn no_bytes_make_a_builder_or_formatter_panic() {
        let mut dice = Dice(7);
        for round in 0..20_000 {
            let (media_type, seed) = SEEDS[round % SEEDS.len()];
            let mut body = seed.as_bytes().to_vec();
            for _ in 0..dice.roll(6) {
                let at = dice.roll(body.len());
                match dice.roll(3) {
                    0 => body[at] = u8::try_from(dice.roll(256)).unwrap(),
                    1 => body.truncate(at.max(1)),
                    _ => body.insert(at, b"<>&;\"{}[]%=\xff\0:"[dice.roll(14)]),
                }
            }
            let _ = understand(media_type, body).await;
        }
    }

    #[tokio::test]
    async fn an_unchanged_body_of_each_format_is_understood() {
        for (media_type, seed) in SEEDS {
            understand(media_type, seed.as_bytes().to_vec()).await.unwrap();
        }
    }
}
