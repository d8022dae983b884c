//! WSO2's documents for limits (spec: throttling, section 4).

use std::fmt;

use apim_core::model::Quota;
use serde::Deserialize;

/// A limit as the admin REST API writes it.
///
/// ```
/// use apim_core::model::Quota;
/// use apim_throttle::policy::Limit;
///
/// let limit: Limit = serde_json::from_str(r#"{
///     "type": "REQUESTCOUNTLIMIT",
///     "requestCount": {"requestCount": 20, "timeUnit": "min", "unitTime": 5}
/// }"#).unwrap();
/// assert_eq!(limit.quota().unwrap(), Quota { requests: 20, window_ms: 300_000 });
///
/// let odd = r#"{"type": "REQUESTCOUNTLIMIT", "requestCount": {"requestCount": 1, "timeUnit": "fortnight", "unitTime": 1}}"#;
/// let odd: Limit = serde_json::from_str(odd).unwrap();
/// assert!(odd.quota().unwrap_err().to_string().starts_with("requestCount.timeUnit: `fortnight` is not a unit of time"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// What is limited, as `REQUESTCOUNTLIMIT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The numbers, for a limit on requests.
    #[serde(default)]
    pub request_count: Option<RequestCount>,
}

/// So many requests in so many units of time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCount {
    /// How many requests.
    pub request_count: i64,
    /// The unit, as `min`.
    pub time_unit: String,
    /// How many units.
    pub unit_time: i64,
}

impl Limit {
    /// What is to be enforced.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if any of it cannot be. WSO2 stores an unknown unit and then never limits anything.
    pub fn quota(&self) -> Result<Quota, LimitError> {
        if self.kind != "REQUESTCOUNTLIMIT" {
            return Err(LimitError::new(
                "type",
                format!("`{}` cannot be enforced, only `REQUESTCOUNTLIMIT`", self.kind),
            ));
        }
        let Some(count) = &self.request_count else {
            return Err(LimitError::new("requestCount", "it is missing"));
        };
        count.quota()
    }
}

impl RequestCount {
    fn quota(&self) -> Result<Quota, LimitError> {
        let at = |field, problem: String| LimitError { path: ["requestCount", field], problem };
        let requests = u64::try_from(self.request_count)
            .map_err(|_| at("requestCount", format!("{} is below zero", self.request_count)))?;
        let unit = unit_ms(&self.time_unit).ok_or_else(|| {
            at("timeUnit", format!("`{}` is not a unit of time; there are {UNITS}", self.time_unit))
        })?;
        let units = u64::try_from(self.unit_time)
            .ok()
            .filter(|units| *units > 0)
            .ok_or_else(|| at("unitTime", format!("{} is not above zero", self.unit_time)))?;
        let window_ms = units
            .checked_mul(unit)
            .ok_or_else(|| at("unitTime", format!("{units} {} are too long a time", self.time_unit)))?;
        Ok(Quota { requests, window_ms })
    }
}

const UNITS: &str = "`sec`, `min`, `hour`, `day`, `week`, `month` and `year`, or their plurals";

/// A unit's length in milliseconds. Months and years are fixed spans here, as they are in WSO2, so that
/// windows can be aligned to the epoch.
fn unit_ms(unit: &str) -> Option<u64> {
    const SECOND: u64 = 1000;
    const DAY: u64 = 24 * 60 * 60 * SECOND;
    Some(match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
        "h" | "hour" | "hours" => 60 * 60 * SECOND,
        "d" | "day" | "days" => DAY,
        "week" | "weeks" => 7 * DAY,
        "month" | "months" => 30 * DAY,
        "year" | "years" => 365 * DAY,
        _ => return None,
    })
}

/// Why a limit cannot be enforced: the field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LimitError {
    path: [&'static str; 2],
    problem: String,
}

impl LimitError {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { path: [field, ""], problem: problem.into() }
    }

    /// Where, as `requestCount.timeUnit`.
    pub fn path(&self) -> String {
        let [outer, inner] = self.path;
        if inner.is_empty() { outer.to_owned() } else { format!("{outer}.{inner}") }
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path(), self.problem)
    }
}
