//! Endpoints of other schemes than HTTP's, which transports serve.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apim_core::fault::Rescue;
use apim_core::model::{Api, Endpoint, Endpoints};
use apim_core::{Answer, Body, BuildError, Context, Exchange, Fault, Route, Transport, fault};
use http::{Request, Response, StatusCode};

use crate::transport::hop;
use crate::tries;
use crate::upstream::{choose, vouch};

/// Schemes that the upstream speaks.
const OWN: [&str; 4] = ["http", "https", "ws", "wss"];

/// The transports that the configuration names, by scheme.
#[derive(Default)]
pub(crate) struct Transports(BTreeMap<String, Arc<dyn Transport>>);

impl Transports {
    /// As the configuration lists them.
    pub(crate) fn new(list: Vec<Arc<dyn Transport>>) -> Result<Self, BuildError> {
        let mut transports = BTreeMap::new();
        for (index, transport) in list.into_iter().enumerate() {
            let place = format!("gateway.transports[{index}]");
            let scheme = transport.scheme().to_owned();
            if OWN.contains(&&*scheme) {
                return Err(BuildError::at(place, format!("the gateway speaks `{scheme}` itself")));
            }
            if transports.insert(scheme.clone(), transport).is_some() {
                return Err(BuildError::at(place, format!("another transport serves `{scheme}` already")));
            }
        }
        Ok(Self(transports))
    }

    /// Who serves an endpoint, if it is a transport.
    pub(super) fn of(&self, endpoint: &Endpoint) -> Option<&Arc<dyn Transport>> {
        let (scheme, _) = endpoint.url.split_once(':')?;
        self.0.get(&scheme.to_ascii_lowercase())
    }

    /// Connects to those of an API's endpoints that transports serve; none if there are none.
    pub(super) async fn connect(
        &self,
        api: &Api,
        rescue: &Arc<dyn Rescue>,
    ) -> Result<Option<Foreign>, BuildError> {
        let Endpoints { production, sandbox, .. } = &api.endpoints;
        if production.iter().chain(sandbox).all(|endpoint| self.of(endpoint).is_none()) {
            return Ok(None);
        }
        Ok(Some(Foreign {
            production: self.side("endpoints.production", production.as_ref(), rescue).await?,
            sandbox: self.side("endpoints.sandbox", sandbox.as_ref(), rescue).await?,
        }))
    }

    async fn side(
        &self,
        place: &str,
        endpoint: Option<&Endpoint>,
        rescue: &Arc<dyn Rescue>,
    ) -> Result<Option<Side>, BuildError> {
        let Some(endpoint) = endpoint else { return Ok(None) };
        let Some(transport) = self.of(endpoint) else { return Ok(Some(Side::Upstream)) };
        let connected = Connected::new(&**transport, endpoint, rescue).await;
        connected.map(|connected| Some(Side::Transport(connected))).map_err(|error| error.within(place))
    }
}

/// The endpoints of an API of which transports serve at least one.
pub(super) struct Foreign {
    production: Option<Side>,
    sandbox: Option<Side>,
}

enum Side {
    Upstream,
    Transport(Connected),
}

impl Side {
    fn is_foreign(&self) -> bool {
        matches!(self, Self::Transport(_))
    }
}

impl Foreign {
    /// The API with only those endpoints that no transport serves.
    pub(super) fn others(&self, api: &Api) -> Api {
        let mut api = api.clone();
        if self.production.as_ref().is_some_and(Side::is_foreign) {
            api.endpoints.production = None;
        }
        if self.sandbox.as_ref().is_some_and(Side::is_foreign) {
            api.endpoints.sandbox = None;
        }
        api
    }

    /// The transport for this caller's key; none if the upstream serves it.
    pub(super) fn choose(&self, context: &Context) -> Result<Option<&Connected>, Fault> {
        match choose(context, self.production.as_ref(), self.sandbox.as_ref())? {
            Side::Transport(connected) => Ok(Some(connected)),
            Side::Upstream => Ok(None),
        }
    }
}

/// An endpoint that a transport serves.
pub(super) struct Connected {
    route: Route,
    destination: Arc<str>,
}

impl Connected {
    async fn new(
        transport: &dyn Transport,
        endpoint: &Endpoint,
        rescue: &Arc<dyn Rescue>,
    ) -> Result<Self, BuildError> {
        let understood = Endpoint {
            timeout_ms: endpoint.timeout_ms,
            timeout_status: endpoint.timeout_status,
            ..Endpoint::new(endpoint.url.clone())
        };
        if *endpoint != understood {
            let why =
                "of an endpoint that a transport serves only `url`, `timeout_ms` and `timeout_status` count";
            return Err(BuildError::at("", why));
        }
        let status = StatusCode::from_u16(endpoint.timeout_status)
            .map_err(|error| BuildError::at("timeout_status", error))?;
        let route = transport.connect(endpoint).await?;
        let destination: Arc<str> = endpoint.url.as_str().into();
        let route = match endpoint.timeout_ms {
            0 => route,
            limit => in_time(route, Duration::from_millis(limit), status, destination.clone(), rescue),
        };
        Ok(Self { route, destination })
    }

    pub(super) async fn call(&self, mut exchange: Exchange, rescue: &dyn Rescue) -> Answer {
        if let Err(error) = exchange.write() {
            let mut answer = exchange.answer(Response::default());
            answer.fail(error.into(), rescue);
            return answer;
        }
        let mut headers = std::mem::take(exchange.headers_mut());
        vouch(&mut headers, exchange.context());
        let context = exchange.context_mut();
        context.destination = Some(self.destination.clone());
        context.backend_started = Some(Instant::now());
        tries::begin(context, &mut headers, &self.destination);
        *exchange.headers_mut() = headers;
        let mut answer = self.route.pass(exchange, "transport", rescue).await;
        answer.context_mut().backend_ended = Some(Instant::now());
        if let Some(code) = answer.context().fault.as_ref().map(|fault| fault.code()) {
            tries::failed(answer.context_mut(), code);
            return answer;
        }
        let status = answer.status();
        tries::answered(answer.context_mut(), status);
        answer.context_mut().answered_by = None;
        answer.context_mut().backend_status = Some(status);
        if status.is_informational() {
            let detail = format!("{} answered {status}, which is no answer", self.destination);
            answer.fail(Fault::new(fault::BACKEND_PROTOCOL).detail(detail), rescue);
        }
        hop::clean_response(answer.headers_mut());
        answer
    }
}

/// A route whose response's head must come in time.
fn in_time(
    route: Route,
    limit: Duration,
    status: StatusCode,
    destination: Arc<str>,
    rescue: &Arc<dyn Rescue>,
) -> Route {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (route, destination) = (route.clone(), destination.clone());
        async move {
            tokio::time::timeout(limit, route.call(request)).await.map_err(|_| {
                Fault::new(fault::BACKEND_TIMEOUT)
                    .with_status(status)
                    .detail(format!("{destination} sent no response within {limit:?}"))
            })
        }
    });
    Route::from_service(service, rescue.clone())
}
