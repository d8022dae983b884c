//! A name and a password as they are sent: whatever is read can be written down and read again.
#![no_main]

use apim_core::password::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &str| {
    let Some(read) = Credentials::parse(value) else { return };
    let (name, password) = (&read.name, read.password.expose());
    assert!(!name.contains(':') && !name.contains('\0') && !password.contains('\0'));
    let again = Credentials::parse(&STANDARD.encode(format!("{name}:{password}"))).unwrap();
    assert_eq!((&again.name, again.password.expose()), (name, password));
});
