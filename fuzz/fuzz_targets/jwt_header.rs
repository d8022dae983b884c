//! Tokens: any text is taken apart or refused; what is refused is so for a reason that can be told.
#![no_main]

use apim_gateway::auth::Decoded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &str, &str)| {
    let (encode, header, rest) = input;
    // Half of the time the parts are encoded here, so that the fuzzer reaches the JSON behind them.
    let token = if encode {
        let (claims, signature) = rest.split_once('\n').unwrap_or((rest, "sig"));
        format!("{}.{}.{}", base64(header), base64(claims), base64(signature))
    } else {
        format!("{header}{rest}")
    };
    let refused = match Decoded::parse(&token) {
        Ok(decoded) => {
            decoded.read().map(|unverified| std::hint::black_box(unverified.issuer().map(str::len))).err()
        }
        Err(error) => Some(error),
    };
    assert!(refused.is_none_or(|error| !error.to_string().is_empty()));
});

/// base64url without padding (RFC 4648 section 5).
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = move |index: usize| char::from(DIGITS[(bits >> (18 - 6 * index)) as usize & 63]);
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    text.as_bytes().chunks(3).map(digits).collect()
}
