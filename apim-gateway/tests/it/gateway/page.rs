//! A page of metrics, and a reader that takes nothing else for one.

use std::collections::{BTreeMap, BTreeSet};

/// A page of metrics, as a strict reader of the format 0.0.4 sees it.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) samples: BTreeMap<String, f64>,
}

impl Page {
    /// Panics on whatever Prometheus would refuse.
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut helped = BTreeSet::new();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                assert!(helped.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(page.types.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
            } else {
                page.sample(line);
            }
        }
        assert!(page.types.keys().all(|name| helped.contains(name)));
        page.histograms();
        page
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = name.strip_suffix(end)?;
            (self.types.get(family)? == "histogram").then_some(family)
        });
        let kind = self.types.get(family.unwrap_or(name)).unwrap_or_else(|| panic!("no type: {line}"));
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            labels_are_well_formed(labels.strip_prefix('{').unwrap().strip_suffix('}').unwrap());
        }
        let value = value.parse().unwrap();
        assert!(self.samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
    }

    fn histograms(&self) {
        for name in self.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let prefix = format!("{name}_bucket{{le=\"");
            let mut buckets: Vec<(f64, f64)> = self
                .samples
                .iter()
                .filter_map(|(series, count)| {
                    let bound = series.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                    Some((bound.replace("+Inf", "inf").parse().unwrap(), *count))
                })
                .collect();
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name} is not cumulative");
            assert_eq!(buckets.last().unwrap().1, self.samples[&format!("{name}_count")]);
        }
    }

    /// A number of times; zero where nothing is said of it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tests do not count so far")]
    pub(crate) fn count(&self, series: &str) -> usize {
        self.samples.get(series).map_or(0, |count| *count as usize)
    }

    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples))
    }
}

fn labels_are_well_formed(labels: &str) {
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{labels}");
        let mut escaped = false;
        let end = value.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap() + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}
