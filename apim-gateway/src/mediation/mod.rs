//! Runs an API's mediators.
//!
//! An API names mediators in its lists `request`, `response` and `fault`; each operation may add to the first
//! two. [`compile`] builds them when the API is deployed. [`Sequences::links`] then gives two links: one that runs
//! requests and responses, to stand behind everything else, and one that runs faults, to stand in front, so that
//! it also sees what authentication refuses. An API without mediators has neither and pays for neither.
//!
//! | name | does | in |
//! |---|---|---|
//! | `set-header`, `remove-header` | change a header | all |
//! | `rewrite-path` | replaces the path towards the backend | `request` |
//! | `set-query`, `remove-query` | change a query parameter | `request` |
//! | `change-method` | replaces the method towards the backend | `request` |
//! | `set-endpoint` | chooses the endpoint, by name or URL | `request` |
//! | `json-template` | makes a JSON body | all |
//! | `json-to-xml`, `xml-to-json` | convert the body | all |
//! | `respond` | answers | all |
//!
//! Values may refer to the message: see [`template`].

mod endpoint;
mod handler;
mod header;
mod message;
mod payload;
mod respond;
mod target;
pub mod template;

use std::fmt;
use std::sync::Arc;

use apim_core::model::Api;
use apim_core::{BuildError, Entry, Link, Mediator, Parts, Registry};

pub use endpoint::SetEndpoint;
pub use header::{RemoveHeader, SetHeader};
pub use payload::{JsonTemplate, JsonToXml, XmlToJson};
pub use respond::Respond;
pub use target::{ChangeMethod, RemoveQuery, RewritePath, SetQuery};

/// What makes no sense once the request has been sent.
const REQUEST_ONLY: [&str; 5] =
    ["rewrite-path", "set-query", "remove-query", "change-method", "set-endpoint"];

/// Mediators that one API may have.
const MOST: usize = 1_000;

/// The mediators of this module.
///
/// ```
/// let mediators = apim_gateway::mediation::builtin();
/// assert!(mediators.names().any(|name| name == "set-header"));
/// ```
pub fn builtin() -> Registry<Arc<dyn Mediator>> {
    Registry::default()
        .with::<SetHeader>()
        .with::<RemoveHeader>()
        .with::<RewritePath>()
        .with::<SetQuery>()
        .with::<RemoveQuery>()
        .with::<ChangeMethod>()
        .with::<SetEndpoint>()
        .with::<JsonTemplate>()
        .with::<JsonToXml>()
        .with::<XmlToJson>()
        .with::<Respond>()
}

type Sequence = Box<[Arc<dyn Mediator>]>;

/// The mediators of one API, built.
#[derive(Default)]
pub struct Sequences {
    request: Sequence,
    response: Sequence,
    fault: Sequence,
    /// By the operation's index: what it adds to requests and responses.
    operations: Box<[(Sequence, Sequence)]>,
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequences({} + {} + {})", self.request.len(), self.response.len(), self.fault.len())
    }
}

/// Builds the mediators of an API.
///
/// # Errors
///
/// The first that cannot be built or would be in the wrong list, with its place, as
/// `operations[2].request[0].set-header.name`.
pub async fn compile(
    api: &Api,
    registry: &Registry<Arc<dyn Mediator>>,
    parts: &Parts,
) -> Result<Sequences, BuildError> {
    let lists = api.operations.iter().flat_map(|operation| [&operation.request, &operation.response]);
    let count: usize = lists.chain([&api.request, &api.response, &api.fault]).map(Vec::len).sum();
    if count > MOST {
        return Err(BuildError::at("request", format!("the API has more than {MOST} mediators")));
    }
    let build = async |list, entries: &[Entry]| {
        if list != "request" {
            fits(list, entries)?;
        }
        registry.build_all(list, entries, parts).await.map(Sequence::from)
    };
    let mut operations = Vec::with_capacity(api.operations.len());
    for (index, operation) in api.operations.iter().enumerate() {
        let at = |error: BuildError| error.within(&format!("operations[{index}]"));
        let request = build("request", &operation.request).await.map_err(at)?;
        let response = build("response", &operation.response).await.map_err(at)?;
        operations.push((request, response));
    }
    Ok(Sequences {
        request: build("request", &api.request).await?,
        response: build("response", &api.response).await?,
        fault: build("fault", &api.fault).await?,
        operations: operations.into(),
    })
}

fn fits(list: &str, entries: &[Entry]) -> Result<(), BuildError> {
    match entries.iter().position(|entry| REQUEST_ONLY.contains(&entry.name.as_str())) {
        None => Ok(()),
        Some(index) => {
            let place = format!("{list}[{index}].{}", entries[index].name);
            Err(BuildError::at(place, "it works on requests only"))
        }
    }
}

impl Sequences {
    /// As links of the API's pipeline; see [`Links`].
    pub fn links(self) -> Links {
        handler::links(self)
    }

    /// Whether a request or response meets any mediator.
    fn mediates(&self) -> bool {
        let any = |(request, response): &(Sequence, Sequence)| !request.is_empty() || !response.is_empty();
        !self.request.is_empty() || !self.response.is_empty() || self.operations.iter().any(any)
    }
}

/// Where an API's mediators stand in its pipeline.
#[derive(Debug, Default)]
pub struct Links {
    /// Runs the fault list; stands in front of what may refuse, behind what must see every answer (CORS,
    /// analytics).
    pub outer: Option<Link>,
    /// Runs the request and response lists; stands last.
    pub inner: Option<Link>,
}
