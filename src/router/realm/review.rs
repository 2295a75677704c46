//! A change of the configuration: sessions and what they have are judged anew, one after the other,
//! in as many turns as that takes.
//!
//! ```text
//!   every session has the number of its role   (the former rights hold)
//!   the new configuration is that of who joins (and whoever joins a realm makes it adopt it)
//!   realm by realm: the settings are adopted   (the new rights hold)
//!                   each session is judged: it is closed, or loses what is not allowed any more
//! ```
//!
//! Calls that are on their way go on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::admission::Withdrawal;
use super::super::config::Config;
use super::super::peer::{Peer, WakeList};
use super::super::role_rights::RoleNumbers;
use super::super::roles::Action;
use super::super::terms;
use super::super::turn::{ACT, LOOK, Turn};
use super::settings::Settings;
use super::{Directory, Realm, Realms, State};
use crate::os::lock;
use crate::protocol::uri;

/// The work of judging a URI, and a pattern.
const URI: usize = ACT;
const PATTERN: usize = 100;

/// The sessions of a realm, as far as they are judged.
struct Review<'c> {
    config: &'c Config,
    /// The name of the realm.
    realm: &'c str,
    /// The realm is none any more.
    is_removed: bool,
    /// The first session that has not been looked at.
    next: u64,
    /// The one that is being judged.
    present: Option<Possessions>,
}

/// The things of a session that are still to be judged.
struct Possessions {
    peer: Arc<Peer>,
    subscriptions: Vec<u64>,
    registrations: Vec<u64>,
}

impl Realms {
    /// Goes by another configuration from now on; returns when everything goes by it. There is
    /// nobody else who does that.
    pub(in crate::router) fn reload(&self, config: &Arc<Config>) {
        let (numbers, present) = {
            let mut directory = lock(&self.directory);
            directory.numbers.add(config.roles.as_deref());
            (directory.numbers.clone(), directory.all())
        };
        // Until all have their numbers, none is used that is new.
        present.iter().for_each(|(_, realm)| realm.number(&numbers));
        let (settings, removed, present) = {
            let mut directory = lock(&self.directory);
            let removed = directory.replace(config);
            (directory.settings.clone(), removed, directory.all())
        };
        present.iter().for_each(|(name, realm)| realm.review(name, config, &settings, false));
        removed.iter().for_each(|(name, realm)| realm.review(name, config, &settings, true));
    }
}

impl Directory {
    fn all(&self) -> Vec<(String, Arc<Realm>)> {
        self.by_name.iter().map(|(name, realm)| (name.clone(), realm.clone())).collect()
    }

    /// Takes over a configuration, and gives the realms that are none any more.
    fn replace(&mut self, config: &Arc<Config>) -> Vec<(String, Arc<Realm>)> {
        let generation = self.settings.generation + 1;
        self.settings = Settings::new(config, &self.numbers, generation);
        self.config = config.clone();
        let Some(listed) = &config.realms else {
            return Vec::new();
        };
        let mut removed = Vec::new();
        self.by_name.retain(|name, realm| {
            let stays = listed.contains(name);
            if !stays {
                removed.push((name.clone(), realm.clone()));
            }
            stays
        });
        for name in listed {
            let realm = || Realm::new(&self.settings).into();
            self.by_name.entry(name.clone()).or_insert_with(realm);
        }
        removed
    }
}

impl Realm {
    /// Gives the sessions the numbers of their roles.
    fn number(&self, numbers: &RoleNumbers) {
        let mut next = Some(0);
        while let Some(first) = next.take() {
            let mut turn = Turn::default();
            for (id, member) in self.state.lock().sessions.range(first..) {
                if turn.is_over() {
                    next = Some(*id);
                    break;
                }
                turn.spend(LOOK);
                member.peer.has_role(numbers.number(&member.peer.identity().authrole));
            }
        }
    }

    /// Goes by these settings, and judges all sessions by them.
    fn review(&self, name: &str, config: &Config, settings: &Arc<Settings>, is_removed: bool) {
        let mut review = Review { config, realm: name, is_removed, next: 0, present: None };
        let mut rest = VecDeque::new();
        loop {
            let mut wakes = WakeList::default();
            if !rest.is_empty() {
                self.go_on(&mut rest, &mut wakes);
                continue;
            }
            let mut turn = Turn::default();
            let mut state = self.state.lock();
            state.adopt(settings);
            let is_done = state.review(&mut review, &mut wakes, &mut turn);
            rest.extend(state.take_rest());
            if is_done && rest.is_empty() {
                return;
            }
        }
    }
}

impl State {
    /// Goes on with a review; true when it is done.
    fn review(&mut self, review: &mut Review<'_>, wakes: &mut WakeList, turn: &mut Turn) -> bool {
        while !turn.is_over() && !self.has_rest() {
            if let Some(possessions) = &mut review.present {
                if self.judge_one(possessions, wakes, turn) {
                    self.tell_all(wakes, turn);
                } else {
                    review.present = None;
                }
                continue;
            }
            let Some((id, member)) = self.sessions.range(review.next..).next() else {
                return self.broker.events_mut().trim(turn);
            };
            review.next = *id + 1;
            let peer = member.peer.clone();
            self.drop_testaments(&peer, turn);
            turn.spend(ACT);
            match review.farewell(&peer) {
                Some((reason, message)) => {
                    peer.say_goodbye(reason, Some(message));
                    self.leave(&peer, wakes, turn);
                }
                None => review.present = Some(self.possessions(peer, turn)),
            }
        }
        false
    }

    fn possessions(&self, peer: Arc<Peer>, turn: &mut Turn) -> Possessions {
        let subscriptions = self.broker.subscriptions_of(peer.id());
        let registrations = self.dealer.registrations_of(peer.id());
        turn.spend((subscriptions.len() + registrations.len()) / 10);
        Possessions { peer, subscriptions, registrations }
    }

    /// Judges one more thing of a session; false if there is none.
    fn judge_one(&mut self, of: &mut Possessions, wakes: &mut WakeList, turn: &mut Turn) -> bool {
        let is_pattern = if of.peer.has_left() {
            return false;
        } else if let Some(id) = of.subscriptions.pop() {
            self.broker.judge(&of.peer, id, wakes)
        } else if let Some(id) = of.registrations.pop() {
            self.dealer.judge(&of.peer, id, wakes)
        } else {
            return false;
        };
        turn.spend(if is_pattern { PATTERN } else { URI });
        true
    }

    /// Drops the testaments of a session that it may not publish any more.
    fn drop_testaments(&mut self, peer: &Peer, turn: &mut Turn) {
        let permissions = self.settings.rights.of(peer);
        if let Some(member) = self.sessions.get_mut(&peer.id()) {
            let is_allowed = |topic: &str| permissions.check(Action::Publish, topic).is_ok();
            turn.spend(URI * member.testaments.retain(is_allowed));
        }
    }
}

impl Review<'_> {
    /// The reason why a session is to end, with words for people.
    fn farewell(&self, peer: &Peer) -> Option<(&'static str, &'static str)> {
        if self.is_removed {
            return Some((uri::CLOSE_REALM, "this router has no such realm any more"));
        }
        match terms::review(self.config, self.realm, peer.identity()) {
            Ok(()) => None,
            Err(Withdrawal::Removed) => {
                Some((uri::CLOSE_KILLED, "this router does not let this client in any more"))
            }
            Err(Withdrawal::OtherRealm) => {
                Some((uri::CLOSE_REALM, "this listener has no such realm any more"))
            }
            Err(Withdrawal::Closed) => {
                Some((uri::CLOSE_SYSTEM_SHUTDOWN, "the listener of this client is closed"))
            }
            // Clients come back after this one, as they are to.
            Err(Withdrawal::OtherRole) => Some((
                uri::CLOSE_SYSTEM_SHUTDOWN,
                "the role of this client has changed: join again",
            )),
        }
    }
}
