//! The details of WELCOME: who the client is, and what the router can do.

use serde_json::{Map, Value, json};

use super::config::Config;
use super::identity::Identity;

/// The details for a client that has joined.
pub(super) fn welcome_details(realm: &str, identity: &Identity, config: &Config) -> String {
    let mut details = identity.describe();
    let broker = [
        ("event_history", config.event_history > 0),
        ("event_retention", true),
        ("pattern_based_subscription", true),
        ("payload_passthru_mode", true),
        ("payload_transparency", true),
        ("publisher_exclusion", true),
        ("publisher_identification", true),
        ("session_meta_api", true),
        ("subscriber_blackwhite_listing", true),
        ("subscription_meta_api", true),
        ("subscription_revocation", true),
    ];
    let dealer = [
        ("call_canceling", true),
        ("call_reroute", true),
        ("call_timeout", true),
        ("caller_identification", true),
        ("pattern_based_registration", true),
        ("payload_passthru_mode", true),
        ("payload_transparency", true),
        ("progressive_call_invocations", true),
        ("progressive_call_results", true),
        ("registration_meta_api", true),
        ("registration_revocation", true),
        ("session_meta_api", true),
        ("shared_registration", true),
        ("testament_meta_api", true),
    ];
    let roles = json!({
        "broker": {"features": features(&broker)},
        "dealer": {"features": features(&dealer)},
    });
    details.insert("roles".to_owned(), roles);
    details.insert("realm".to_owned(), json!(realm));
    details
        .insert("agent".to_owned(), json!(concat!("libwamp-router/", env!("CARGO_PKG_VERSION"))));
    if let Some(extra) = &identity.authextra {
        details.insert("authextra".to_owned(), extra.clone());
    }
    Value::Object(details).to_string()
}

fn features(all: &[(&str, bool)]) -> Map<String, Value> {
    all.iter().filter(|(_, on)| *on).map(|(name, _)| ((*name).to_owned(), json!(true))).collect()
}
