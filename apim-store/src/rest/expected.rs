//! `If-Match` and `If-None-Match` (RFC 9110 section 13).

use http::HeaderValue;

/// Whether a list of entity tags names one. Weak tags match, too: ours are strong, and what a proxy made
/// weak still names the same version.
pub(super) fn names(header: &HeaderValue, etag: &str) -> bool {
    let Ok(text) = header.to_str() else { return false };
    text.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The versions that an `If-Match` allows: none for any.
pub(super) fn versions(header: &HeaderValue) -> Option<Vec<i64>> {
    let text = header.to_str().unwrap_or_default();
    if text.trim() == "*" {
        return None;
    }
    let tags = text.split(',').map(str::trim).map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
    Some(tags.filter_map(|tag| tag.trim_matches('"').parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_whole() {
        let header = HeaderValue::from_static("\"3\", W/\"14\"");
        assert!(names(&header, "\"3\"") && names(&header, "\"14\"") && !names(&header, "\"1\""));
        assert_eq!(versions(&header), Some(vec![3, 14]));
        assert_eq!(versions(&HeaderValue::from_static("*")), None);
        assert_eq!(versions(&HeaderValue::from_static("\"other\"")), Some(vec![]));
    }
}
