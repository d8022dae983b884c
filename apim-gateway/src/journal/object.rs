//! JSON objects, written where they will stay.

use std::net::IpAddr;

use apim_core::civil::Civil;
use apim_core::{RequestId, Timestamp};

use crate::address::AddressText;

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
/// each text by itself; this looks at eight at once, and leaves to serde_json those that need escaping.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    begin: usize,
}

impl<'a> Object<'a> {
    /// Begins one.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        // More than most lines take, so that there is room without asking again.
        out.reserve(2048);
        Self { begin: out.len(), out }
    }

    /// One of our own texts, which need no escaping.
    #[inline(always)]
    pub(crate) fn constant(&mut self, member: &'static str, value: &'static str) -> &mut Self {
        debug_assert!(is_plain(value), "{value:?} needs escaping");
        self.out.extend_from_slice(member.as_bytes());
        self.quoted(value.as_bytes())
    }

    /// Members that were written before, as `"a":1,"b":2`.
    #[inline]
    pub(crate) fn members(&mut self, written: &str) -> &mut Self {
        self.out.push(b',');
        self.out.extend_from_slice(written.as_bytes());
        self
    }

    /// A request's id.
    #[inline]
    pub(crate) fn id(&mut self, member: &'static str, value: RequestId) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        self.quoted(&value.digits())
    }

    /// A text. Inlined, so that the name's length is known.
    #[inline(always)]
    pub(crate) fn text(&mut self, member: &'static str, value: &str) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        self.escaped(value)
    }

    /// A whole number. Inlined, so that the name's length is known.
    #[inline(always)]
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
        self.quoted(AddressText::of(value).as_bytes())
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
        let millis = value.as_millis() % 1000;
        let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
        let pairs = [
            (1, year / 100),
            (3, year),
            (6, month.into()),
            (9, day.into()),
            (12, hour.into()),
            (15, minute.into()),
            (18, second.into()),
            (21, millis / 10),
        ];
        for (at, number) in pairs {
            text[at..at + 2].copy_from_slice(&pair(number));
        }
        text[23] = pair(millis)[1];
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

    /// It cannot fail: every text has a form in JSON.
    fn escaped(&mut self, value: &str) -> &mut Self {
        if is_plain(value) {
            return self.quoted(value.as_bytes());
        }
        if serde_json::to_writer(&mut *self.out, value).is_err() {
            self.out.extend_from_slice(b"null");
        }
        self
    }

    #[inline]
    fn quoted(&mut self, plain: &[u8]) -> &mut Self {
        self.out.push(b'"');
        self.out.extend_from_slice(plain);
        self.out.push(b'"');
        self
    }

    fn digits(&mut self, mut number: u64) {
        if let Ok(one @ 0..10) = u8::try_from(number) {
            self.out.push(b'0' + one);
            return;
        }
        let mut text = [0; 20];
        let mut begin = text.len();
        while number >= 10 {
            begin -= 2;
            text[begin..begin + 2].copy_from_slice(&pair(number % 100));
            number /= 100;
        }
        if number > 0 {
            begin -= 1;
            text[begin..begin + 1].copy_from_slice(&pair(number)[1..]);
        }
        self.out.extend_from_slice(&text[begin..]);
    }
}

/// The two digits of a number below a hundred.
fn pair(number: u64) -> [u8; 2] {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut number = 0;
        while number < 100 {
            pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
            number += 1;
        }
        pairs
    };
    PAIRS[(number % 100) as usize]
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (words, rest) = bytes.as_chunks::<8>();
    let found = match bytes.last_chunk::<8>() {
        // What is left over is looked at together with some that was before it.
        Some(last) => words.iter().fold(special(*last), |found, word| found | special(*word)),
        None => return rest.iter().all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\')),
    };
    found == 0
}

/// Not zero if one of eight bytes is a control character, a quotation mark or a backslash. Each of three
/// subtractions borrows into the highest bit of a byte that is one (Hacker's Delight, section 6-1).
fn special(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    let is_one_of = is_zero(word ^ (ONES * u64::from(b'"'))) | is_zero(word ^ (ONES * u64::from(b'\\')));
    (is_control | is_one_of) & HIGHEST
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
        let odd = [
            "",
            "plain",
            "\"",
            "\\",
            "a\nb",
            "seven c",
            "eight ch",
            "eight c\"",
            "12345678\\",
            "\u{0}\u{1f}\u{7f}",
            "żółw 🐢",
            "a long text that ends in \"",
        ];
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
