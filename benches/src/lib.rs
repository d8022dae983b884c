//! What the hot path costs.
//!
//! `cargo bench` measures each [`Subject`] with criterion, under a bench of its group's name, and then prints
//! the report: nanoseconds, calls per second, allocations and bytes for each. `cargo bench --bench report`
//! prints the report alone.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must not go on")]

use std::time::Duration;

use criterion::Criterion;

pub mod chain;
pub mod end_to_end;
pub mod handlers;
pub mod issuer;
pub mod load;
pub mod report;
pub mod router;
pub mod throttle;
pub mod token;

/// Something that is measured by doing it over and over.
pub struct Subject {
    /// What it is, in words.
    pub name: String,
    run: Box<dyn FnMut()>,
}

impl Subject {
    /// Measures a function; set up what it needs beforehand.
    pub fn new(name: impl Into<String>, run: impl FnMut() + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subject({})", self.name)
    }
}

/// Measures a group of subjects with criterion.
pub fn bench(group: &str, subjects: Vec<Subject>) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group(group);
    for mut subject in subjects {
        group.bench_function(&subject.name, |bencher| bencher.iter(&mut subject.run));
    }
    group.finish();
    criterion.final_summary();
}
