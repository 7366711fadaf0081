//! When something is said to be signed.

use std::fmt;
use std::time::Duration;

use x509_cert::der::DateTime;

use crate::Problem;

/// A second of the years 1970 to 9999, in UTC. Whoever signs says it, and nobody else vouches for
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SigningTime(DateTime);

impl SigningTime {
    /// The time this many seconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// A time after the year 9999.
    pub fn from_unix(seconds: u64) -> Result<Self, Problem> {
        DateTime::from_unix_duration(Duration::from_secs(seconds))
            .map(Self)
            .map_err(|_| {
                let expected = "seconds since 1970 that end before the year 10000";
                Problem::new("signing time", expected, seconds.to_string())
            })
    }

    /// Seconds after 1970-01-01T00:00:00Z.
    pub fn unix(self) -> u64 {
        self.0.unix_duration().as_secs()
    }
}

impl fmt::Display for SigningTime {
    /// As RFC 3339 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for SigningTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
