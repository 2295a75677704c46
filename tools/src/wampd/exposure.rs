//! A refusal to let other machines in where everybody may do everything, which is hardly ever what
//! somebody wants.

use std::net::{IpAddr, ToSocketAddrs};

use wamp::facade::router::{Address, Endpoint};

use wamp_tools::Failure;

use crate::settings::Settings;

/// Refuses to listen at a place where everybody may do everything, and that other machines reach,
/// by this URL.
pub(crate) fn check(place: &Endpoint, url: &str, settings: &Settings) -> Result<(), Failure> {
    if settings.may_be_open || !settings.checked.is_open_at(place) || is_local(url) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{url} can be reached from other machines, and everybody could do everything there: say \
         who may do what (\"auth\" and \"roles\" in --config FILE), listen on 127.0.0.1, or say \
         --open"
    )))
}

/// True if only this machine reaches it, or nobody does.
pub(crate) fn is_local(url: &str) -> bool {
    let Ok(endpoint) = Endpoint::parse(url) else {
        // That it is no URL is told when it is to be bound.
        return true;
    };
    let Address::Tcp { host, port, .. } = &endpoint.address else {
        return true;
    };
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    match host.parse::<IpAddr>() {
        Ok(address) => is_loopback(address),
        // A name that means nothing is told when it is to be bound.
        Err(_) => (host.as_str(), *port)
            .to_socket_addrs()
            .map_or(true, |mut all| all.all(|address| is_loopback(address.ip()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_local() {
        for url in [
            "ws://127.0.0.1:8080/ws",
            "rs://127.9.9.9:1",
            "wss://[::1]/ws",
            "ws://[::ffff:127.0.0.1]:1/",
            "http://localhost:1",
            "rs+unix:///run/wamp.sock",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in ["ws://0.0.0.0:8080/ws", "rs://[::]:1", "ws://192.0.2.1/ws"] {
            assert!(!is_local(url), "{url}");
        }
    }
}
