//! Forms (`application/x-www-form-urlencoded`; URL standard, section 5).

use apim_core::message::{ContentError, ContentHead, MessageBuilder, MessageFormatter, Payload};
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use url::form_urlencoded;

use super::{COUNT, convert};

/// Reads and writes forms.
#[derive(Debug, Clone, Copy)]
pub struct Form;

impl MessageBuilder for Form {
    fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        if pairs.clone().count() > COUNT {
            return Err(malformed(format!("pair {COUNT}"), "more pairs than that"));
        }
        let mut read = Vec::new();
        for (index, raw) in pairs.enumerate() {
            for (name, value) in form_urlencoded::parse(raw) {
                // The decoder replaces what is no UTF-8, and two readers might replace it differently.
                if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                    return Err(malformed(format!("pair {}", index + 1), "not UTF-8"));
                }
                read.push((name.into_owned(), value.into_owned()));
            }
        }
        Ok(Payload::Form(read))
    }
}

fn malformed(place: String, rule: &str) -> ContentError {
    ContentError::Malformed { format: "form", place, rule: rule.to_owned() }
}

impl MessageFormatter for Form {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        let unsupported = || ContentError::Unsupported { payload: payload.kind(), format: "a form" };
        let mut form = form_urlencoded::Serializer::new(String::new());
        match payload {
            Payload::Form(pairs) => form.extend_pairs(pairs),
            Payload::Json(value) => form.extend_pairs(convert::json_to_form(value).ok_or_else(unsupported)?),
            _ => return Err(unsupported()),
        };
        out.extend_from_slice(form.finish().as_bytes());
        Ok(HeaderValue::from_static("application/x-www-form-urlencoded"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pairs_are_decoded_in_order_and_written_again() {
        let body = Bytes::from_static(b"b=1+2&a=%C3%A4&b=");
        let Payload::Form(pairs) = Form.build(&ContentHead::default(), body).unwrap() else { panic!() };
        let own = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(pairs, [own("b", "1 2"), own("a", "ä"), own("b", "")]);
        let mut out = BytesMut::new();
        Form.format(&Payload::Form(pairs), &mut out).unwrap();
        assert_eq!(out.as_ref(), b"b=1+2&a=%C3%A4&b=");
    }

    #[test]
    fn a_form_has_so_many_pairs() {
        let build = |pairs| Form.build(&ContentHead::default(), "a&".repeat(pairs).into());
        assert!(build(COUNT).is_ok());
        let error = build(COUNT + 1).unwrap_err();
        assert_eq!(error.to_string(), "malformed form at pair 100000: more pairs than that");
    }

    #[test]
    fn what_is_no_utf8_is_refused() {
        let error = Form.build(&ContentHead::default(), Bytes::from_static(b"a=1&b=%FF")).unwrap_err();
        assert_eq!(error.to_string(), "malformed form at pair 2: not UTF-8");
    }
}
