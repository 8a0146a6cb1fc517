//! What the hub tells of itself, as JSON.

use std::fmt::{Display, Write as _};

use serde_json::{Map, Number, Value};
use tenfold_hub::HubHealth;

use crate::status::Status;

/// Objects of JSON as an array, each on a line of its own.
pub(crate) fn array(objects: &[impl Display]) -> String {
    let mut text = "[".to_owned();
    for (index, object) in objects.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}\n{object}");
    }
    text += "\n]\n";
    text
}

/// How the hub is, with its keys as members.
pub(crate) fn health(health: &HubHealth) -> String {
    let mut object = Map::new();
    object.insert("status".to_owned(), health.status.into());
    for (name, value) in &health.more {
        let number = value.parse::<Number>().map(Value::Number);
        let value = number.unwrap_or_else(|_| value.as_str().into());
        object.insert((*name).to_owned(), value);
    }
    format!("{}\n", Value::Object(object))
}

/// 200 while the hub takes messages.
pub(crate) fn status(health: &HubHealth) -> Status {
    match health.status {
        "ok" | "slow" | "degraded" => Status::OK,
        _ => Status::UNAVAILABLE,
    }
}
