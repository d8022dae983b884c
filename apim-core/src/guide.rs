//! Writing an extension: from an empty crate to a name in a file, without reading our source.
//!
//! An extension is a crate that depends on `apim-core` and on nothing else of apim. It implements one trait for what it
//! does, and [`Provide`](crate::Provide) for the name and the configuration it goes by. A program that embeds the gateway
//! installs it with one line; from then on files name it.
//!
//! # Which trait
//!
//! | You want to | Implement | Provide | Named in |
//! |---|---|---|---|
//! | look at or change each request or answer, at once | [`Filter`](crate::Filter) | [`Link`](crate::Link) | `handlers` |
//! | the same, and wait for somebody (a database, a service) | [`Handler`](crate::Handler) | [`Link`](crate::Link) | `handlers` |
//! | the same, and wait seldom (what is asked for is usually in memory) | [`Prompt`](crate::Prompt) | [`Link`](crate::Link) | `handlers` |
//! | surround the call (time-out, retry, compression) | nothing: a tower layer, in [`Link::layer`](crate::Link::layer) | [`Link`](crate::Link) | `handlers` |
//! | give API authors a step for their policies | [`Mediator`](crate::Mediator) | `Arc<dyn Mediator>` | `request`, `response`, `fault` of an API |
//! | understand a media type | [`MessageBuilder`](crate::MessageBuilder) and [`MessageFormatter`](crate::MessageFormatter) | [`Format`](crate::Format) | `formats` |
//! | say what access tokens are worth | [`TokenVerifier`](crate::TokenVerifier) | `Arc<dyn TokenVerifier>` | `verifier`, `opaque` |
//!
//! A gateway also takes, in code, a [`ThrottleEngine`](crate::ThrottleEngine) that counts, an
//! [`AnalyticsSink`](crate::AnalyticsSink) that keeps what happened, a [`Rescue`](crate::fault::Rescue) that words
//! refusals, a [`SnapshotSource`](crate::SnapshotSource) that knows what to serve, and a [`Clock`](crate::Clock).
//!
//! # The crate
//!
//! ```toml
//! [dependencies]
//! apim-core = { path = "…/apim-core" }
//! http = "1"                                            # requests, headers, statuses
//! schemars = "1"                                        # your configuration's JSON Schema
//! serde = { version = "1", features = ["derive"] }      # your configuration
//!
//! [dev-dependencies]
//! apim-core = { path = "…/apim-core", features = ["testing"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "rt"] }
//! ```
//!
//! # All of it
//!
//! A handler with configuration and a state of its own: so many calls for each user and minute, whichever API they go to.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! use apim_core::model::UserName;
//! use apim_core::{BuildError, Clock, Exchange, Fault, Filter, Flow, Link, Parts, Provide, Timestamp, fault};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// What a file can say. Comments become texts in the schema.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! pub struct Config {
//!     /// How many calls a user has in a minute.
//!     calls: u32,
//! }
//!
//! /// Counts that all APIs share, and that no deployment forgets.
//! #[derive(Default)]
//! struct Counts(Mutex<HashMap<UserName, (Timestamp, u32)>>);
//!
//! pub struct UserQuota {
//!     calls: u32,
//!     counts: Arc<Counts>,
//!     clock: Arc<dyn Clock>,
//! }
//!
//! impl Filter for UserQuota {
//!     fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
//!         // Known behind `authentication`; this handler stands behind it in the list.
//!         let Some(principal) = &exchange.context().principal else { return Ok(Flow::Continue) };
//!         let now = self.clock.now();
//!         let minute = Duration::from_secs(60);
//!         let mut counts = self.counts.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
//!         if counts.len() > 100_000 {
//!             counts.retain(|_, (since, _)| now.since(*since) < minute); // what grows by requests is bounded
//!         }
//!         let (since, used) = counts.entry(principal.user.clone()).or_insert((now, 0));
//!         if now.since(*since) >= minute {
//!             (*since, *used) = (now, 0);
//!         }
//!         if *used == self.calls {
//!             return Err(Fault::new(fault::APPLICATION_THROTTLED)
//!                 .because("You have used up your calls")          // for the caller
//!                 .detail(format!("user {} of {}", principal.user, self.calls)) // for the operator
//!                 .retry_at(since.plus(minute)));
//!         }
//!         *used += 1;
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! impl Provide<Link> for UserQuota {
//!     const NAME: &'static str = "user-quota";
//!     type Config = Config;
//!
//!     async fn build(config: Config, parts: &Parts) -> Result<Link, BuildError> {
//!         if config.calls == 0 {
//!             return Err(BuildError::at("calls", "with 0 nobody could ever call"));
//!         }
//!         Ok(Link::filter(Self { calls: config.calls, counts: parts.state(), clock: parts.clock() }))
//!     }
//! }
//! # // The test below, run.
//! # use apim_core::Principal;
//! # #[cfg(feature = "testing")]
//! # async fn test() {
//! #     use apim_core::testing::{Chain, ManualClock, provide};
//! #     use http::Request;
//! #     use serde_json::json;
//! #     let clock = Arc::new(ManualClock::default());
//! #     let parts = Parts::new(clock.clone());
//! #     let link = provide::<Link, UserQuota>(json!({"calls": 1}), &parts).await.unwrap();
//! #     let ann = |context: &mut apim_core::Context| context.principal = Some(Principal::new("ann".into()));
//! #     let chain = Chain::new([link]).given(ann);
//! #     assert_eq!(chain.call(Request::new("".into())).await.status(), 200);
//! #     assert_eq!(chain.call(Request::new("".into())).await.status(), 429);
//! #     clock.advance(Duration::from_secs(60));
//! #     assert_eq!(chain.call(Request::new("".into())).await.status(), 200);
//! # }
//! # #[cfg(feature = "testing")]
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test());
//! ```
//!
//! A plug-in without configuration says `type Config = ();`, and a file that gives it any key is refused.
//!
//! # Its test
//!
//! `testing::Chain` (feature `testing`) runs links in front of a backend that records; nothing listens, nothing waits,
//! and time passes when the test says so. What it answers has `status()`, `text()` and `fault()`; the rest is in its own
//! documentation, `cargo doc -p apim-core --no-deps --features testing`.
//!
//! ```ignore
//! use apim_core::testing::{Chain, ManualClock, provide};
//! use apim_core::{Link, Parts, Principal};
//! use http::Request;
//! use serde_json::json;
//!
//! #[tokio::test]
//! async fn a_user_has_so_many_calls_in_a_minute() {
//!     let clock = Arc::new(ManualClock::default());
//!     let parts = Parts::new(clock.clone());
//!     let link = provide::<Link, UserQuota>(json!({"calls": 1}), &parts).await.unwrap();
//!     let chain = Chain::new([link])
//!         .given(|context| context.principal = Some(Principal::new("ann".into())));
//!
//!     assert_eq!(chain.call(Request::new("".into())).await.status(), 200);
//!     assert_eq!(chain.call(Request::new("".into())).await.status(), 429);
//!     clock.advance(Duration::from_secs(60));
//!     assert_eq!(chain.call(Request::new("".into())).await.status(), 200);
//! }
//! ```
//!
//! # Installing it
//!
//! A program embeds the gateway (crate `apim-gateway`) and says what files may name:
//!
//! ```ignore
//! use apim_gateway::{Gateway, builtin, config, mediation};
//!
//! let file = config::File::parse(&std::fs::read_to_string("gateway.yaml")?)?;
//! let gateway = Gateway::builder()
//!     .links(builtin::links().with::<UserQuota>())                    // handlers and layers
//!     .mediators(mediation::builtin().with::<Mask>())                 // mediators
//!     .named_formats(Registry::default().with::<Csv>())               // formats
//!     .verifiers(Registry::default().with::<Hmac>())                  // verifiers of tokens
//!     .part(pool)                                                     // what your build asks for by `parts.get()`
//!     .config(file.resolve()?)
//!     .build()
//!     .await?;
//! ```
//!
//! and `gateway.yaml` names it. A list of `handlers` replaces the usual one, which is `apim_gateway::chain::USUAL`; its
//! order is theirs on the way in, and the reverse on the way out. `handlers` of one API come after it.
//!
//! ```yaml
//! handlers:
//!   - use: analytics
//!   - use: cors
//!   - use: resource
//!   - use: api-status
//!   - use: deny
//!   - use: authentication
//!   - use: subscription
//!   - use: authorization
//!   - use: deny-caller
//!   - use: user-quota
//!     calls: 100
//!   - use: throttle
//!   - use: headers
//! ```
//!
//! In code, `apim_gateway::chain::usual()` is the usual list, to be changed instead of written anew:
//!
//! ```ignore
//! let mut handlers = chain::usual();
//! handlers.insert(9, Entry::new("user-quota").with("calls", 100));
//! ```
//!
//! An unknown name, an unknown key, a value that does not fit, and what `build` refuses: each refuses the start (or the
//! deployment of the API) and says where it stands, as `gateway.handlers[9].user-quota.calls: …`.
//! What an API is refused for stands in the report that `Gateway::load`, `Gateway::apply` and `Gateway::change` return:
//! look at it, or turn it into an error by `into_result()?`.
//! `Gateway::builder()….schema::<config::File>()` is the JSON Schema of the file, with everything installed.
//!
//! # What to know
//!
//! * **A link is built once for each API**, and again when that API is deployed again. State that must survive is
//!   [`Parts::state`](crate::Parts::state); what one request must carry from `request` to `response` or `complete` goes
//!   into [`Context::slots`](crate::Context::slots), by type.
//! * **Who calls, which API, which operation**: [`Exchange::context`](crate::Exchange::context), the fields
//!   [`principal`](crate::Context::principal), [`api`](crate::Context::api) and
//!   [`operation()`](crate::Context::operation()). The principal is there behind `authentication`.
//! * **Refusing** is `Err(`[`Fault`](crate::Fault)`)`. Codes are in [`fault`](crate::fault); one of your own is a
//!   [`Code`](crate::fault::Code). Errors of other libraries become faults by
//!   [`.fault(code)?`](crate::OrFault::fault), and in `build` by [`.at_key("key")?`](crate::AtKey::at_key).
//! * **Answering** is `Ok(`[`Flow::Respond`](crate::Flow::Respond)`(response))`. The handlers before yours see the answer.
//! * **Bodies are streams** until somebody asks: [`Exchange::bytes`](crate::Exchange::bytes) and
//!   [`Exchange::payload`](crate::Exchange::payload) read all of it, under a limit;
//!   [`map_body`](crate::Exchange::map_body) wraps the stream.
//! * **Time** comes from [`Parts::clock`](crate::Parts::clock), so that tests can move it.
//! * **A tower layer** wraps everything behind it in the list. Its errors become faults in one place,
//!   [`Rescue::foreign`](crate::fault::Rescue::foreign): one that is a [`Fault`](crate::Fault) stays it, so map them there
//!   (`tower::ServiceBuilder::map_err`); any other is a 500. See [`Link::layer`](crate::Link::layer) for what a layer has
//!   to be.
//! * **A panic** is answered 500, with the request's id, and ends nothing else; the log has its text. It is a bug all the
//!   same: what comes from outside must not cause one.
//!
//! # Classic mistakes
//!
//! | The compiler says | because | cure |
//! |---|---|---|
//! | `` `X` is not a `Handler` `` | a filter in `Link::handler` | `Link::filter` |
//! | `future cannot be sent between threads safely` | a lock guard or an `Rc` lives across an `await` | let it go in a block of its own first |
//! | ``it does not implement `Provide<Link>` `` | the name is missing, or it provides something else | `impl Provide<Link> for X` |
//! | `` `Config: JsonSchema` is not satisfied`` | a derive is missing, or schemars is not version 1 | `#[derive(Deserialize, JsonSchema)]` |
//! | `lifetimes do not match method in trait` | `#[async_trait]` on a `Handler`, or none on a `Mediator` | plain `async fn` for handlers, `#[apim_core::async_trait]` for mediators |
//! | `` `?` couldn't convert the error to `Fault` `` | an error of another library | `use apim_core::OrFault`, `.fault(fault::INTERNAL)?` |
//! | `` `?` couldn't convert the error to `BuildError` `` | the same, in `build` | `use apim_core::AtKey`, `.at_key("key")?` |
//! | `at_key` or `fault` exists, `` but its trait bounds were not satisfied `` | a `Box<dyn Error>`, which no other thread may have | `Box<dyn Error + Send + Sync>` |
//! | ``expected `Link`, found `X` `` in `build` | the handler itself instead of a link | `Ok(Link::handler(X))`, `Link::filter`, `Link::prompt` |
//! | ``expected `Arc<dyn Mediator>`, found `X` `` in `build` | the same of a mediator | `Ok(Arc::new(X))` |
//! | `` `X` is nothing that can be plugged in`` | `Provide<X>` instead of what is made | `Provide<Link>`, `Provide<Arc<dyn Mediator>>` |
//! | ``found future``, or ``` `await` is only allowed inside `async` functions ``` | a filter that waits | a `Handler`, or a `Prompt` |
//!
//! Examples, each a package with its tests: `custom-handler`, `custom-mediator`, `custom-format`, `custom-key-manager`,
//! `tower-layer`, `mount-in-axum` and `mount-in-hyper`, in the folder `examples`.
