//! Paths and hosts: whatever is accepted is canonical, and stays what it is when it is read again.
#![no_main]

use apim_gateway::router::{Base, Bases, Host, Path, Resources, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, "/pets/{id}"));
    if let Ok(host) = Host::parse(first) {
        let again = Host::parse(host.as_str()).expect("a canonical host is a host");
        assert_eq!(again.as_str(), host.as_str());
    }
    let Ok(path) = Path::parse(first) else { return };
    let path = path.as_str();
    let again = Path::parse(path).expect("a canonical path is a path");
    assert!(!again.is_rewritten(), "{path:?} is not canonical");
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let name = segment.split(';').next().unwrap_or_default().replace("%2E", ".").replace("%2e", ".");
        assert!(name != "." && name != "..", "{path:?} climbs");
        assert!(!segment.is_empty() || segments.peek().is_none(), "{path:?} has an empty segment");
        assert!(!segment.contains('\\') && !segment.contains(char::is_control), "{path:?}");
    }

    let mut bases = Bases::default();
    if let Ok(base) = Base::new(second, None, true) {
        bases.claim(&base, "api".into(), ());
    }
    if let Some((_, length)) = bases.find(None, path) {
        assert!(path.is_char_boundary(length));
    }
    if Template::parse(second).is_ok() {
        let resources = Resources::new([("GET", second)].into_iter());
        if let Ok(resources) = resources {
            let _ = resources.find(&"GET".parse().expect("a method"), path);
            let _ = resources.allow(path);
        }
    }
});
