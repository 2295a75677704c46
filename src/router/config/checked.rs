//! A configuration that is found good, and what it says of single places, for those who decide
//! where to listen.

use crate::router::{Router, RouterError};
use crate::transport::Endpoint;
use crate::transport::tls::Acceptor;

use super::{Config, endpoint};

/// A configuration in which nothing is wrong.
#[derive(Debug, Clone)]
pub struct Checked(Config);

impl Router {
    /// Checks a configuration.
    pub fn check(config: Option<&str>) -> Result<Checked, RouterError> {
        Config::parse(config).map(Checked)
    }
}

impl Checked {
    /// Reads a URL to listen at.
    pub fn place(url: &str) -> Result<Endpoint, String> {
        endpoint(url)
    }

    /// The places that its option `listeners` names.
    pub fn places(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.listeners.iter().map(|listener| &listener.endpoint)
    }

    /// True if `listeners` names this place.
    pub fn lists(&self, place: &Endpoint) -> bool {
        self.0.at_endpoint(Some(place)).are_own()
    }

    /// True if there is a certificate for a listener at this place.
    pub fn has_tls_at(&self, place: &Endpoint) -> bool {
        self.0.at_endpoint(Some(place)).tls().is_some()
    }

    /// True if everybody who reaches this place may join there, and do everything.
    pub fn is_open_at(&self, place: &Endpoint) -> bool {
        let terms = self.0.at_endpoint(Some(place));
        let needs_certificate =
            place.is_secure() && terms.tls().is_some_and(Acceptor::needs_certificate);
        !needs_certificate && terms.are_open()
    }
}
