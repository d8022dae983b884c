//! The first administrator.

use apim_core::Secret;
use apim_core::model::Tenant;
use apim_core::store::UserStore as _;
use apim_keymgr::password::{self, Cost};
use apim_store::Store;
use apim_store::service::seed;
use aws_lc_rs::rand;
use launch::{Failure, OrFail as _};

/// The environment variable that sets the first administrator's password.
const PASSWORD: &str = "APIM_ADMIN_PASSWORD";

const NAME: &str = "admin";

/// An administrator who was made just now.
pub struct Administrator {
    /// The password, if nobody chose it; it is shown once.
    made_up: Option<Secret>,
}

impl Administrator {
    /// Makes the first administrator and what else a fresh installation needs; none if there is one already.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub async fn first(store: &Store) -> Result<Option<Self>, Failure> {
        let users = store.users(&Tenant::default()).await.or_fail("cannot read the users")?;
        if !users.is_empty() {
            return Ok(None);
        }
        let (password, made_up) = match std::env::var(PASSWORD) {
            Ok(chosen) if chosen.is_empty() => return Err(Failure::new(format!("{PASSWORD} is empty"))),
            Ok(chosen) => (Secret::new(chosen), None),
            Err(_) => {
                let made_up = make_up()?;
                (made_up.clone(), Some(made_up))
            }
        };
        let hash = password::hash(password.expose(), Cost::default()).or_fail("cannot hash a password")?;
        seed::seed(store, NAME, &hash).await.or_fail("cannot make the first administrator")?;
        Ok(Some(Self { made_up }))
    }

    /// What whoever started the server has to know.
    pub fn describe(&self) -> String {
        match &self.made_up {
            Some(password) => {
                format!("administrator  {NAME}, password {} (shown this once)\n", password.expose())
            }
            None => format!("administrator  {NAME}, password as set by {PASSWORD}\n"),
        }
    }
}

/// Twenty-four letters and digits: more than 120 bits.
fn make_up() -> Result<Secret, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| Failure::new("the system has no randomness"))?;
    Ok(Secret::new(bytes.map(|byte| char::from(LETTERS[usize::from(byte % 32)])).iter().collect::<String>()))
}
