//! Which client is asking, and how it proves that (RFC 6749 section 2.3).

use apim_core::model::ClientId;
use apim_core::password::Credentials;
use apim_core::store::Client;
use url::form_urlencoded;

use crate::call::Call;
use crate::client::secret_matches;
use crate::error::OAuthError;
use crate::form::Form;
use crate::server::Core;

/// Finds out who is asking: by Basic, by parameters in the body, or, for public clients, by `client_id`
/// alone. More than one method at once is refused (RFC 6749 section 2.3).
///
/// Having the answer is the proof; there is no other way to a client in the endpoints.
pub(crate) async fn authenticate(core: &Core, call: &Call, form: &Form) -> Result<Client, OAuthError> {
    let named = form.get("client_id");
    let secret = form.get("client_secret");
    match (call.basic()?, named, secret) {
        (Some(_), _, Some(_)) => Err(OAuthError::request("two ways of client authentication at once")),
        (Some(basic), named, None) => {
            let client = by_basic(core, &basic).await?;
            if named.is_some_and(|named| named != client.id.as_str()) {
                return Err(OAuthError::request("client_id is not the client that authenticated"));
            }
            Ok(client)
        }
        (None, Some(named), secret) => {
            let client = find(core, named).await?.ok_or_else(OAuthError::client)?;
            proven(client, secret.unwrap_or_default())
        }
        (None, None, _) => Err(OAuthError::client()),
    }
}

/// Checks a pair that came as `Authorization: Basic`.
///
/// RFC 6749 section 2.3.1 wants both halves form-encoded, and many clients forget; so each half is good
/// either way. Secrets made here look the same both ways.
pub(crate) async fn by_basic(core: &Core, basic: &Credentials) -> Result<Client, OAuthError> {
    let client = find_basic(core, basic).await?.ok_or_else(OAuthError::client)?;
    let password = basic.password.expose();
    proven(client.clone(), password).or_else(|_| proven(client, &decoded(password)))
}

/// The client that a Basic pair names, not yet proven.
pub(crate) async fn find_basic(core: &Core, basic: &Credentials) -> Result<Option<Client>, OAuthError> {
    match find(core, &basic.name).await? {
        None => find(core, &decoded(&basic.name)).await,
        found => Ok(found),
    }
}

async fn find(core: &Core, id: &str) -> Result<Option<Client>, OAuthError> {
    let client = core.stores.clients.client(&ClientId::from(id)).await?;
    // Ids are unique over all tenants, but this server speaks for one.
    Ok(client.filter(|client| client.tenant == core.config.tenant))
}

fn proven(client: Client, secret: &str) -> Result<Client, OAuthError> {
    let good = if client.public { secret.is_empty() } else { secret_matches(&client, secret) };
    if good { Ok(client) } else { Err(OAuthError::client()) }
}

fn decoded(text: &str) -> String {
    // A form of one nameless value is the decoder that the standard means.
    form_urlencoded::parse(format!("={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
