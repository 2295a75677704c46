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
        let of_broker = broker.map(Announced::from_role).transpose()?.unwrap_or_default();
        let of_dealer = dealer.map(Announced::from_role).transpose()?.unwrap_or_default();
        Ok(Features {
            broker: broker.is_some(),
            dealer: dealer.is_some(),
            call_canceling: of_dealer.call_canceling,
            progressive_calls: of_dealer.progressive_calls,
            broker_passthru: of_broker.passthru,
            dealer_passthru: of_dealer.passthru,
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

/// The announcement of one role, as far as it matters here.
#[derive(Default)]
struct Announced {
    call_canceling: bool,
    progressive_calls: bool,
    passthru: Passthru,
}

impl Announced {
    fn from_role(role: Dict<'_>) -> Result<Announced, CodecError> {
        let mut announced = Announced::default();
        let features = role.dict("features")?.unwrap_or(Dict::EMPTY);
        for (name, _) in features.entries().filter(|(_, value)| *value == b"true") {
            match name {
                // Both spellings stand in the specification.
                b"call_canceling" | b"call_cancelling" => announced.call_canceling = true,
                b"progressive_call_invocations" => announced.progressive_calls = true,
                b"payload_passthru_mode" => announced.passthru.ppt = true,
                b"payload_transparency" => announced.passthru.enc = true,
                _ => {}
            }
        }
        Ok(announced)
    }
}
