//! Subscriptions and registrations as the application sees them in a list.

use std::ffi::CStr;
use std::sync::Arc;

use super::uri::Match;

/// An active subscription or registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionInfo {
    /// The local id.
    pub id: u64,
    /// The router's id.
    pub wamp_id: u64,
    /// The topic or procedure, or the pattern.
    pub uri: Arc<CStr>,
    /// The way in which it matches.
    pub matching: Match,
}
