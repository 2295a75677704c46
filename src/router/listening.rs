//! The listeners of a router: opened one by one, or as the configuration lists them, and closed
//! where it does not list them any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::log::Level;
use crate::os::{ReadySocket, lock};

use super::config::Config;
use super::count::Count;
use super::greeting::Greeting;
use super::journal::Line;
use super::listener::Listener;
use super::{Router, RouterError, Shared};

/// The listeners, in the order in which they were opened.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// The router is closed.
    pub(super) closed: bool,
    open: Vec<Open>,
}

/// A listener at work.
#[derive(Debug)]
struct Open {
    url: String,
    greeting: Arc<Greeting>,
    task: AbortHandle,
    /// None once the address is free.
    bound: Arc<Count>,
}

/// A bound address, for as long as this lives.
struct Bound {
    shared: Arc<Shared>,
    own: Arc<Count>,
}

impl Router {
    /// Listens on `ws://host:port/path`, `rs://host:port` or `http://host:port/path`, with TLS on
    /// `wss://`, `rss://` or `https://`, or on a Unix socket, as often as wanted; port 0 takes a
    /// free one. The address is bound when this returns, and `runtime`, which needs I/O and time,
    /// serves the clients. Returns the URL, with the port that it got.
    pub fn listen(self: &Arc<Self>, url: &str, runtime: &Handle) -> Result<String, RouterError> {
        self.listen_at(url, None, runtime)
    }

    /// As [`Router::listen`], by a socket that listens already, if there is one; its file stays.
    pub fn listen_at(
        self: &Arc<Self>,
        url: &str,
        ready: Option<ReadySocket>,
        runtime: &Handle,
    ) -> Result<String, RouterError> {
        let mut listeners = lock(&self.listeners);
        listeners.check_open()?;
        let listener = Listener::bind(url, ready, &self.shared.config(), runtime)?;
        Ok(listeners.start(listener, &self.shared, runtime))
    }

    /// Listens as the option `listeners` says, as far as the router does not yet. Where that fails
    /// for one of them, none of them is opened. Returns the URLs of those that are new.
    pub fn listen_all(self: &Arc<Self>, runtime: &Handle) -> Result<Vec<String>, RouterError> {
        let mut listeners = lock(&self.listeners);
        listeners.check_open()?;
        let config = self.shared.config();
        if config.listeners.is_empty() {
            let why = "no URL is given, and the configuration has no \"listeners\"";
            return Err(RouterError::Url(why.to_owned()));
        }
        let missing = config.listeners.iter().map(|listener| &listener.endpoint);
        let missing = missing
            .filter(|place| !listeners.open.iter().any(|open| open.greeting.door.is_at(place)));
        let bound = missing.map(|place| Listener::bind(place.url(), None, &config, runtime));
        let bound: Vec<_> = bound.collect::<Result<_, _>>()?;
        let start = |listener| listeners.start(listener, &self.shared, runtime);
        Ok(bound.into_iter().map(start).collect())
    }

    /// The URL of the first listener, with the port that it got.
    pub fn url(&self) -> Option<String> {
        lock(&self.listeners).open.first().map(|open| open.url.clone())
    }
}

impl Listeners {
    pub(super) fn check_open(&self) -> Result<(), RouterError> {
        if self.closed { Err(RouterError::Closed) } else { Ok(()) }
    }

    fn start(&mut self, listener: Listener, shared: &Arc<Shared>, runtime: &Handle) -> String {
        let (url, greeting) = (listener.url.clone(), listener.greeting.clone());
        let bound = Arc::new(Count::default());
        bound.add();
        shared.bound.add();
        let router = shared.clone();
        // Dropped behind the listener, when the address is free, and where the task never begins.
        let held = (listener, Bound { shared: shared.clone(), own: bound.clone() });
        let task = runtime.spawn(async move {
            let (listener, _bound) = held;
            listener.serve(router).await;
        });
        let task = task.abort_handle();
        self.open.push(Open { url: url.clone(), greeting, task, bound });
        shared.journal.write(Line::new(Level::Info, "listening").text("url", &*url));
        url
    }

    /// Takes no clients any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.open.iter().for_each(|open| open.task.abort());
    }

    /// Refuses a configuration that leaves out what an open listener needs.
    pub(super) fn check(&self, present: &Config, next: &Config) -> Result<(), RouterError> {
        let stay = self.open.iter().filter(|open| !open.is_dropped(present, next));
        let mut without = stay.filter(|open| {
            open.greeting.is_secure() && next.at(Some(&open.greeting.door)).tls().is_none()
        });
        match without.next() {
            None => Ok(()),
            Some(open) => {
                let why = format!("\"tls\" is missing, which is needed at {}", open.url);
                Err(RouterError::Config(why))
            }
        }
    }

    /// Goes by another configuration: certificates are renewed, and listeners are closed that were
    /// listed and are not any more.
    pub(super) fn change(&mut self, present: &Config, next: &Config, shared: &Shared) {
        let is_dropped = |open: &mut Open| open.is_dropped(present, next);
        for open in self.open.extract_if(.., is_dropped) {
            open.end();
            let line = Line::new(Level::Info, "listener closed").text("url", &*open.url);
            shared.journal.write(line);
        }
        for open in &self.open {
            if let Some(tls) = next.at(Some(&open.greeting.door)).tls() {
                open.greeting.renew(tls);
            }
        }
    }
}

impl Open {
    fn is_dropped(&self, present: &Config, next: &Config) -> bool {
        let door = Some(&self.greeting.door);
        present.at(door).are_own() && !next.at(door).are_own()
    }

    /// Closes it, and waits until the address is free, unless on the thread that has to free it.
    fn end(&self) {
        /// The time that it may need for that.
        const CUT: Duration = Duration::from_secs(5);
        self.greeting.door.close();
        self.task.abort();
        if Handle::try_current().is_err() {
            self.bound.wait_none(Instant::now() + CUT);
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.own.done();
        self.shared.bound.done();
    }
}
