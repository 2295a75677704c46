//! Features of both sides (advanced profile, "Feature Announcement").

use crate::codec::{CodecError, Dict};

use super::error::RequestError;

/// Our announcement in HELLO, role by role.
pub const OURS: &[(&str, &[&str])] = &[
    (
        "publisher",
        &[
            "payload_passthru_mode",
            "payload_transparency",
            "publisher_exclusion",
            "publisher_identification",
            "subscriber_blackwhite_listing",
        ],
    ),
    (
        "subscriber",
        &[
            "event_history",
            "pattern_based_subscription",
            "payload_passthru_mode",
            "payload_transparency",
            "publication_trustlevels",
            "publisher_identification",
            "subscription_revocation",
        ],
    ),
    (
        "caller",
        &[
            "call_canceling",
            "call_timeout",
            "caller_identification",
            "payload_passthru_mode",
            "payload_transparency",
            "progressive_call_invocations",
            "progressive_call_results",
        ],
    ),
    (
        "callee",
        &[
            "call_canceling",
            "call_reroute",
            "call_timeout",
            "call_trustlevels",
            "caller_identification",
            "pattern_based_registration",
            "payload_passthru_mode",
            "payload_transparency",
            "progressive_call_invocations",
            "progressive_call_results",
            "registration_revocation",
            "shared_registration",
        ],
    ),
];

/// The part of the router's announcement that decides how requests are made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Features {
    pub(super) broker: bool,
    pub(super) dealer: bool,
    pub(super) call_canceling: bool,
    pub(super) progressive_calls: bool,
    broker_passthru: Passthru,
    dealer_passthru: Passthru,
}

impl Features {
    /// Reads WELCOME.Details.roles.
    pub(super) fn from_roles(roles: Dict<'_>) -> Result<Features, CodecError> {
        let (broker, dealer) = (roles.dict("broker")?, roles.dict("dealer")?);
        let features = |role: Option<Dict<'_>>| match role {
            Some(role) => has_features(role),
            None => Ok(Vec::new()),
        };
        let (of_broker, of_dealer) = (features(broker)?, features(dealer)?);
        let has = |list: &[String], name: &str| list.iter().any(|feature| feature == name);
        Ok(Features {
            broker: broker.is_some(),
            dealer: dealer.is_some(),
            // Both spellings stand in the specification.
            call_canceling: has(&of_dealer, "call_canceling") || has(&of_dealer, "call_cancelling"),
            progressive_calls: has(&of_dealer, "progressive_call_invocations"),
            broker_passthru: Passthru::from_features(&of_broker),
            dealer_passthru: Passthru::from_features(&of_dealer),
        })
    }

    /// Refuses what needs a broker.
    pub(super) fn check_broker(&self) -> Result<(), RequestError> {
        if self.broker { Ok(()) } else { Err(RequestError::NoRole("broker")) }
    }

    /// Refuses what needs a dealer.
    pub(super) fn check_dealer(&self) -> Result<(), RequestError> {
        if self.dealer { Ok(()) } else { Err(RequestError::NoRole("dealer")) }
    }

    /// Refuses `ppt_` options where the broker would take them for a violation.
    pub(super) fn check_broker_passthru(&self, options: Dict<'_>) -> Result<(), RequestError> {
        self.broker_passthru.check(options)
    }

    /// Refuses `ppt_` options where the dealer would take them for a violation.
    pub(super) fn check_dealer_passthru(&self, options: Dict<'_>) -> Result<(), RequestError> {
        self.dealer_passthru.check(options)
    }
}

/// Payloads that a role carries without a look inside.
#[derive(Debug, Clone, Copy, Default)]
struct Passthru {
    /// The form of the specification.
    ppt: bool,
    /// The form of Autobahn.
    enc: bool,
}

impl Passthru {
    fn from_features(features: &[String]) -> Passthru {
        let has = |name: &str| features.iter().any(|feature| feature == name);
        Passthru { ppt: has("payload_passthru_mode"), enc: has("payload_transparency") }
    }

    fn check(self, options: Dict<'_>) -> Result<(), RequestError> {
        if options.is_empty() {
            return Ok(());
        }
        match (options.get("ppt_scheme"), options.get("enc_algo")) {
            (Some(_), _) if !self.ppt => Err(RequestError::NotAnnounced("payload_passthru_mode")),
            (_, Some(_)) if !self.enc => Err(RequestError::NotAnnounced("payload_transparency")),
            _ => Ok(()),
        }
    }
}

/// The features that a role's dict announces.
fn has_features(role: Dict<'_>) -> Result<Vec<String>, CodecError> {
    let features = role.dict("features")?.unwrap_or(Dict::EMPTY);
    let announced = features.entries().filter(|(_, value)| *value == b"true");
    Ok(announced.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect())
}
