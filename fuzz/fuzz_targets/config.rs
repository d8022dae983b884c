//! A gateway's configuration: any text is read or refused; what is accepted stays within bounds.
#![no_main]

use std::time::Duration;

use apim_gateway::config::File;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match File::parse(text).and_then(File::resolve) {
        Ok(gateway) => assert!(gateway.leeway <= Duration::from_secs(300)),
        Err(error) => assert!(!error.mistakes().is_empty(), "refused without saying why"),
    }
});
