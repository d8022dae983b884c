//! An endpoint, resolved when its API is deployed: its members, which of them a call goes to, and what is known
//! of them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apim_core::model::{Balance, Endpoint, HealthCheck};
use apim_core::{BuildError, Clock, Fault, Timestamp, Worker, fault};
use http::StatusCode;

use super::balance::Turns;
use super::health::Patient;
use super::load::Load;
use super::pool::{Own, Settings};
use super::retry::Retrying;
use super::rules;
use super::security::Security;
use super::standing::{Admitted, Crew, Fate, Rules, Standing};
use super::target::{Address, Place, Target};
use super::tls::OwnTls;
use super::{Inner, UpstreamConfig};

/// Members of which one call has been sent to some.
pub(super) type Tried = u64;

/// An endpoint, ready to be called. Shared by all workers.
pub(super) struct Group {
    pub(super) members: Box<[Member]>,
    /// By worker and member. Made with the worker's first call, so that what is never called costs nothing.
    targets: Box<[OnceLock<Arc<Target>>]>,
    turns: Turns,
    pub(super) wait: Wait,
    // What is large and seldom there is boxed, so that what every call looks at stands close together.
    pub(super) retry: Option<Box<Retrying>>,
    pub(super) security: Option<Box<Security>>,
    pub(super) health: Option<Box<HealthCheck>>,
    settings: Arc<Settings>,
    rules: Box<Rules>,
    crew: Crew,
    /// Requests in hand at each member.
    most: u32,
    /// Whether requests in hand are counted.
    counts: bool,
    /// Whether there is one member, and nothing that could speak against calling it.
    plain: bool,
    clock: Arc<dyn Clock>,
}

/// One backend of an endpoint.
pub(super) struct Member {
    pub(super) address: Address,
    standing: Standing,
    load: Load,
    /// As the active checks have found it.
    pub(super) well: AtomicBool,
}

/// How long to wait for a response's head, and what to say when that was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) time: Duration,
    pub(super) status: StatusCode,
}

impl Wait {
    fn of(endpoint: &Endpoint) -> Self {
        let status = StatusCode::from_u16(endpoint.timeout_status).unwrap_or(StatusCode::GATEWAY_TIMEOUT);
        let millis = if endpoint.timeout_ms == 0 { u64::MAX } else { endpoint.timeout_ms };
        Self { time: Duration::from_millis(millis), status }
    }

    pub(super) fn over(self, target: &Target) -> Fault {
        Fault::new(fault::BACKEND_TIMEOUT)
            .with_status(self.status)
            .rule("endpoint.timeout")
            .wanted(self.time)
            .found(target.destination.clone())
            .detail("no response was sent in time")
    }
}

/// A member that was chosen for a call. Whoever has it reports what became of the call.
pub(super) struct Picked {
    pub(super) member: usize,
    admitted: Option<Admitted>,
    /// Held until the response's body has ended.
    pub(super) busy: Option<Busy>,
}

/// One request in hand at a member, until it is dropped.
pub(super) struct Busy {
    group: Arc<Group>,
    member: usize,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.group.members[self.member].load.end();
    }
}

impl Group {
    /// Resolves an endpoint for so many workers.
    pub(super) fn new(endpoint: &Endpoint, upstream: &Inner) -> Result<Self, BuildError> {
        rules::check(endpoint)?;
        let config = upstream.config();
        let tls = endpoint.tls.as_deref().map(|own| OwnTls::new(own, config.tls.as_deref()));
        let tls = tls.transpose().map_err(|error| error.within("tls"))?.map(Arc::new);
        let usual = upstream.settings.as_own();
        let security = endpoint.security.as_deref().map(|security| {
            let made = Security::new(security, tls.as_deref(), usual.as_ref(), &upstream.clock);
            made.map_err(|error| error.within("security"))
        });
        let given = rules::members(endpoint);
        let mut members = Vec::with_capacity(given.len());
        for (index, member) in given.iter().enumerate() {
            let place = Place::parse(&member.url);
            let within = |error: BuildError| match endpoint.members.is_empty() {
                true => error,
                false => error.within(&format!("members[{index}]")),
            };
            let place = place.map_err(within)?;
            members.push(Member::at(place, &member.url, endpoint, tls.clone(), config));
        }
        let rules = Rules {
            suspension: endpoint.suspension.as_deref().cloned(),
            ejection: endpoint.ejection.as_deref().cloned(),
            breaker: endpoint.breaker.as_deref().cloned(),
        };
        let counts = endpoint.max_requests.is_some() || endpoint.policy == Balance::LeastLoaded;
        Ok(Self {
            targets: (0..members.len() * upstream.workers.len()).map(|_| OnceLock::new()).collect(),
            turns: Turns::new(endpoint.policy, &given, upstream.workers.len(), upstream.chance()),
            wait: Wait::of(endpoint),
            retry: Retrying::of(endpoint).map(Box::new),
            security: security.transpose()?.map(Box::new),
            health: endpoint.health.clone(),
            settings: upstream.settings.clone(),
            most: endpoint.max_requests.unwrap_or(u32::MAX),
            counts,
            plain: members.len() == 1 && !rules.any() && !counts && endpoint.health.is_none(),
            crew: Crew::of(members.len()),
            rules: Box::new(rules),
            members: members.into(),
            clock: upstream.clock.clone(),
        })
    }

    /// Takes over how the members stand that another has, too.
    pub(super) fn take_over(&mut self, akin: &Self) {
        for member in &mut self.members {
            if let Some(known) = akin.members.iter().find(|known| known.address.url == member.address.url) {
                member.standing = known.standing.copied(&self.crew);
                member.well = AtomicBool::new(known.well.load(Relaxed));
            }
        }
    }

    /// Where it leads, if it may be had in common: there is nothing to be learned of it, and nothing of its own.
    pub(super) fn in_common(&self) -> Option<&str> {
        let alone = self.plain && self.retry.is_none() && self.security.is_none();
        let member = self.members.first().filter(|member| alone && member.address.tls.is_none())?;
        Some(&member.address.url)
    }

    /// Whether calls teach it anything that the next should know.
    pub(super) fn learns(&self) -> bool {
        !self.plain
    }

    /// Whether it was resolved by this upstream.
    pub(super) fn belongs_to(&self, upstream: &Inner) -> bool {
        Arc::ptr_eq(&self.settings, &upstream.settings)
    }

    /// Whether it does the same as another, where both may be had in common.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let way = |group: &Self| {
            let address = &group.members[0].address;
            (address.http2, address.connect_timeout, address.body_timeout, group.wait)
        };
        self.in_common().is_some() && self.in_common() == other.in_common() && way(self) == way(other)
    }

    /// A member as a worker calls it.
    pub(super) fn target(&self, own: &Own, worker: Worker, member: usize) -> &Arc<Target> {
        let worker = worker.0 % (self.targets.len() / self.members.len());
        let place = &self.targets[worker * self.members.len() + member];
        place.get_or_init(|| Arc::new(own.target(&self.members[member].address)))
    }

    /// A member as it is asked for its health.
    pub(super) fn destination(&self, member: usize) -> Patient {
        let address = &self.members[member].address;
        // HTTP/1.1 over TLS is what every backend has; in the clear it is what the endpoint says.
        let (_, to) = self.settings.destinations(address);
        let http2 = address.http2 && !address.secure;
        Patient { to, host: address.header.clone(), http2 }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The member for a call, as yet untried.
    pub(super) fn pick(self: &Arc<Self>, worker: Worker, tried: Tried) -> Result<Picked, Fault> {
        if self.plain {
            return Ok(Picked { member: 0, admitted: None, busy: None });
        }
        let now = self.clock.now().as_millis();
        let fresh = |member: &usize| tried & (1 << member) == 0;
        let picked = match &self.turns {
            Turns::First => self.first(0..self.members.len(), fresh, now),
            Turns::Cycle(list, turns) => self.first(Turns::from_turn(list, turns, worker), fresh, now),
            Turns::TwoAtRandom(turns) => {
                let (one, other) = Turns::two(turns, worker, self.members.len());
                let cost = |member: usize| self.members[member].load.cost(now);
                let order = if cost(one) <= cost(other) { [one, other] } else { [other, one] };
                self.first(order.into_iter().chain(0..self.members.len()), fresh, now)
            }
        };
        picked.ok_or_else(|| self.none_ready(now))
    }

    /// Whether one could be picked that has not been tried.
    pub(super) fn has_another(&self, tried: Tried) -> bool {
        let now = self.clock.now().as_millis();
        let able = |(index, member): (usize, &Member)| {
            tried & (1 << index) == 0 && member.is_able(now) && member.load.has_room(self.most)
        };
        self.members.iter().enumerate().any(able)
    }

    fn first(
        self: &Arc<Self>,
        order: impl IntoIterator<Item = usize>,
        fresh: impl Fn(&usize) -> bool,
        now: u64,
    ) -> Option<Picked> {
        order.into_iter().filter(fresh).find_map(|member| self.take(member, now))
    }

    fn take(self: &Arc<Self>, index: usize, now: u64) -> Option<Picked> {
        let member = &self.members[index];
        if !member.is_able(now) {
            return None;
        }
        let busy = match self.counts {
            true => {
                member.load.begin(self.most).then(|| Busy { group: self.clone(), member: index }).map(Some)?
            }
            false => None,
        };
        let admitted = match self.rules.any() {
            true => Some(member.standing.admit(now)?),
            false => None,
        };
        Some(Picked { member: index, admitted, busy })
    }

    /// Learns what became of a call, and how long the response's head took.
    pub(super) fn learn(&self, picked: &Picked, fate: Fate, took: Duration) {
        let member = &self.members[picked.member];
        let now = || self.clock.now().as_millis();
        if let Some(admitted) = picked.admitted {
            member.standing.learn(fate, admitted, &self.rules, &self.crew, now());
        }
        if self.counts && !matches!(fate, Fate::Error(_)) {
            member.load.took(took, now());
        }
    }

    /// Why no member may be called.
    fn none_ready(&self, now: u64) -> Fault {
        let code = if self.members.len() == 1 { fault::BACKEND_SUSPENDED } else { fault::BACKEND_GROUP_DOWN };
        let mut why = Vec::new();
        let mut back = None::<u64>;
        for member in &self.members {
            let (url, until) = (&member.address.url, member.standing.closed_until());
            why.push(if !member.well.load(Relaxed) {
                format!("{url} is unwell")
            } else if until > now {
                back = Some(back.map_or(until, |back| back.min(until)));
                format!("{url} is left alone for {} ms", until - now)
            } else {
                format!("{url} has {} requests in hand", self.most)
            });
        }
        let fault = Fault::new(code).rule("endpoint.members").detail(why.join("; "));
        match back {
            Some(until) => fault.retry_at(Timestamp::from_millis(until)),
            None => fault,
        }
    }
}

impl Member {
    fn at(
        place: Place,
        url: &str,
        endpoint: &Endpoint,
        tls: Option<Arc<OwnTls>>,
        config: &UpstreamConfig,
    ) -> Self {
        let or = |millis: Option<u64>, usual| millis.map_or(usual, Duration::from_millis);
        let Place { authority, header, base, secure, host, port } = place;
        let address = Address {
            url: url.into(),
            authority,
            header,
            base,
            secure,
            host,
            port,
            http2: endpoint.http2,
            tls,
            connect_timeout: or(endpoint.connect_timeout_ms, config.connect_timeout),
            body_timeout: or(endpoint.body_timeout_ms, config.body_timeout),
        };
        Self { address, standing: Standing::default(), load: Load::default(), well: AtomicBool::new(true) }
    }

    fn is_able(&self, now: u64) -> bool {
        self.well.load(Relaxed) && self.standing.is_open(now)
    }
}
