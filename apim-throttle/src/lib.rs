//! The traffic manager: who has used how much of what, decided in this process and exact across its threads.
//!
//! A gateway asks its [`ThrottleEngine`](apim_core::ThrottleEngine) once per request, with every limit that
//! applies. [`LocalEngine`] answers from memory: it finds one counter per limit, takes a place on each, or on
//! none if any is full. Windows are fixed and aligned to the Unix epoch, as in WSO2: a limit of ten per
//! minute lets ten pass between 12:00:00 and 12:00:59.999, however many threads ask at once.
//!
//! ```
//! use std::sync::Arc;
//! use apim_core::{SystemClock, ThrottleEngine};
//! use apim_core::model::Quota;
//! use apim_core::throttle::{Cost, Decision, Key, Level};
//! use apim_throttle::LocalEngine;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let engine = LocalEngine::new(Arc::new(SystemClock));
//! let quota = Quota { requests: 1, window_ms: 365 * 24 * 60 * 60 * 1000 };
//! let keys = [Key { level: Level::Application, subject: ["shop", "ann", ""], quota, lenient: false }];
//! assert_eq!(engine.take(&keys, Cost::ONE).await, Decision::Allowed);
//! assert!(matches!(engine.take(&keys, Cost::ONE).await, Decision::Refused(r) if r.used == 1));
//! # });
//! ```
//!
//! What is counted lives in a bounded table: see [`LocalEngine`] for what happens when it is full.
//! [`policy`] reads WSO2's limit documents and holds the tiers that it ships.

mod counter;
mod engine;
mod lately;
pub mod policy;
mod table;

pub use engine::{LocalEngine, Usage};
pub use policy::defaults;
