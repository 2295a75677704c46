//! An embedded WAMP router: for tests, demos and the programs of one machine.
//!
//! Broker and dealer with the basic profile and what of the advanced one concerns clients, over
//! WebSocket, RawSocket or HTTP long-poll, with every serializer. Users who outgrow it point their
//! clients at a clustered router; nothing else changes.
//!
//! * `config`: the options, in a table that documents them; `mistake`: what is wrong with them.
//! * `reload`: another configuration for a router that runs.
//! * `listening`: the listeners there are. `listener`: one, where clients come in; `door`: as
//!   those know it who came by it, with the `terms` on which they are let in.
//! * `site`: pages beside WebSocket, and `due`: the time that clients have for their handshakes.
//! * `gate`: how many may come in, and from where; `refusal`: what the others are told.
//! * `accept`: the way in, from a connection's first byte to a client that is served; `visitor`:
//!   for whom it speaks, by the `networks` of trusted proxies and the `proxy_protocol`.
//! * `connection`: the task of one client, and the states of its session; `frames`: what it reads.
//! * `login`: from HELLO to an identity. `auth`: how clients prove who they are, with the `verdict`
//!   in due time; `welcome`: what they are told then.
//! * `admission`: the reason why somebody was let in. `certificate`: what one is known by.
//! * `role_rights`: what the roles of sessions may do at present.
//! * `roles`: what they may do, with `rights`: what that means for a URI and for all that a pattern
//!   matches, by its `typical` URIs. `rulings`: the requests that are asked about; `authorization`:
//!   those who are asked.
//! * `host`: the program, as far as it is asked; `asking`: of what, and on which thread;
//!   `procedure`: one that the router calls.
//! * `peer`: a client as the others see it: a place for its messages; `identity`: who it is.
//! * `budget`: the memory that clients make the router use; `relief`: who is dropped where it is
//!   tight; `throttle`: who is not read meanwhile; `receiving`: messages that have not come as a
//!   whole.
//! * `realm`: realms and sessions; `request_ids` that they use, `deadlines` of their calls,
//!   `testament`s at their end.
//! * `turn`: how much is done under the lock of a realm at a time; `limits`: of what is kept there.
//! * `broker`, with `publication` (whom an event is for), `event_store` (what is kept of it) and
//!   `variants` (large payloads in other encodings).
//! * `dealer`: registrations, calls and their answers.
//! * `meta`: the router's own procedures; `meta_event`: what its own topics tell.
//! * `figures`: its counters, which `stats` gathers; `count`: so many of something, until there is
//!   none; `error`: its failures.
//! * `journal`: the lines that it writes for its operator, `refused` of them those on requests;
//!   `failed_handshake`: what it says of those.
//! * `origin`: which pages a browser may bring.
//! * `random`: ids and names that nobody may foresee.
//! * `pattern`: finds what matches a URI; `options` and `request`: options that clients send, and
//!   refusals.
//!
//! ```text
//!   listener -> accept -> connection
//!   connection -> realm -> broker, dealer, meta -> peer -> outbox of the receiver's connection
//! ```

mod accept;
mod admission;
mod asking;
mod auth;
mod authorization;
mod broker;
mod budget;
#[cfg(feature = "tls")]
mod certificate;
#[cfg(not(feature = "tls"))]
#[path = "certificate/left_out.rs"]
mod certificate;
mod config;
mod connection;
mod count;
mod deadlines;
mod dealer;
mod door;
mod due;
mod error;
mod event_store;
mod failed_handshake;
mod figures;
mod frames;
mod gate;
mod greeting;
mod host;
mod identity;
mod journal;
mod limits;
mod listener;
mod listening;
mod login;
mod meta;
mod meta_event;
mod mistake;
mod networks;
mod options;
mod origin;
mod pattern;
mod peer;
mod procedure;
mod proxy_protocol;
mod publication;
mod random;
mod readers;
mod realm;
mod receiving;
mod refusal;
mod refused;
mod relief;
mod reload;
mod request;
mod request_ids;
mod rights;
mod role_rights;
mod roles;
mod rounds;
mod rulings;
mod site;
mod spread;
mod stats;
mod terms;
mod testament;
mod throttle;
mod turn;
mod typical;
mod variants;
mod verdict;
mod visitor;
mod welcome;

#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use crate::log::Level;
use crate::os::{self, lock};
use crate::protocol::ids::IdMap;
use crate::protocol::uri;

use auth::Failures;
use budget::Budget;
use config::Config;
use count::Count;
use gate::{Full, Gate, Pass, Source};
use host::Desk;
use journal::{Journal, Line};
use listening::Listeners;
use login::Reception;
use peer::CLOSE_TIMEOUT;
use peer::Peer;
use readers::Readers;
use realm::Realms;
use relief::Relief;

pub(crate) use mistake::nearest;

pub use asking::{Dispatch, QuestionKind};
pub use config::Checked;
pub use error::RouterError;
pub use figures::RouterStats;
pub use host::{AnswerError, Asked, Host, Question};
pub use site::Site;

/// So many threads may hash tickets at the same time, whoever gives them: there is other work.
const HASHERS: usize = 2;

/// A router. It runs until [`Router::close`], or until it is dropped.
#[derive(Debug)]
pub struct Router {
    shared: Arc<Shared>,
    listeners: Mutex<Listeners>,
}

/// The state that the tasks of a router share.
#[derive(Debug)]
struct Shared {
    config: Mutex<Arc<Config>>,
    /// Held by the one who changes the configuration.
    reloading: Mutex<()>,
    budget: Arc<Budget>,
    /// The time that one message may take to come, in milliseconds: each turn asks for it.
    message_timeout: AtomicU64,
    realms: Arc<Realms>,
    clients: Mutex<Clients>,
    /// The place for questions to the program.
    desk: Arc<Desk>,
    /// The way in for those who say HELLO.
    reception: Arc<Reception>,
    /// Tells the connections of HTTP clients that the router is closed.
    closed: watch::Sender<bool>,
    gate: Arc<Gate>,
    /// The pages beside WebSocket.
    site: OnceLock<Arc<dyn Site>>,
    /// The clients that there are.
    present: Count,
    /// The addresses that are bound.
    bound: Count,
    /// The GOODBYEs of a closing router that are not in their sockets yet.
    unsaid: Count,
    relief: Relief,
    /// The order of large messages.
    readers: Arc<Readers>,
    journal: Journal,
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    /// Clients that were dropped because a message did not come to its end.
    late: AtomicU64,
}

#[derive(Debug, Default)]
struct Clients {
    closed: bool,
    by_id: IdMap<Arc<Peer>>,
}

impl Router {
    /// Makes a router. `config` is a JSON object, with the options of docs/ROUTER.md; `None` stands
    /// for `{}`.
    pub fn new(config: Option<&str>) -> Result<Arc<Router>, RouterError> {
        Config::parse(config).map(Router::with)
    }

    fn with(config: Config) -> Arc<Router> {
        let desk = Arc::new(Desk::new(config.max_questions, config.question_timeout));
        let config = Arc::new(config);
        let realms = Arc::new(Realms::new(&config));
        let reception = Reception {
            config: Mutex::new(config.clone()),
            desk: desk.clone(),
            realms: realms.clone(),
            failures: Failures::default(),
            hashers: Arc::new(Semaphore::new(HASHERS)),
        };
        let journal = Journal::new(config.log_format);
        let shared = Shared {
            realms,
            desk,
            gate: Gate::new(config.connection_limits),
            site: OnceLock::new(),
            reception: Arc::new(reception),
            budget: config.budget.clone(),
            message_timeout: AtomicU64::new(millis(config.message_timeout)),
            config: Mutex::new(config),
            reloading: Mutex::default(),
            clients: Mutex::default(),
            closed: watch::Sender::new(false),
            present: Count::default(),
            bound: Count::default(),
            unsaid: Count::default(),
            relief: Relief::default(),
            readers: Arc::default(),
            journal,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            late: AtomicU64::new(0),
        };
        Arc::new(Router { shared: Arc::new(shared), listeners: Mutex::default() })
    }

    /// The thread on which the program wants to be told of questions.
    pub fn dispatch(&self) -> Dispatch {
        self.shared.config().dispatch
    }

    /// Says who is asked about clients; before the first [`Router::listen`], and once.
    pub fn set_host(&self, host: Arc<dyn Host>) {
        self.shared.desk.occupy(host);
    }

    /// Ends the session `session`, or all clients' without one: with a reason, by GOODBYE, else by
    /// cutting the connection without a word. Tells how many there were; waits for none.
    pub fn kick(&self, session: Option<u64>, reason: Option<&str>) -> usize {
        let clients = lock(&self.shared.clients);
        let mut kicked = 0;
        let peers: &mut dyn Iterator<Item = &Arc<Peer>> = match session {
            Some(id) => &mut clients.by_id.get(&id).into_iter(),
            None => &mut clients.by_id.values(),
        };
        for peer in peers {
            match reason {
                Some(reason) => peer.say_goodbye(reason, None),
                None => peer.disconnect(),
            }
            kicked += 1;
        }
        kicked
    }

    /// Stops listening and ends all sessions with GOODBYE `wamp.close.system_shutdown`. Does not
    /// wait: each client has a second for its answer.
    pub fn close(&self) {
        self.begin_closing(CLOSE_TIMEOUT);
    }

    /// As [`Router::close`], and waits until each client has answered. Who has not by the deadline
    /// is cut off; then it is false.
    pub fn close_within(&self, deadline: Instant) -> bool {
        /// The time that the tasks of those who are cut off may need for it.
        const CUT: Duration = Duration::from_secs(5);
        // A little more than they have here, so that it is here that they are cut off.
        let goodbye_timeout = deadline.saturating_duration_since(Instant::now()) + CUT;
        self.begin_closing(goodbye_timeout);
        let Shared { present, bound, .. } = &*self.shared;
        if present.wait_none(deadline) && bound.wait_none(deadline) {
            return true;
        }
        self.kick(None, None);
        let deadline = Instant::now() + CUT;
        present.wait_none(deadline);
        bound.wait_none(deadline);
        false
    }

    /// Waits until each GOODBYE of a closing router is in its socket, as far as that takes it.
    pub fn wait_said(&self, deadline: Instant) -> bool {
        self.shared.unsaid.wait_none(deadline)
    }

    fn begin_closing(&self, goodbye_timeout: Duration) {
        let mut listeners = lock(&self.listeners);
        listeners.close();
        drop(listeners);
        self.shared.closed.send_replace(true);
        let mut clients = lock(&self.shared.clients);
        if std::mem::replace(&mut clients.closed, true) {
            return;
        }
        for peer in clients.by_id.values() {
            self.shared.unsaid.add();
            peer.part(uri::CLOSE_SYSTEM_SHUTDOWN, goodbye_timeout);
        }
        let count = clients.by_id.len() as u64;
        drop(clients);
        self.shared.journal.write(Line::new(Level::Info, "closing").number("clients", count));
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// The configuration at present.
    fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }

    /// The time that one message may take to come.
    fn message_timeout(&self) -> Duration {
        Duration::from_millis(self.message_timeout.load(Ordering::Relaxed))
    }

    /// Puts a new client on the list; `None` once the router is closed, and where the system has no
    /// random numbers.
    fn admit(&self) -> Option<Arc<Peer>> {
        let mut clients = lock(&self.clients);
        if clients.closed {
            return None;
        }
        let id = loop {
            let id = random::id().ok()?;
            if !clients.by_id.contains_key(&id) {
                break id;
            }
        };
        let peer = Peer::new(id, self.config().send_queue_bytes, &self.budget);
        clients.by_id.insert(id, peer.clone());
        self.present.add();
        Some(peer)
    }

    /// Drops those who take nothing, where memory is tight.
    #[cold]
    fn relieve(&self) {
        let peers = || lock(&self.clients).by_id.values().cloned().collect();
        self.relief.look(&self.budget, Instant::now(), peers);
    }

    /// The GOODBYE to a client is as far as it goes.
    fn settle(&self, peer: &Peer) {
        if peer.settle() {
            self.unsaid.done();
        }
    }

    /// Notes that a connection from there was turned away, and why.
    fn turn_away(&self, address: Option<IpAddr>, full: Full) -> Full {
        let address = address.map_or_else(String::new, |address| address.to_string());
        let line = Line::new(Level::Warn, "connection refused").text("address", address);
        self.journal.write(line.text("message", full.to_string()));
        full
    }

    /// Lets a connection in, whose handshakes begin; where there are too many others are dropped.
    fn enter(&self, source: Source) -> Result<Pass, Full> {
        let entered = self.gate.enter(source);
        self.note_dropped();
        entered
    }

    /// Notes which handshakes were dropped.
    fn note_dropped(&self) {
        for origin in self.gate.take_dropped() {
            if !Line::is_wanted(Level::Warn) {
                continue;
            }
            let line = Line::new(Level::Warn, "handshake dropped");
            let line = match origin.address() {
                Some(address) => line.text("address", address.to_string()),
                None => line,
            };
            let why = "there are too many that have not joined yet (max_handshakes)";
            self.journal.write(line.text("message", why));
        }
    }

    /// Notes that no client comes in there for now, and why.
    fn note_deaf(&self, url: &str, error: &io::Error) {
        let hint = match os::is_exhausted(error) {
            true => "; allow it more open files, or lower max_connections",
            false => "",
        };
        let line = Line::new(Level::Warn, "clients not accepted").text("url", url);
        self.journal.write(line.text("message", format!("{error}{hint}")));
    }

    /// Notes that a client has come no further than its handshakes, and why.
    fn note_failed(&self, address: Option<IpAddr>, why: String) {
        if !Line::is_wanted(Level::Info) {
            return;
        }
        let line = Line::new(Level::Info, "handshake failed");
        let line = match address {
            Some(address) => line.text("address", address.to_string()),
            None => line,
        };
        self.journal.write(line.text("message", why));
    }

    /// Notes that a page was refused, and why.
    fn refuse_page(&self, why: String) -> String {
        self.journal.write(Line::new(Level::Warn, "page refused").text("message", why.trim_end()));
        why
    }

    fn dismiss(&self, peer: &Peer) {
        lock(&self.clients).by_id.remove(&peer.id());
        if peer.was_dropped() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            let line = Line::new(Level::Warn, "slow client dropped").number("session", peer.id());
            self.journal.write(line.text("authid", &*peer.identity().authid));
        }
        self.settle(peer);
        self.present.done();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
