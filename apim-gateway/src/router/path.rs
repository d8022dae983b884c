//! The one canonical form of a request's path.

use std::borrow::Cow;
use std::fmt;

/// Bytes of a path that are accepted.
const LONGEST: usize = 8 * 1024;

/// A path in canonical form: what the router, the policies and the backend all see.
///
/// What is ambiguous is refused, never repaired, because the next hop might repair it differently. Each
/// oddity has exactly one fate:
///
/// | in the path | fate |
/// |---|---|
/// | no leading `/`; longer than 8 KiB | refused |
/// | an empty segment (`//`) | refused; one trailing `/` is fine |
/// | a segment `.` or `..`, encoded or not, also before a `;parameter` | refused |
/// | nothing before a `;parameter`, unless it is the last segment | refused |
/// | `\`, `%5C`, an encoded slash `%2F` | refused |
/// | control characters, raw or encoded (`%00`, `%0A`, `%7F`, U+0085) | refused |
/// | a `%` without two hexadecimal digits | refused |
/// | double encoding: `%25` before two hexadecimal digits | refused |
/// | encoded bytes that are not UTF-8, overlong forms among them | refused |
/// | raw bytes beyond ASCII, space, `"`, `<`, `>`, `^`, `` ` ``, `{`, `}` | refused |
/// | an encoded unreserved character (`%41`, `%7E`) | decoded (RFC 3986 section 6.2.2.2) |
/// | any other encoding | kept, with digits in upper case (section 6.2.2.1) |
/// | everything else, `;parameters` among it | kept; see [`without_parameters`](Self::without_parameters) |
///
/// ```
/// use apim_gateway::router::Path;
///
/// assert_eq!(Path::parse("/pets/%7ebob").unwrap().as_str(), "/pets/~bob");
/// assert_eq!(Path::parse("/caf%c3%a9").unwrap().as_str(), "/caf%C3%A9");
/// assert!(Path::parse("/pets/%2e%2e/admin").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    text: Cow<'a, str>,
    /// Where its first `;` stands, encoded or not.
    parameters: Option<usize>,
}

impl<'a> Path<'a> {
    /// Reads a path as it stood in a request's target, without its query. Borrows what is canonical already.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`], as the table above says.
    pub fn parse(raw: &'a str) -> Result<Self, Ambiguous> {
        if raw.len() > LONGEST {
            return Err(Ambiguous::TooLong);
        }
        let Some(rest) = raw.strip_prefix('/') else { return Err(Ambiguous::Relative) };
        if is_plain_path(rest.as_bytes()) {
            return Ok(Self { text: Cow::Borrowed(raw), parameters: None });
        }
        let mut canonical = None;
        let mut start = 1;
        while start <= raw.len() {
            let end = start + rest[start - 1..].find('/').unwrap_or(raw.len() - start);
            segment(raw, start, end, end == raw.len(), &mut canonical)?;
            if let Some(canonical) = &mut canonical
                && end < raw.len()
            {
                canonical.push('/');
            }
            start = end + 1;
        }
        let text = canonical.map_or(Cow::Borrowed(raw), Cow::Owned);
        Ok(Self { parameters: parameters(&text), text })
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is left for a backend that takes `;parameters` away from each segment (RFC 3986 section 3.3),
    /// as servlet containers do before they look at a path; none if there are no parameters.
    ///
    /// ```
    /// use apim_gateway::router::Path;
    ///
    /// let path = Path::parse("/admin;v=1/users%3Bx").unwrap();
    /// assert_eq!(path.without_parameters().as_deref(), Some("/admin/users"));
    /// ```
    pub fn without_parameters(&self) -> Option<String> {
        let first = self.parameters?;
        let path = self.as_str();
        let mut plain = String::with_capacity(path.len());
        plain.push_str(&path[..first]);
        for (index, segment) in path[first..].split('/').enumerate() {
            // The first of these is the rest of the segment in which the first parameter stands.
            if index > 0 {
                plain.push('/');
                plain.push_str(&segment[..parameters(segment).unwrap_or(segment.len())]);
            }
        }
        Some(plain)
    }

    /// Whether it had to be rewritten.
    pub fn is_rewritten(&self) -> bool {
        matches!(self.text, Cow::Owned(_))
    }
}

/// Whether a path, behind its leading slash, is of plain characters only, and no segment of it begins like those
/// that mean something else. Nearly every path is, and needs no closer look.
fn is_plain_path(rest: &[u8]) -> bool {
    let mut begins = true;
    for byte in rest {
        let special = matches!(byte, b'/' | b'.') && begins;
        begins = *byte == b'/';
        if special || !(begins || is_plain(*byte) && *byte != b';') {
            return false;
        }
    }
    true
}

/// Checks one segment; from the first change on, the path so far is in `canonical`.
fn segment(
    raw: &str,
    start: usize,
    end: usize,
    last: bool,
    canonical: &mut Option<String>,
) -> Result<(), Ambiguous> {
    if start == end && !last {
        return Err(Ambiguous::EmptySegment);
    }
    let bytes = raw.as_bytes();
    let mut name = Name::default();
    let mut percent = Percent(None);
    let mut at = start;
    while at < end {
        let byte = bytes[at];
        if byte != b'%' {
            if !is_plain(byte) {
                return Err(Ambiguous::Character);
            }
            name.push(byte);
            percent.then(byte)?;
            if let Some(canonical) = canonical {
                canonical.push(byte.into());
            }
            at += 1;
            continue;
        }
        let (decoded, length) = escape(&bytes[at..end])?;
        let text = &raw[at..at + length];
        if is_unreserved(decoded) {
            name.push(decoded as u8);
            percent.then(decoded as u8)?;
            canonical.get_or_insert_with(|| raw[..at].to_owned()).push(decoded);
        } else {
            name.push(if decoded == ';' { b';' } else { b'%' });
            percent = Percent(if decoded == '%' { Some(0) } else { None });
            if canonical.is_some() || text.bytes().any(|b| b.is_ascii_lowercase()) {
                let canonical = canonical.get_or_insert_with(|| raw[..at].to_owned());
                canonical.extend(text.chars().map(|c| c.to_ascii_uppercase()));
            }
        }
        at += length;
    }
    if name.is_dots() {
        return Err(Ambiguous::DotSegment);
    }
    if name.is_empty() && !last {
        return Err(Ambiguous::EmptySegment);
    }
    Ok(())
}

/// Where the first `;` stands in a canonical path, encoded or not: not everybody splits before decoding.
fn parameters(path: &str) -> Option<usize> {
    memchr::memchr2_iter(b';', b'%', path.as_bytes())
        .find(|at| path[*at..].starts_with(';') || path[*at..].starts_with("%3B"))
}

/// As much of a segment's name, before any `;parameter`, as it takes to know `.` and `..`.
#[derive(Default)]
struct Name {
    dots: usize,
    other: bool,
    over: bool,
}

impl Name {
    fn push(&mut self, byte: u8) {
        match byte {
            _ if self.over => {}
            b';' => self.over = true,
            b'.' => self.dots += 1,
            _ => self.other = true,
        }
    }

    fn is_dots(&self) -> bool {
        !self.other && matches!(self.dots, 1 | 2)
    }

    fn is_empty(&self) -> bool {
        !self.other && self.dots == 0
    }
}

/// RFC 3986 `pchar` without `%`, and the three others that browsers leave as they are.
fn is_plain(byte: u8) -> bool {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let others = b"-._~!$&'()*+,;=:@[]|";
        let mut at = 0;
        while at < 256 {
            plain[at] = (at as u8).is_ascii_alphanumeric();
            at += 1;
        }
        at = 0;
        while at < others.len() {
            plain[others[at] as usize] = true;
            at += 1;
        }
        plain
    };
    PLAIN[usize::from(byte)]
}

fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

/// Decodes the character whose encoding begins here; answers how many bytes the encoding takes.
fn escape(bytes: &[u8]) -> Result<(char, usize), Ambiguous> {
    let first = hex(bytes).ok_or(Ambiguous::Escape)?;
    let length = match first {
        0x00..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return Err(Ambiguous::Utf8),
    };
    let mut decoded = [first, 0, 0, 0];
    for (index, slot) in decoded.iter_mut().enumerate().take(length).skip(1) {
        *slot = bytes.get(index * 3..).and_then(hex).ok_or(Ambiguous::Utf8)?;
    }
    let text = std::str::from_utf8(&decoded[..length]).map_err(|_| Ambiguous::Utf8)?;
    match text.chars().next() {
        Some('/' | '\\') => Err(Ambiguous::EncodedSlash),
        Some(c) if c.is_control() => Err(Ambiguous::Control),
        Some(c) => Ok((c, length * 3)),
        None => Err(Ambiguous::Utf8),
    }
}

/// The byte that `%XX` stands for.
fn hex(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// How many hexadecimal digits have followed an encoded `%`, as the next hop would see it.
struct Percent(Option<u8>);

impl Percent {
    fn then(&mut self, byte: u8) -> Result<(), Ambiguous> {
        self.0 = match self.0 {
            Some(0) if byte.is_ascii_hexdigit() => Some(1),
            Some(_) if byte.is_ascii_hexdigit() => return Err(Ambiguous::DoubleEncoding),
            _ => None,
        };
        Ok(())
    }
}

/// Why a request's target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the text of each says it")]
pub enum Ambiguous {
    TooLong,
    Relative,
    EmptySegment,
    DotSegment,
    EncodedSlash,
    Control,
    Escape,
    DoubleEncoding,
    Utf8,
    Character,
    Parameters,
    Target,
    Host,
    HostMismatch,
}

impl Ambiguous {
    /// What the caller is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "The path is too long.",
            Self::Relative => "The path does not begin with a slash.",
            Self::EmptySegment => "The path has an empty segment.",
            Self::DotSegment => "The path has a dot segment.",
            Self::EncodedSlash => "The path has an encoded slash or backslash.",
            Self::Control => "The path has an encoded control character.",
            Self::Escape => "The path has a broken percent-encoding.",
            Self::DoubleEncoding => "The path is encoded twice.",
            Self::Utf8 => "The path has encoded bytes that are not UTF-8.",
            Self::Character => "The path has a character that must be encoded.",
            Self::Parameters => "The path means something else without its `;` parameters.",
            Self::Target => "The form of the request target is not supported.",
            Self::Host => "The host is malformed.",
            Self::HostMismatch => "The request names more than one host.",
        }
    }
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Ambiguous {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(raw: &str) -> Result<String, Ambiguous> {
        Path::parse(raw).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn a_canonical_path_is_borrowed() {
        for raw in [
            "/",
            "/pets",
            "/pets/",
            "/a/b;v=1/c",
            "/;x",
            "/a/;x",
            "/caf%C3%A9",
            "/100%25",
            "/x%20y",
            "/a|b",
            "/...",
            "/.x",
        ] {
            let path = Path::parse(raw).unwrap();
            assert_eq!(path.as_str(), raw);
            assert!(!path.is_rewritten(), "{raw}");
        }
    }

    #[test]
    fn equal_spellings_become_one() {
        assert_eq!(parse("/p%65ts/%7Ebob/").unwrap(), "/pets/~bob/");
        assert_eq!(parse("/a/caf%c3%a9/%3b").unwrap(), "/a/caf%C3%A9/%3B");
        assert_eq!(parse("/%61/%2a/b").unwrap(), "/a/%2A/b");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        use Ambiguous::*;
        let cases = [
            ("", Relative),
            ("pets", Relative),
            ("//", EmptySegment),
            ("/a//b", EmptySegment),
            ("/..", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/%2e%2E/b", DotSegment),
            ("/a/.%2e", DotSegment),
            ("/a/;/b", EmptySegment),
            ("/a/%3bx/b", EmptySegment),
            ("/a/..;/b", DotSegment),
            ("/a/..;x=y/b", DotSegment),
            ("/a/..%3b/b", DotSegment),
            ("/a%2fb", EncodedSlash),
            ("/a%2Fb", EncodedSlash),
            ("/a%5cb", EncodedSlash),
            ("/a\\b", Character),
            ("/a%00", Control),
            ("/a%0d%0a", Control),
            ("/a%7f", Control),
            ("/a%c2%85", Control),
            ("/a%", Escape),
            ("/a%4", Escape),
            ("/a%zz", Escape),
            ("/a%u002f", Escape),
            ("/a%+1", Escape),
            ("/a%252e", DoubleEncoding),
            ("/a%252fb", DoubleEncoding),
            ("/a%c0%af", Utf8),
            ("/a%e0%80%af", Utf8),
            ("/a%ff", Utf8),
            ("/a%c3", Utf8),
            ("/a%c3/%a9", Utf8),
            ("/a%ed%a0%80", Utf8),
            ("/a b", Character),
            ("/a\u{e9}", Character),
            ("/a{b}", Character),
        ];
        for (raw, fate) in cases {
            assert_eq!(parse(raw), Err(fate), "{raw:?}");
        }
        assert_eq!(parse(&format!("/{}", "a".repeat(LONGEST))), Err(TooLong));
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point() {
        for raw in ["/p%65ts", "/%C3%A9/a%3b/x", "/a%25", "/%e2%82%ac"] {
            let once = parse(raw).unwrap();
            let again = Path::parse(&once).unwrap();
            assert!(!again.is_rewritten(), "{raw} -> {once}");
        }
    }

    #[test]
    fn decoding_cannot_complete_an_escape() {
        // `%25` followed by an encoded digit would decode into a fresh escape for the next hop.
        assert_eq!(parse("/a%25%34%31"), Err(Ambiguous::DoubleEncoding));
    }

    /// What a next hop makes of a path that decodes it once.
    fn decoded(path: &str) -> Vec<u8> {
        let (mut bytes, mut at) = (Vec::new(), 0);
        while at < path.len() {
            match hex(&path.as_bytes()[at..]) {
                Some(byte) => {
                    bytes.push(byte);
                    at += 3;
                }
                None => {
                    bytes.push(path.as_bytes()[at]);
                    at += 1;
                }
            }
        }
        bytes
    }

    #[test]
    fn whatever_is_let_in_means_the_same_to_whoever_decodes_it() {
        const PIECES: [&str; 28] = [
            "/",
            "/",
            "a",
            ".",
            "..",
            ";",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "%25",
            "%",
            "2",
            "5",
            "e",
            "f",
            "%41",
            "%7e",
            "%c3",
            "%a9",
            "%C3%A9",
            "%3b",
            "%00",
            "%e2%82%ac",
            "\\",
            "%20",
            "%2525",
            "x=1",
        ];
        let (mut random, mut accepted) = (0x9E37_79B9_7F4A_7C15_u64, 0);
        for _ in 0..200_000 {
            let mut raw = String::from("/");
            for _ in 0..random >> 61 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                raw.push_str(PIECES[usize::try_from(random % 28).unwrap()]);
            }
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let Ok(path) = Path::parse(&raw) else { continue };
            accepted += 1;
            let (path, meaning) = (path.as_str(), decoded(&raw));
            assert_eq!(decoded(path), meaning, "{raw} was changed into {path}");
            assert!(!Path::parse(path).unwrap().is_rewritten(), "{raw} -> {path} is not canonical");
            let meaning = String::from_utf8(meaning).unwrap();
            assert_eq!(decoded(&meaning), meaning.as_bytes(), "{raw} is encoded twice");
            assert_eq!(meaning.matches('/').count(), path.matches('/').count(), "{raw} hides a slash");
            assert!(!meaning.contains(['\\', '\0']), "{raw}");
            let names = meaning.split('/').map(|segment| segment.split(';').next().unwrap());
            assert!(!names.clone().any(|name| matches!(name, "." | "..")), "{raw} climbs");
            let plain = Path::parse(path).unwrap().without_parameters().unwrap_or_else(|| path.to_owned());
            let named = names.collect::<Vec<_>>().join("/");
            assert_eq!(String::from_utf8(decoded(&plain)).unwrap(), named, "{raw} without parameters");
        }
        assert!(accepted > 10_000, "{accepted}");
    }
}
