//! The places where it listens: those at the start, and what another configuration makes of them.

use std::sync::Arc;

use tokio::runtime::Handle;
use wamp::facade::router::{Endpoint, ReadySocket, Router, RouterError};

use wamp_tools::Failure;

use crate::exposure;
use crate::service;
use crate::settings::{Settings, config_error, parse};

/// A place where it listens.
#[derive(Debug)]
pub(crate) struct Place {
    /// The place as it is named.
    named: Endpoint,
    /// The URL of the socket that was handed over for it.
    real: Option<String>,
    /// The URL for clients, with the port that it got.
    pub(crate) url: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// Takes the sockets that are handed over, and binds those for which there is none.
    pub(crate) fn open(router: &Arc<Router>, settings: &Settings) -> Result<Places, Failure> {
        let mut sockets = service::sockets()?.into_iter();
        let named = if sockets.len() == 0 { settings.urls() } else { settings.named() };
        let (mut named, mut places) = (named.into_iter(), Places::default());
        loop {
            let (url, socket) = (named.next(), sockets.next());
            let real = socket.as_ref().map(|socket| socket.websocket_url("/ws")).transpose();
            let real =
                real.map_err(|error| Failure::new(format!("a socket is no use: {error}")))?;
            let Some(url) = url.or_else(|| real.clone()) else {
                return Ok(places);
            };
            // Its address counts, whatever is written.
            let place = parse(&url)?;
            settings.check_place(&place, real.as_deref())?;
            places.listen(router, place, real, socket)?;
        }
    }

    /// The URLs for clients.
    pub(crate) fn urls(&self) -> Vec<&str> {
        self.0.iter().map(|place| place.url.as_str()).collect()
    }

    /// Those where everybody may do everything.
    pub(crate) fn open_to_all(&self, settings: &Settings) -> Vec<&Place> {
        self.0.iter().filter(|place| settings.checked.is_open_at(&place.named)).collect()
    }

    /// Those of `next` that are to be opened once the router goes by it. Refuses what would have
    /// been refused at the start.
    pub(crate) fn missing(
        &self,
        present: &Settings,
        next: &Settings,
    ) -> Result<Vec<Endpoint>, Failure> {
        let is_closed = |place: &&Place| place.is_closed_by(present, next);
        let (closed, stay): (Vec<_>, Vec<_>) = self.0.iter().partition(is_closed);
        for place in &stay {
            next.check_place(&place.named, place.real.as_deref())?;
        }
        let is_in = |places: &[&Place], wanted: &Endpoint| {
            places.iter().any(|place| place.named.is_at(wanted))
        };
        let mut missing = Vec::new();
        for url in next.urls() {
            let place = parse(&url)?;
            let is_listed = next.listen.is_empty() && next.checked.lists(&place);
            // What is named elsewhere, too, outlives its entry in the list.
            let is_due = is_listed || is_in(&closed, &place) || stay.is_empty();
            if is_due && !is_in(&stay, &place) {
                next.check_place(&place, None)?;
                missing.push(place);
            }
        }
        Ok(missing)
    }

    /// Goes by `next`, as the router does already. Returns what went wrong.
    pub(crate) fn change(
        &mut self,
        router: &Arc<Router>,
        present: &Settings,
        next: &Settings,
        missing: Vec<Endpoint>,
    ) -> Vec<Failure> {
        self.0.retain(|place| !place.is_closed_by(present, next));
        let opened = missing.into_iter().map(|place| self.listen(router, place, None, None));
        opened.filter_map(Result::err).collect()
    }

    /// The URLs of those where it would not listen if it were started anew.
    pub(crate) fn left_over(&self, settings: &Settings) -> Vec<&str> {
        let named: Vec<_> =
            settings.urls().iter().filter_map(|url| Endpoint::parse(url).ok()).collect();
        let is_left = |place: &&Place| {
            place.real.is_none() && !named.iter().any(|named| named.is_at(&place.named))
        };
        self.0.iter().filter(is_left).map(|place| place.url.as_str()).collect()
    }

    fn listen(
        &mut self,
        router: &Arc<Router>,
        named: Endpoint,
        real: Option<String>,
        socket: Option<ReadySocket>,
    ) -> Result<(), Failure> {
        let url = router.listen_at(named.url(), socket, &Handle::current());
        let url = url.map_err(|error| match error {
            RouterError::Config(_) | RouterError::Url(_) => Failure::usage(config_error(&error)),
            error => Failure::new(error.to_string()),
        })?;
        self.0.push(Place { named, real, url });
        Ok(())
    }
}

impl Place {
    /// True if only this machine reaches it.
    pub(crate) fn is_local(&self) -> bool {
        exposure::is_local(self.real.as_ref().unwrap_or(&self.url))
    }

    /// True if the router closes it when it goes by `next`: it was listed, and is not any more.
    fn is_closed_by(&self, present: &Settings, next: &Settings) -> bool {
        present.checked.lists(&self.named) && !next.checked.lists(&self.named)
    }
}
