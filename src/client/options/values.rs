//! Values of options: checked, and told what is wrong with them.

use std::time::Duration;

use serde_json::Value;

use crate::os;
use crate::parts::Part;

pub(super) fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "must be a string".to_owned())
}

pub(super) fn seconds(value: &Value) -> Result<Duration, String> {
    let wrong = || "must be a number of seconds, 0 to 1000000".to_owned();
    let seconds = value.as_f64().ok_or_else(wrong)?;
    if !(0.0..=1e6).contains(&seconds) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

pub(super) fn number(value: &Value, most: f64) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
    number.ok_or_else(|| format!("must be a number, 0 to {most}"))
}

pub(super) fn bytes(value: &Value, least: u64, most: u64) -> Result<usize, String> {
    let wrong = || format!("must be a number of bytes, {least} to {most}");
    let size = value.as_u64().filter(|size| (least..=most).contains(size)).ok_or_else(wrong)?;
    Ok(os::addressable(size))
}

pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// A flag that, where it is set, needs a part of the library.
pub(super) fn flag_of(part: Part, value: &Value) -> Result<bool, String> {
    let is_set = flag(value)?;
    if is_set {
        part.require()?;
    }
    Ok(is_set)
}
