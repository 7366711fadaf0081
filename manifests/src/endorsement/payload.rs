//! The payload of V1: JSON with the SVN, twice, and the launch digest.

use guestmark_measure::LaunchDigest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

use crate::Problem;

const SVN: &str = "x-ms-sevsnpvm-guestsvn";
const SVN_NUMBER: &str = "x-ms-sevsnpvm-guestsvn-int";
const MEASUREMENT: &str = "x-ms-sevsnpvm-launchmeasurement";

/// The payload as it stands in JSON. No key may come twice, none may be unknown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(rename = "x-ms-sevsnpvm-guestsvn")]
    svn: String,
    /// Older endorsements lack it.
    #[serde(
        rename = "x-ms-sevsnpvm-guestsvn-int",
        default,
        deserialize_with = "present"
    )]
    svn_number: Option<Number>,
    #[serde(rename = "x-ms-sevsnpvm-launchmeasurement")]
    measurement: String,
}

/// A number that is there: null is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Number>, D::Error> {
    Number::deserialize(deserializer).map(Some)
}

/// SVN and launch digest of a payload.
pub(super) fn read(bytes: &[u8]) -> Result<(u64, LaunchDigest), Problem> {
    let payload: Payload = serde_json::from_slice(bytes).map_err(|error| {
        let expected = format!("JSON with {SVN:?}, {SVN_NUMBER:?} and {MEASUREMENT:?}");
        Problem::new("payload", expected, error.to_string())
    })?;
    let field = |key: &str| format!("payload, {key:?}");
    let svn = decimal(&payload.svn).ok_or_else(|| {
        let expected = "a decimal number from 0 to 2^64 - 1, digits alone";
        Problem::new(field(SVN), expected, format!("{:?}", payload.svn))
    })?;
    if let Some(number) = payload.svn_number
        && number.as_u64() != Some(svn)
    {
        let expected = format!("{svn}, as in {SVN:?}");
        return Err(Problem::new(
            field(SVN_NUMBER),
            expected,
            number.to_string(),
        ));
    }
    let digest = payload.measurement.parse().map_err(|_| {
        let expected = "96 lower-case hexadecimal digits";
        Problem::new(
            field(MEASUREMENT),
            expected,
            format!("{:?}", payload.measurement),
        )
    })?;
    Ok((svn, digest))
}

/// The number that `text` writes in the one way there is.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The payload, indented by two, without a newline at the end.
pub(super) fn write(svn: u64, digest: LaunchDigest) -> Vec<u8> {
    let payload = Payload {
        svn: svn.to_string(),
        svn_number: Some(svn.into()),
        measurement: digest.to_string(),
    };
    // Strings and a number are always JSON.
    serde_json::to_vec_pretty(&payload).unwrap_or_default()
}
