//! What is compared, and what must come out.

use crate::world::{CLIENTS, World};

/// One comparison.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// For the command line.
    pub(crate) name: &'static str,
    /// For the table.
    pub(crate) what: &'static str,
    pub(crate) load: Load,
    /// Connections that send one request after the other.
    pub(crate) connections: usize,
    pub(crate) contenders: &'static [Kind],
    pub(crate) goals: &'static [Goal],
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// A GET that is answered by a kilobyte.
    Get,
    /// The same with one of a thousand tokens.
    Tokens,
    /// The same with tokens that are not seen twice.
    FreshTokens,
    /// A POST of ten kilobytes.
    Post,
    /// A GET to every API that the contender has, in turn.
    EveryApi,
}

/// Who is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It checks nothing, in any scenario.
    Nginx,
    /// It checks nothing either, and has a location for each API.
    NginxOfApis {
        name: &'static str,
        apis: usize,
    },
    Haproxy {
        auth: bool,
    },
    Envoy {
        auth: bool,
        cache: bool,
    },
    /// The gateway, and after how many milliseconds an API is deployed again.
    Ours {
        name: &'static str,
        world: World,
        redeploy_ms: Option<u64>,
    },
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy { auth: false } => "HAProxy",
            Self::Haproxy { auth: true } => "HAProxy, token and limit",
            Self::Envoy { auth: false, .. } => "Envoy",
            Self::Envoy { cache: false, .. } => "Envoy, token and limit",
            Self::Envoy { .. } => "Envoy, token and limit, cache",
            Self::NginxOfApis { name, .. } | Self::Ours { name, .. } => name,
        }
    }

    /// Whether it must refuse calls without a good token.
    pub(crate) const fn checks_tokens(self) -> bool {
        match self {
            Self::Nginx | Self::NginxOfApis { .. } => false,
            Self::Haproxy { auth } | Self::Envoy { auth, .. } => auth,
            Self::Ours { world, .. } => world.secured,
        }
    }

    pub(crate) const fn apis(self) -> usize {
        match self {
            Self::Ours { world, .. } => world.apis,
            Self::NginxOfApis { apis, .. } => apis,
            _ => 1,
        }
    }
}

/// A figure that must hold.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) figure: Figure,
    /// At most.
    pub(crate) must: f64,
    /// What would be good.
    pub(crate) aim: f64,
}

/// What is looked at: by the names of contenders, this divided by that.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Figure {
    /// Processor time for each request.
    Cost(&'static str, &'static str),
    /// The time that half of the requests took.
    Median(&'static str, &'static str),
    /// The time that one of a hundred requests took longer than.
    P99(&'static str, &'static str),
    /// Memory in MiB, of this alone.
    Memory(&'static str),
}

impl Scenario {
    pub(crate) fn wants_fresh_tokens(&self) -> bool {
        self.load == Load::FreshTokens
    }
}

const fn open(apis: usize) -> World {
    World { secured: false, apis, applications: 0 }
}

const fn secured(apis: usize, applications: usize) -> World {
    World { secured: true, apis, applications }
}

const fn ours(world: World) -> Kind {
    Kind::Ours { name: "apim", world, redeploy_ms: None }
}

const fn cost(by: &'static str, must: f64, aim: f64) -> Goal {
    Goal { figure: Figure::Cost("apim", by), must, aim }
}

const NGINX: &str = Kind::Nginx.name();
const ENVOY: Kind = Kind::Envoy { auth: false, cache: false };
const ENVOY_AUTH: Kind = Kind::Envoy { auth: true, cache: false };
const ENVOY_CACHE: Kind = Kind::Envoy { auth: true, cache: true };
const PLAIN: &[Kind] = &[Kind::Nginx, Kind::Haproxy { auth: false }, ENVOY, ours(open(1))];

const FEW: Kind = Kind::Ours { name: "10 APIs", world: open(10), redeploy_ms: None };
const MANY: Kind = Kind::Ours { name: "10,000 APIs", world: open(10_000), redeploy_ms: None };
const NGINX_OF_FEW: Kind = Kind::NginxOfApis { name: "nginx, 10 locations", apis: 10 };
const NGINX_OF_MANY: Kind = Kind::NginxOfApis { name: "nginx, 10,000 locations", apis: 10_000 };
const QUIET: Kind = Kind::Ours { name: "quiet", world: open(10_000), redeploy_ms: None };
const BUSY: Kind = Kind::Ours { name: "20 deployments a second", world: open(10_000), redeploy_ms: Some(50) };

/// What an optimised build is trained with.
pub(crate) const LESSON: Scenario = Scenario {
    name: "train",
    what: "a mixture of calls, for builds that learn from it",
    load: Load::Get,
    connections: 64,
    contenders: &[ours(open(100)), ours(secured(100, 1_000))],
    goals: &[],
};

/// All comparisons.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "get",
        what: "pass-through GET, 1 KiB answer, 64 connections, all built-in filters",
        load: Load::Get,
        connections: 64,
        contenders: PLAIN,
        goals: &[cost(NGINX, 1.10, 1.00)],
    },
    Scenario {
        name: "secured",
        what: "GET with an RS256 token (1,000 in turn), subscription, three limits, analytics event; nginx checks nothing",
        load: Load::Tokens,
        connections: 64,
        contenders: &[
            Kind::Nginx,
            Kind::Haproxy { auth: true },
            ENVOY_AUTH,
            ENVOY_CACHE,
            ours(secured(1, CLIENTS)),
        ],
        goals: &[
            cost(NGINX, 1.15, 1.05),
            cost(ENVOY_AUTH.name(), 0.16, 0.13),
            cost(ENVOY_CACHE.name(), 0.27, 0.20),
        ],
    },
    Scenario {
        name: "fresh",
        what: "the same with tokens never seen before",
        load: Load::FreshTokens,
        connections: 64,
        contenders: &[ENVOY_AUTH, ours(secured(1, CLIENTS))],
        goals: &[cost(ENVOY_AUTH.name(), 0.33, 0.28)],
    },
    Scenario {
        name: "post",
        what: "pass-through POST of 10 KiB, 64 connections",
        load: Load::Post,
        connections: 64,
        contenders: PLAIN,
        goals: &[cost(NGINX, 1.10, 1.00)],
    },
    Scenario {
        name: "one",
        what: "pass-through GET over one connection",
        load: Load::Get,
        connections: 1,
        contenders: PLAIN,
        goals: &[Goal { figure: Figure::Median("apim", NGINX), must: 1.05, aim: 0.95 }],
    },
    Scenario {
        name: "memory",
        what: "the secured GET with 1,000 APIs, 10,000 applications, 50,000 subscriptions",
        load: Load::Tokens,
        connections: 64,
        contenders: &[ours(secured(1_000, 10_000))],
        goals: &[Goal { figure: Figure::Memory("apim"), must: 40.0, aim: 25.0 }],
    },
    Scenario {
        name: "apis",
        what: "10,000 APIs, all of them called, against 10",
        load: Load::EveryApi,
        connections: 64,
        contenders: &[NGINX_OF_FEW, NGINX_OF_MANY, FEW, MANY],
        goals: &[Goal { figure: Figure::Cost(MANY.name(), FEW.name()), must: 1.05, aim: 1.00 }],
    },
    Scenario {
        name: "deploy",
        what: "one API of 10,000 deployed 20 times a second, p99 against quiet, one connection",
        load: Load::Get,
        // More of them fill the core, and the kernel takes it away from the real-time class for a twentieth of
        // each second: that would be what one of a hundred calls waits for.
        connections: 1,
        contenders: &[QUIET, BUSY],
        goals: &[Goal { figure: Figure::P99(BUSY.name(), QUIET.name()), must: 1.10, aim: 1.05 }],
    },
];
