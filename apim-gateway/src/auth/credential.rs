//! Finds the credential in a request, and takes it out.

use std::borrow::Cow;
use std::ops::Range;

use apim_core::model::Schemes;
use apim_core::{Exchange, Fault};
use http::header::{AUTHORIZATION, Entry};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::jwt::invalid;

/// Bytes an API key may have.
const LONGEST_KEY: usize = 1024;

pub(crate) const INTERNAL_KEY: HeaderName = HeaderName::from_static("internal-key");

/// Where an API's credentials stand.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    pub(crate) schemes: Schemes,
    names: Names,
}

/// The headers of tokens and of API keys. Most APIs have the usual ones, and nothing of their own to be looked at.
#[derive(Debug, Clone)]
enum Names {
    Usual,
    Own(Box<[HeaderName; 2]>),
}

/// What is said of nearly all APIs, which therefore need no text of their own.
const USUALLY_MISSING: &str = "Invalid Credentials. Make sure your API invocation call has a header: \
    'Authorization : Bearer ACCESS_TOKEN'";

static USUAL: [HeaderName; 2] = [AUTHORIZATION, HeaderName::from_static("apikey")];

/// What a caller presented.
pub(super) enum Credential {
    Token(Text),
    ApiKey(Text),
}

/// A part of a header value, shared with it.
pub(super) struct Text {
    value: HeaderValue,
    range: Range<usize>,
}

impl Text {
    fn whole(value: HeaderValue) -> Self {
        let range = 0..value.len();
        Self { value, range }
    }

    pub(super) fn as_str(&self) -> &str {
        let bytes = self.value.as_bytes().get(self.range.clone()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Readers {
    /// With headers of the API's own, if it has any.
    pub(crate) fn new(
        schemes: Schemes,
        authorization: Option<HeaderName>,
        api_key: Option<HeaderName>,
    ) -> Self {
        let [token, key] = USUAL.clone();
        let names = [authorization.unwrap_or(token), api_key.unwrap_or(key)];
        let names = if names == USUAL { Names::Usual } else { Names::Own(Box::new(names)) };
        Self { schemes, names }
    }

    /// The header that carries tokens.
    pub(crate) fn authorization(&self) -> &HeaderName {
        let [token, _] = self.names();
        token
    }

    /// The header that carries API keys.
    pub(crate) fn api_key(&self) -> &HeaderName {
        let [_, key] = self.names();
        key
    }

    fn names(&self) -> &[HeaderName; 2] {
        match &self.names {
            Names::Usual => &USUAL,
            Names::Own(own) => own,
        }
    }

    /// What callers are told who bring none, with one example for each scheme.
    pub(super) fn missing(&self) -> Cow<'static, str> {
        match (&self.names, self.schemes) {
            (Names::Usual, Schemes { oauth2: true, api_key: false, .. }) => USUALLY_MISSING.into(),
            _ => self.examples().into(),
        }
    }

    fn examples(&self) -> String {
        let mut examples = Vec::new();
        if self.schemes.oauth2 {
            let name = match self.authorization().as_str() {
                "authorization" => "Authorization",
                other => other,
            };
            examples.push(format!("'{name} : Bearer ACCESS_TOKEN'"));
        }
        if self.schemes.api_key {
            let name = match self.api_key().as_str() {
                "apikey" => "ApiKey",
                other => other,
            };
            examples.push(format!("'{name} : API_KEY'"));
        }
        format!(
            "Invalid Credentials. Make sure your API invocation call has a header: {}",
            examples.join(" or ")
        )
    }

    /// Takes every credential that is meant for the gateway out of a request, so that none reaches the
    /// backend, and answers the one that counts: a token before a key.
    ///
    /// A header that no scheme of the API reads counts as missing and stays, for it is the backend's.
    pub(super) fn take(&self, exchange: &mut Exchange) -> Result<Option<Credential>, Fault> {
        // Nobody issues internal keys for this gateway, so none can be good; and where one is presented, it
        // alone decides (spec: gateway-security, section 1).
        if exchange.headers_mut().remove(INTERNAL_KEY).is_some() {
            return Err(invalid("an internal key was presented"));
        }
        let token = bearer(exchange.headers_mut(), self.authorization());
        let key = if self.schemes.api_key { self.key(exchange)? } else { None };
        match token? {
            Some(token) if self.schemes.oauth2 => Ok(Some(Credential::Token(token))),
            _ => Ok(key.map(Credential::ApiKey)),
        }
    }

    fn key(&self, exchange: &mut Exchange) -> Result<Option<Text>, Fault> {
        let from_query = match without_key(exchange.uri()) {
            Some((uri, key)) => {
                // Not in logs either.
                let shown = without_key(&exchange.context().uri).map(|(uri, _)| uri);
                exchange.head_mut().uri = uri;
                if let Some(shown) = shown {
                    exchange.context_mut().uri = shown;
                }
                Some(key)
            }
            None => None,
        };
        let Entry::Occupied(entry) = exchange.headers_mut().entry(self.api_key()) else {
            return from_query.transpose().map(|key| key.map(Text::whole)).map_err(|()| ambiguous());
        };
        let (_, mut values) = entry.remove_entry_mult();
        match (values.next(), values.next(), from_query) {
            (Some(key), None, None) if key.len() <= LONGEST_KEY => Ok(Some(Text::whole(key))),
            _ => Err(ambiguous()),
        }
    }
}

fn ambiguous() -> Fault {
    invalid("more than one API key, or one that cannot be one")
}

/// Takes the bearer token out of a header; what other schemes have there stays.
fn bearer(headers: &mut HeaderMap, name: &HeaderName) -> Result<Option<Text>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_none() && memchr::memchr(b',', first.as_bytes()).is_none() {
        let bytes = first.as_bytes();
        let Some(range) = token(bytes).filter(|_| bytes.is_ascii()) else { return Ok(None) };
        return Ok(headers.remove(name).map(|value| Text { value, range }));
    }
    several(headers, name)
}

/// The seldom case of more than one value, or of more than one scheme in a value.
fn several(headers: &mut HeaderMap, name: &HeaderName) -> Result<Option<Text>, Fault> {
    let values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    headers.remove(name);
    let mut tokens = Vec::new();
    for value in values {
        let text = value.to_str().map_err(|_| invalid("the header is not ASCII"))?;
        let (bearers, others): (Vec<_>, Vec<_>) =
            text.split(',').map(str::trim).partition(|segment| token(segment.as_bytes()).is_some());
        tokens.extend(bearers.into_iter().map(str::to_owned));
        if !others.is_empty()
            && let Ok(others) = HeaderValue::from_str(&others.join(", "))
        {
            headers.append(name, others);
        }
    }
    match &tokens[..] {
        [] => Ok(None),
        [one] => {
            let value = HeaderValue::from_str(one).map_err(|_| invalid("the token is not ASCII"))?;
            Ok(token(one.as_bytes()).map(|range| Text { value, range }))
        }
        _ => Err(invalid("more than one bearer token was presented")),
    }
}

/// Where the token stands behind `Bearer `, in whatever case (RFC 6750 section 2.1).
fn token(text: &[u8]) -> Option<Range<usize>> {
    let (scheme, token) = text.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") || !token.is_empty() && !token.starts_with(b" ") {
        return None;
    }
    let start = 6 + (token.len() - token.trim_ascii_start().len());
    Some(start..start + token.trim_ascii().len())
}

/// The target without `apikey=…`, and the key that stood there; an error if it is none or there are two.
fn without_key(uri: &Uri) -> Option<(Uri, Result<HeaderValue, ()>)> {
    let key_of = |pair: &str| {
        pair.split_once('=')
            .filter(|(name, _)| name.eq_ignore_ascii_case("apikey"))
            .map(|(_, value)| value.to_owned())
    };
    let query = uri.query()?;
    let keys: Vec<String> = query.split('&').filter_map(key_of).collect();
    if keys.is_empty() {
        return None;
    }
    let key = match &keys[..] {
        [one] if !one.is_empty() && one.len() <= LONGEST_KEY => decoded(one).ok_or(()),
        _ => Err(()),
    };
    let rest = query.split('&').filter(|pair| key_of(pair).is_none()).collect::<Vec<_>>().join("&");
    let target = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{rest}", uri.path()) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Some((Uri::from_parts(parts).ok()?, key))
}

fn decoded(text: &str) -> Option<HeaderValue> {
    // Form decoding, as pages write queries; a key is ASCII in any case.
    let pair = format!("k={text}");
    let (_, key) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
    HeaderValue::from_str(&key).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::{Body, Context, Peer, RequestId, Timestamp};

    use super::*;

    fn take(values: &[&'static str]) -> (Result<Option<String>, ()>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        let found = bearer(&mut headers, &AUTHORIZATION);
        let left = headers.get_all(AUTHORIZATION).iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        (found.map(|text| text.map(|text| text.as_str().to_owned())).map_err(drop), left)
    }

    #[test]
    fn what_is_missing_is_said_with_an_example_of_each_scheme() {
        let schemes = |oauth2, api_key| Schemes { oauth2, api_key, mutual_tls: false };
        let usual = Readers::new(schemes(true, false), None, None);
        assert_eq!(usual.missing(), usual.examples());
        let own = Readers::new(schemes(true, true), Some(HeaderName::from_static("x-token")), None);
        let missing = own.missing();
        assert!(missing.ends_with(": 'x-token : Bearer ACCESS_TOKEN' or 'ApiKey : API_KEY'"), "{missing}");
    }

    #[test]
    fn only_the_bearer_segment_is_taken() {
        assert_eq!(take(&["Bearer abc"]), (Ok(Some("abc".into())), vec![]));
        assert_eq!(take(&["bEARER   abc "]), (Ok(Some("abc".into())), vec![]));
        assert_eq!(take(&["Bearer"]), (Ok(Some(String::new())), vec![]));
        assert_eq!(take(&["Basic eDp5, Bearer abc"]), (Ok(Some("abc".into())), vec!["Basic eDp5".into()]));
        assert_eq!(take(&["Basic eDp5"]), (Ok(None), vec!["Basic eDp5".into()]));
        assert_eq!(take(&["Bearerabc"]), (Ok(None), vec!["Bearerabc".into()]));
        assert_eq!(take(&[]), (Ok(None), vec![]));
    }

    #[test]
    fn two_bearer_tokens_are_no_token_and_neither_is_sent_on() {
        assert_eq!(take(&["Bearer a", "Bearer b"]), (Err(()), vec![]));
        assert_eq!(take(&["Bearer a, Bearer b"]), (Err(()), vec![]));
    }

    #[test]
    fn a_key_in_the_query_is_neither_sent_on_nor_remembered() {
        let (head, _) = http::Request::get("/pets?a=1&apikey=x").body(()).unwrap().into_parts();
        let peer = Peer { address: ([192, 0, 2, 1], 1).into(), tls: false };
        let context = Context::new(RequestId(1), peer, Timestamp::default(), &head);
        let mut exchange = Exchange::new(http::Request::from_parts(head, Body::empty()), context);
        let schemes = Schemes { oauth2: false, api_key: true, mutual_tls: false };
        let taken = Readers::new(schemes, None, None).take(&mut exchange).unwrap();
        assert!(matches!(taken, Some(Credential::ApiKey(key)) if key.as_str() == "x"));
        assert_eq!(
            (exchange.uri(), &exchange.context().uri),
            (&"/pets?a=1".parse().unwrap(), &"/pets?a=1".parse().unwrap())
        );
    }

    #[test]
    fn a_key_is_cut_out_of_the_query() {
        let uri: Uri = "/pets?a=1&ApiKey=x%2By&b=2".parse().unwrap();
        let (rest, key) = without_key(&uri).unwrap();
        assert_eq!((rest.to_string().as_str(), key.unwrap().to_str().unwrap()), ("/pets?a=1&b=2", "x+y"));
        let (rest, key) = without_key(&"http://h/pets?apikey=a&apikey=b".parse().unwrap()).unwrap();
        assert_eq!((rest.to_string().as_str(), key), ("http://h/pets", Err(())));
        assert!(without_key(&"/pets?myapikey=a".parse().unwrap()).is_none());
    }
}
