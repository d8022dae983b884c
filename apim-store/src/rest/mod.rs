//! The REST contracts: publisher v4, devportal v3, admin v4, devops v0.
//!
//! An operation is a row ([`operation`]): method, path, scopes, handler. A [`contract`] holds the rows of one
//! API and our description of it; from both, the `frame` makes the router, the checks of bodies and
//! answers, the 501s of what is not offered, the table of operations and the served OpenAPI document.
//! [`call`] and [`answer`] are what handlers take and give; [`error`] alone renders refusals.

pub mod admin;
pub mod answer;
pub mod call;
pub mod contract;
pub mod devops;
pub mod devportal;
pub mod error;
pub(crate) mod expected;
pub(crate) mod frame;
pub(crate) mod json;
pub mod operation;
pub mod page;
pub mod publisher;
pub mod scope;
