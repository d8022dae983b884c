//! Challenges of backends: any header is taken apart, and what is found can be written down and found again.
#![no_main]

use apim_gateway::upstream::Challenge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &str| {
    let found = Challenge::parse(value);
    let mut text = String::new();
    for challenge in &found {
        assert!(!challenge.scheme.is_empty() && challenge.parameters.len() <= 64);
        text.push_str(&format!("{} ", challenge.scheme));
        for (name, value) in &challenge.parameters {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            text.push_str(&format!("{name}=\"{value}\", "));
        }
    }
    if text.len() <= 8 << 10 {
        assert_eq!(Challenge::parse(&text), found);
    }
});
