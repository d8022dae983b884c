//! JSON objects, written where they will stay.

use std::io::Write as _;
use std::net::IpAddr;

use apim_core::Timestamp;
use apim_core::civil::Civil;

/// The name of a member as it stands in an object, behind what stands before it.
///
/// A constant, so that writing it is one copy of a length that the compiler knows.
macro_rules! member {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(crate) use member;

/// Writes one JSON object at the end of some bytes, member by member. Names are [`member!`]s.
///
/// A line per request is most of what a request pays for being recorded. serde_json looks at each byte of
/// each text by itself; this looks at sixteen at once, and leaves to serde_json those that need escaping.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    begin: usize,
}

impl<'a> Object<'a> {
    /// Begins one.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        // As much as most lines take, so that there is room without asking again.
        out.reserve(1024);
        Self { begin: out.len(), out }
    }

    /// A text. It cannot fail: every text has a form in JSON.
    #[inline]
    pub(crate) fn text(&mut self, member: &'static str, value: &str) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        if is_plain(value) {
            self.out.push(b'"');
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
        } else if serde_json::to_writer(&mut *self.out, value).is_err() {
            self.out.extend_from_slice(b"null");
        }
        self
    }

    /// A whole number.
    #[inline]
    pub(crate) fn number(&mut self, member: &'static str, value: u64) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        self.digits(value);
        self
    }

    /// A whole number that may be negative.
    pub(crate) fn signed(&mut self, member: &'static str, value: i64) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        if value < 0 {
            self.out.push(b'-');
        }
        self.digits(value.unsigned_abs());
        self
    }

    /// An address, as a text.
    pub(crate) fn address(&mut self, member: &'static str, value: IpAddr) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        self.out.push(b'"');
        match value {
            IpAddr::V4(address) => {
                for (index, octet) in address.octets().into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b'.');
                    }
                    self.digits(octet.into());
                }
            }
            // Writing into memory cannot fail.
            IpAddr::V6(address) => drop(write!(self.out, "{address}")),
        }
        self.out.push(b'"');
        self
    }

    /// A truth value.
    pub(crate) fn truth(&mut self, member: &'static str, value: bool) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A moment, as a text of the form that it prints in.
    pub(crate) fn time(&mut self, member: &'static str, value: Timestamp) -> &mut Self {
        let Civil { year, month, day, hour, minute, second, .. } = value.civil();
        let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
        let fields = [
            (1, 4, year),
            (6, 2, month.into()),
            (9, 2, day.into()),
            (12, 2, hour.into()),
            (15, 2, minute.into()),
            (18, 2, second.into()),
            (21, 3, value.as_millis() % 1000),
        ];
        for (at, digits, mut number) in fields {
            for place in text[at..at + digits].iter_mut().rev() {
                // A remainder by ten fits any integer.
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        self.out.extend_from_slice(member.as_bytes());
        self.out.extend_from_slice(&text);
        self
    }

    /// An object within it.
    pub(crate) fn object(&mut self, member: &'static str, write: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        let mut inner = Object { begin: self.out.len(), out: self.out };
        write(&mut inner);
        inner.end();
        self
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        // The comma before the first member is where the object begins.
        match self.out.get_mut(self.begin) {
            Some(begin) => *begin = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    fn digits(&mut self, mut number: u64) {
        if let Ok(one @ 0..10) = u8::try_from(number) {
            self.out.push(b'0' + one);
            return;
        }
        let mut text = [0; 20];
        let mut begin = text.len();
        while number > 0 {
            begin -= 1;
            // A remainder by ten fits any integer.
            text[begin] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.out.extend_from_slice(&text[begin..]);
    }
}

/// Whether a text stands in JSON as it is. All bytes are looked at, since a loop that may end early looks at
/// one at a time.
fn is_plain(text: &str) -> bool {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    !text.bytes().fold(false, |found, byte| found | special(byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn written(write: impl FnOnce(&mut Object<'_>)) -> Value {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        write(&mut object);
        object.end();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn whatever_is_written_is_read_back() {
        let odd =
            ["", "plain", "\"", "\\", "a\nb", "\u{0}\u{1f}\u{7f}", "żółw 🐢", "a long text that ends in \""];
        for text in odd {
            assert_eq!(
                written(|object| {
                    object.text(member!("a"), text);
                }),
                json!({"a": text}),
                "{text:?}"
            );
        }
        for number in [0, 9, 10, 1024, u64::MAX] {
            assert_eq!(
                written(|object| {
                    object.number(member!("a"), number);
                }),
                json!({"a": number})
            );
        }
        assert_eq!(
            written(|object| {
                object.signed(member!("a"), -1).truth(member!("b"), true).truth(member!("c"), false);
            }),
            json!({"a": -1, "b": true, "c": false})
        );
        for address in ["0.0.0.0", "192.0.2.255", "2001:db8::1"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(
                written(|object| {
                    object.address(member!("a"), address);
                }),
                json!({"a": address.to_string()})
            );
        }
        for millis in [0, 784_111_777_042, 951_782_400_999, u64::MAX] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(
                written(|object| {
                    object.time(member!("a"), time);
                }),
                json!({"a": time.to_string()})
            );
        }
        assert_eq!(
            written(|object| {
                object.object(member!("a"), |_| {}).object(member!("b"), |inner| {
                    inner.number(member!("c"), 1).number(member!("d"), 2);
                });
            }),
            json!({"a": {}, "b": {"c": 1, "d": 2}})
        );
        assert_eq!(written(|_| {}), json!({}));
    }
}
