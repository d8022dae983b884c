//! A format crate of one's own: `csv` reads and writes tables, so that mediators see JSON.
//!
//! It depends on `apim-core` alone. A gateway installs it with one line,
//! `.named_formats(Registry::default().with::<custom_format::Csv>())`, and from then on a file can name it:
//!
//! ```yaml
//! formats:
//!   - use: csv
//!     separator: ";"
//! ```

use apim_core::message::{ContentError, ContentHead, Format};
use apim_core::{BuildError, MessageBuilder, MessageFormatter, Parts, Payload, Provide};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What a file can say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What stands between fields.
    separator: char,
}

/// Lines of fields (RFC 4180, of which quotes are refused), as an array of arrays of text.
pub struct Csv(char);

impl MessageBuilder for Csv {
    fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        let malformed =
            |place, rule: &str| ContentError::Malformed { format: "CSV", place, rule: rule.to_owned() };
        let text = str::from_utf8(&body)
            .map_err(|error| malformed(format!("byte {}", error.valid_up_to()), "not UTF-8"))?;
        let rows = text.lines().enumerate().map(|(index, line)| match line.contains('"') {
            true => Err(malformed(format!("line {}", index + 1), "quotes are not understood")),
            false => Ok(line.split(self.0).map(Value::from).collect::<Value>()),
        });
        Ok(Payload::Json(rows.collect::<Result<_, _>>()?))
    }
}

impl MessageFormatter for Csv {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        let unsupported = || ContentError::Unsupported { payload: payload.kind(), format: "CSV" };
        let Payload::Json(Value::Array(rows)) = payload else { return Err(unsupported()) };
        for row in rows {
            let fields = row.as_array().ok_or_else(unsupported)?.iter();
            let line = fields.map(|field| field.as_str().filter(|field| self.fits(field)));
            let line: Vec<_> = line.collect::<Option<_>>().ok_or_else(unsupported)?;
            out.put(line.join(&self.0.to_string()).as_bytes());
            out.put_slice(b"\r\n");
        }
        Ok(HeaderValue::from_static("text/csv; charset=utf-8"))
    }
}

impl Csv {
    /// What could not be read back is not written.
    fn fits(&self, field: &str) -> bool {
        !field.contains([self.0, '"', '\r', '\n'])
    }
}

impl Provide<Format> for Csv {
    const NAME: &'static str = "csv";
    type Config = Config;

    async fn build(config: Config, _: &Parts) -> Result<Format, BuildError> {
        if config.separator.is_alphanumeric() || matches!(config.separator, '"' | '\r' | '\n') {
            return Err(BuildError::at("separator", "it must not be part of a field"));
        }
        Ok(Format::new("text/csv", Self(config.separator)))
    }
}
