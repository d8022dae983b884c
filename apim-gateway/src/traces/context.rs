//! The context of a trace on the wire (W3C Trace Context, Recommendation of 23 November 2021).

use std::fmt;

use http::HeaderMap;

/// The headers' names.
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";

/// Members of a `tracestate` (section 3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// Bytes of a `tracestate` that are passed on, all its lines together. The recommendation asks for 512.
const LONGEST_STATE: usize = 4096;

/// Which trace a call belongs to, and of which span it is the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace's id; not 0.
    pub trace: u128,
    /// The calling span's id; not 0.
    pub span: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceParent {
    /// Bytes of it in the version that we write.
    pub const LENGTH: usize = 55;

    /// Reads a header's value (section 3.2). Of a version to come that is read which this version has (section 3.2.2.1).
    /// None: it is malformed, and whoever got it begins a new trace.
    ///
    /// ```
    /// use apim_gateway::traces::TraceParent;
    ///
    /// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let parent = TraceParent::parse(text.as_bytes()).unwrap();
    /// assert!(parent.sampled);
    /// assert_eq!(parent.to_string(), text);
    /// assert_eq!(TraceParent::parse(text.to_uppercase().as_bytes()), None);
    /// ```
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(Self::LENGTH)?;
        let [version @ .., b'-'] = known.get(..3)? else { return None };
        let [trace @ .., b'-'] = known.get(3..36)? else { return None };
        let [span @ .., b'-'] = known.get(36..53)? else { return None };
        let (version, flags) = (number(version)?, number(known.get(53..)?)?);
        let follows = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => matches!(rest, [] | [b'-', ..]),
        };
        let (trace, span) = (number(trace)?, u64::try_from(number(span)?).ok()?);
        (follows && trace != 0 && span != 0).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// As it is sent, in version 00.
    pub fn digits(&self) -> [u8; Self::LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let mut put = |end: usize, digits: usize, number: u128| {
            for (place, at) in (end - digits..end).rev().enumerate() {
                text[at] = b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
            }
        };
        put(35, 32, self.trace);
        put(52, 16, self.span.into());
        put(55, 2, self.sampled.into());
        text
    }

    /// Of a request; none if it has none, several, or a malformed one.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let only = lines.next().filter(|_| lines.next().is_none())?;
        Self::parse(only.as_bytes())
    }
}

/// In version 00, as it is sent.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// A number of hexadecimal digits, none of them a capital; at most 32, so that it fits.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// Whether lines are a `tracestate` that may be passed on (section 3.3.1), all of them together.
///
/// ```
/// use apim_gateway::traces::is_trace_state;
///
/// assert!(is_trace_state(["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".as_bytes()]));
/// assert!(!is_trace_state(["congo = 1".as_bytes()]));
/// ```
pub fn is_trace_state<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let (mut bytes, mut members) = (0, 0);
    for line in lines {
        bytes += line.len();
        if bytes > LONGEST_STATE {
            return false;
        }
        for member in line.split(|byte| *byte == b',').map(trimmed) {
            // A member may be empty, as where a list ends in a comma.
            if member.is_empty() {
                continue;
            }
            members += 1;
            if members > MOST_MEMBERS || !is_member(member) {
                return false;
            }
        }
    }
    true
}

fn trimmed(mut member: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = member {
        member = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = member {
        member = rest;
    }
    member
}

/// `key=value`, without white space around the sign.
fn is_member(member: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', member) else { return false };
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    is_key(key) && is_value(value)
}

/// `simple` or `tenant@system`.
fn is_key(key: &[u8]) -> bool {
    let rest = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    let named = |name: &[u8], most: usize, begins: fn(u8) -> bool| match name {
        [first, more @ ..] => name.len() <= most && begins(*first) && more.iter().all(rest),
        [] => false,
    };
    let letter = |byte: u8| byte.is_ascii_lowercase();
    let letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match memchr::memchr(b'@', key) {
        None => named(key, 256, letter),
        Some(at) => named(&key[..at], 241, letter_or_digit) && named(&key[at + 1..], 14, letter),
    }
}

fn is_value(value: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    (1..=256).contains(&value.len()) && value.iter().all(allowed) && value.last() != Some(&b' ')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const SPAN: &str = "1234567890123456";

    fn parsed(text: &str) -> Option<TraceParent> {
        TraceParent::parse(text.as_bytes())
    }

    /// What W3C's own test suite (`test_traceparent_*`) sends, with what it expects.
    #[test]
    fn a_parent_is_read_as_the_recommendation_says() {
        let expected = TraceParent {
            trace: 0x1234_5678_9012_3456_7890_1234_5678_9012,
            span: 0x1234_5678_9012_3456,
            sampled: true,
        };
        for good in [
            format!("00-{TRACE}-{SPAN}-01"),
            // Flags that have no meaning yet.
            format!("00-{TRACE}-{SPAN}-ff"),
            format!("cc-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        ] {
            assert_eq!(parsed(&good), Some(expected), "{good}");
        }
        let unsampled = parsed(&format!("00-{TRACE}-{SPAN}-02")).unwrap();
        assert_eq!(unsampled, TraceParent { sampled: false, ..expected });
        let zeros = |count: usize| "0".repeat(count);
        for bad in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-.0"),
            format!("00-{TRACE}-{SPAN}-0."),
            format!("00-{TRACE}-{SPAN}-01."),
            format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("0.-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("0000-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", zeros(32)),
            format!("00-.{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{}.-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}3-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}-01", zeros(16)),
            format!("00-{TRACE}-.{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{}.-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}7-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("00-{}-{SPAN}-01", "ABCDEF78901234567890123456789012"),
            format!("00_{TRACE}_{SPAN}_01"),
        ] {
            assert_eq!(parsed(&bad), None, "{bad}");
        }
    }

    #[test]
    fn of_several_parents_none_is_believed() {
        let parent: http::HeaderValue = format!("00-{TRACE}-{SPAN}-01").parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, parent.clone());
        assert!(TraceParent::of(&headers).is_some());
        headers.append(TRACEPARENT, parent);
        assert_eq!(TraceParent::of(&headers), None);
    }

    /// What W3C's own test suite (`test_tracestate_*`) sends, with what it expects.
    #[test]
    fn a_state_is_passed_on_as_the_recommendation_says() {
        let of = |lines: &[&str]| is_trace_state(lines.iter().map(|line| line.as_bytes()));
        let long = |count: usize| format!("{}=1", "z".repeat(count));
        let tenant =
            |tenant: usize, system: usize| format!("{}@{}=1", "t".repeat(tenant), "v".repeat(system));
        let members = |count: usize| (1..=count).map(|n| format!("bar{n}={n}")).collect::<Vec<_>>().join(",");
        let every_char = "".to_owned() + "foo= !\"#$%&'()*+-./0129:;<>?@AZ[\\]^_`az{|}~";
        for good in [
            &["foo=1,bar=2"][..],
            &["foo=1", "bar=2"],
            &["foo=1 \t , \t bar=2, \t baz=3"],
            &["foo=1\t \t,\t \tbar=2"],
            &["foo=1,"],
            &[",foo=1", ""],
            &["foo=1,foo=2"],
            &["foo-_*/bar=bar4"],
            &["0a@foo=1"],
            &[&every_char],
            &[&long(256)],
            &[&tenant(241, 14)],
            &[&members(32)],
            &[],
        ] {
            assert!(of(good), "{good:?}");
        }
        for bad in [
            &["foo=1", "=2"][..],
            &["foo"],
            &["foo =1"],
            &["FOO=1"],
            &["foo.bar=1"],
            &["0foo=1"],
            &["foo@=1,bar=2"],
            &["@foo=1,bar=2"],
            &["foo@@bar=1,bar=2"],
            &["foo@bar@baz=1,bar=2"],
            &["foo=bar=baz"],
            &["foo=,bar=3"],
            &["foo= ,bar=3"],
            &["foo=b\u{e4}r"],
            &["foo=1;bar=\u{7f}"],
            &[&long(257)],
            &[&tenant(242, 14)],
            &[&tenant(241, 15)],
            &[&members(33)],
            &[&format!("foo={}", "v".repeat(257))],
        ] {
            assert!(!of(bad), "{bad:?}");
        }
        let much = format!("foo={}", "v".repeat(250));
        assert!(of(&vec![&*much; 16]) && !of(&vec![&*much; 17]));
    }
}
