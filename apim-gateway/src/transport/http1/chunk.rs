//! The line before a chunk: its size, and extensions that nobody reads (RFC 9112 section 7.1).

/// The size that a line tells, without the `\r\n` it ends with; none if it is not clear beyond doubt.
///
/// White space around extensions, which the grammar knows as bad and asks recipients to bear with, is refused:
/// parsers have disagreed on it, nobody sends it, and a chunk whose size two servers read in two ways is two
/// requests.
pub(crate) fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(digits);
    skip_extensions(extensions)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `*( ";" name [ "=" ( token / quoted-string ) ] )`, to the end of the line.
fn skip_extensions(mut rest: &[u8]) -> Option<()> {
    while let [b';', name @ ..] = rest {
        rest = match skip_token(name)? {
            [b'=', b'"', text @ ..] => skip_quoted(text)?,
            [b'=', value @ ..] => skip_token(value)?,
            behind => behind,
        };
    }
    rest.is_empty().then_some(())
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let length = bytes.iter().take_while(|byte| is_token(byte)).count();
    if length == 0 { None } else { bytes.get(length..) }
}

/// What follows the closing quote.
fn skip_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    loop {
        bytes = match bytes {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if is_text(*byte) && *byte != b'\\' => rest,
            [b'\\', b'\\', rest @ ..] => rest,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_may_be_followed_by_extensions() {
        for (line, expected) in [
            ("0", 0),
            ("5", 5),
            ("00a", 10),
            ("FfF", 4095),
            ("5;a", 5),
            ("5;a=b;c", 5),
            ("5;a=\"b c\"", 5),
            (r#"5;a="\"";b="\\""#, 5),
            ("ffffffffffffffff", u64::MAX),
        ] {
            assert_eq!(size(line.as_bytes()), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_clear_has_no_size() {
        for line in [
            "",
            " 5",
            "5 ",
            "5\t",
            "+5",
            "-5",
            "0x5",
            "5x",
            "5 x",
            "5,a",
            "10000000000000000",
            "5;",
            "5;;",
            "5;=",
            "5;=b",
            "5;a=",
            "5; a",
            "5;a b",
            "5;a =b",
            "5;a= b",
            "5 ;a",
            "5;a=\"",
            "5;a=\"b",
            "5;a=\"b\"c",
            "5;a=b\"",
            r#"5;a="\""#,
            r#"5;a="\"#,
            "5;a\0",
            "5;a=\"\0\"",
            "5;a=\"\\\0\"",
            "5;a\r",
        ] {
            assert_eq!(size(line.as_bytes()), None, "{line:?}");
        }
    }
}
