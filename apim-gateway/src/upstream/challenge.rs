//! Challenges of backends, as `WWW-Authenticate` carries them (RFC 9110 section 11.6.1).

/// One challenge: a scheme with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// As it was written.
    pub scheme: String,
    /// Names in lower case, values without quotes, in order.
    pub parameters: Vec<(String, String)>,
}

/// Bytes of a header that are looked at, and parameters of a challenge.
const MOST_BYTES: usize = 8 << 10;
const MOST_PARAMETERS: usize = 64;

impl Challenge {
    /// Reads a header's value, which may hold several. What cannot be understood ends the list.
    ///
    /// ```
    /// use apim_gateway::upstream::Challenge;
    ///
    /// let found = Challenge::parse(r#"Basic realm="a, b", Digest nonce="x\"y", qop=auth"#);
    /// assert_eq!(found[0].parameter("realm"), Some("a, b"));
    /// assert_eq!((found[1].scheme.as_str(), found[1].parameter("nonce")), ("Digest", Some("x\"y")));
    /// ```
    pub fn parse(value: &str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut rest = if value.len() > MOST_BYTES { "" } else { value };
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (word, after) = token(rest);
            if word.is_empty() {
                return found;
            }
            // A word with an equals sign behind it is a parameter, any other a scheme.
            let spaced = after.trim_start_matches([' ', '\t']);
            let Some(text) = spaced.strip_prefix('=').filter(|_| !found.is_empty()) else {
                if spaced.starts_with('=') {
                    return found;
                }
                found.push(Self { scheme: word.to_owned(), parameters: Vec::new() });
                rest = after;
                continue;
            };
            let Some((text, after)) = self::value(text.trim_start_matches([' ', '\t'])) else { return found };
            if let Some(challenge) = found.last_mut() {
                if challenge.parameters.len() == MOST_PARAMETERS {
                    return found;
                }
                challenge.parameters.push((word.to_ascii_lowercase(), text));
            }
            rest = after;
        }
    }

    /// The value of a parameter that stands exactly once; twice is ambiguous.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter().filter(|(known, _)| known == name);
        let only = all.next()?;
        all.next().is_none().then_some(only.1.as_str())
    }

    /// Whether it is of this scheme.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

/// A token (RFC 9110 section 5.6.2) and what follows.
fn token(text: &str) -> (&str, &str) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// A token or a quoted string, and what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, after) = token(text);
        return (!word.is_empty()).then(|| (word.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_headers_yield_what_is_certain_in_them() {
        let schemes =
            |text: &str| Challenge::parse(text).into_iter().map(|one| one.scheme).collect::<Vec<_>>();
        assert_eq!(schemes(""), [""; 0]);
        assert_eq!(schemes("=x"), [""; 0]);
        assert_eq!(schemes("Negotiate, Digest realm=a"), ["Negotiate", "Digest"]);
        assert_eq!(
            Challenge::parse("Digest nonce=\"open"),
            [Challenge { scheme: "Digest".into(), parameters: Vec::new() }]
        );
        let twice = Challenge::parse("Digest nonce=a, nonce=b");
        assert_eq!(twice[0].parameter("nonce"), None);
        assert!(Challenge::parse(&"a ".repeat(10_000)).is_empty());
        let many = format!("Digest {}", "a=b,".repeat(MOST_PARAMETERS + 1));
        assert_eq!(Challenge::parse(&many)[0].parameters.len(), MOST_PARAMETERS);
    }
}
