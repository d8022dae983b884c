//! What a gateway elsewhere needs to join: `join.json` in the data folder.

use apim_core::Secret;
use aws_lc_rs::rand;
use launch::{Authority, Data, Failure, OrFail as _};
use serde_json::{Value, json};

const FILE: &str = "join.json";

/// The control plane's address, the certificate to trust, and a token that only gateways use.
pub struct Join {
    token: Secret,
}

impl Join {
    /// Reads the file, or writes it at the first start; the token stays the same over restarts.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn open(data: &Data, authority: &Authority, url: &str) -> Result<Self, Failure> {
        let known = data.read(FILE)?.and_then(|text| {
            let join: Value = serde_json::from_str(&text).ok()?;
            join.get("token")?.as_str().filter(|token| token.len() == 64).map(str::to_owned)
        });
        let token = match known {
            Some(token) => token,
            None => make()?,
        };
        // The address may have moved since the last start.
        let join = json!({"url": url, "ca": authority.pem(), "token": token});
        let text = serde_json::to_string_pretty(&join).or_fail("cannot write join.json")?;
        data.write(FILE, &text)?;
        Ok(Self { token: Secret::new(token) })
    }

    /// The token.
    pub fn token(&self) -> Secret {
        self.token.clone()
    }
}

fn make() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Failure::new("the system has no randomness"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
