//! The last look for credentials in a text that goes to the operator.

/// How every JWT begins: the base64 of `{"`.
const JWT: &str = "eyJ";

/// Bytes of a text that are told.
const LONGEST: usize = 1024;

/// A text with everything replaced that looks like a token: a JWT, or what stands after `Bearer` or `Basic`.
///
/// Nothing of the kind should be in it; this is for the day when an error of some library quotes what it could
/// not read.
pub(crate) fn concealed(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(LONGEST)];
    let mut out = String::with_capacity(text.len());
    let mut scheme = false;
    for word in text.split_inclusive(|char: char| !is_token(char)) {
        let end = word.trim_end_matches(|char: char| !is_token(char)).len();
        let (token, rest) = word.split_at(end);
        let secret = token.len() >= 16 && token.contains(JWT) || scheme && token.len() >= 8;
        out.push_str(if secret { "[concealed]" } else { token });
        out.push_str(rest);
        if !token.is_empty() {
            scheme = token.eq_ignore_ascii_case("bearer") || token.eq_ignore_ascii_case("basic");
        }
    }
    out
}

/// Whether a character may stand in a token (RFC 6750 section 2.1).
fn is_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_' | '~' | '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_out_and_all_else_is_left() {
        let text =
            "signature of eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln is wrong, as in Bearer 0a1b2c3d4e5f.";
        assert_eq!(concealed(text), "signature of [concealed] is wrong, as in Bearer [concealed]");
        for harmless in ["", "Bearer realm, Basic pets", "operation.scopes wants [a], found [b]", "täglich 7"]
        {
            assert_eq!(concealed(harmless), harmless);
        }
        assert_eq!(concealed(&"ä".repeat(2000)).len(), LONGEST);
    }
}
