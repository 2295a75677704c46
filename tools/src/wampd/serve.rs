//! The life of the router: it listens, greets, reloads when it is asked to, and drains in the end.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval};
use wamp::facade::Level;
use wamp::facade::router::Router;

use wamp_tools::paint::Paint;
use wamp_tools::{Failure, output};

use crate::files::Files;
use crate::journal::Journal;
use crate::options::Options;
use crate::places::Places;
use crate::service::Manager;
use crate::settings::{Settings, config_error};
use crate::watch::{self, Watched};

/// A router that listens.
pub(crate) struct Life {
    options: Options,
    settings: Settings,
    journal: Journal,
    signals: Signals,
    manager: Manager,
    router: Arc<Router>,
    places: Places,
    files: Arc<Files>,
    watched: Arc<Watched>,
    /// The URL of its metrics.
    metrics: Option<String>,
}

struct Signals {
    end: Signal,
    interrupt: Signal,
    reload: Signal,
}

/// The wish of whoever has sent a signal.
enum Wish {
    End,
    Reload,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            end: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.end.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.reload.recv() => Wish::Reload,
        }
    }

    /// Waits for one that ends it.
    async fn ended(&mut self) {
        tokio::select! {
            _ = self.end.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Life {
    /// Listens at all that the settings name.
    pub(crate) async fn begin(options: Options, settings: Settings) -> Result<Life, Failure> {
        let signals = Signals::new();
        let signals = signals.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
        let journal = Journal::new(settings.log, options.log_level);
        // Whoever is greeted is told where it listens by that.
        journal.listen(if journal.greets() { Level::Warn } else { Level::Trace });
        let router = Router::new(Some(&settings.router));
        let router = router.map_err(|error| Failure::usage(config_error(&error)))?;
        let files = Arc::new(Files::default());
        files.change(settings.mounts.clone());
        router.set_site(files.clone());
        let watched = Watched::new(router.clone());
        let (manager, metrics) = (Manager::from_environment(), None);
        let places = Places::open(&router, &settings)?;
        let mut life = Life {
            options,
            settings,
            journal,
            signals,
            manager,
            router,
            places,
            files,
            watched,
            metrics,
        };
        life.watch().await?;
        Ok(life)
    }

    async fn watch(&mut self) -> Result<(), Failure> {
        if let Some(url) = &self.settings.metrics {
            let address = watch::listen(url, self.watched.clone()).await?;
            let url = format!("http://{address}/metrics");
            if !self.journal.greets() {
                self.journal.tell(Level::Info, "metrics", &url);
            }
            self.metrics = Some(url);
        }
        Ok(())
    }

    /// Serves until it is asked to end.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        if self.journal.greets() {
            self.greet();
            self.journal.listen_to_all();
        }
        self.manager.tell(&format!("READY=1\nSTATUS={}", self.status()));
        let mut watchdog = self.manager.watchdog().map(interval);
        loop {
            tokio::select! {
                wish = self.signals.next() => match wish {
                    Wish::End => break,
                    Wish::Reload => self.reload().await,
                },
                () = tick(&mut watchdog) => self.manager.tell("WATCHDOG=1"),
            }
        }
        self.drain().await
    }

    fn status(&self) -> String {
        format!("listening at {}", self.places.urls().join(", "))
    }

    fn greet(&self) {
        let paint = Paint::stdout();
        let version = env!("CARGO_PKG_VERSION");
        let mut lines = vec![format!("{} {version} listens at", paint.bold("wampd"))];
        let urls = self.places.urls();
        lines.extend(urls.iter().map(|url| format!("  {}", paint.cyan(url))));
        let page = urls.iter().find_map(|url| page_url(url));
        if let Some(page) = page.filter(|_| !self.settings.mounts.is_empty()) {
            lines.push(format!("and has pages at\n  {}", paint.cyan(&page)));
        }
        if let Some(url) = &self.metrics {
            lines.push(format!("and tells metrics at\n  {}", paint.cyan(url)));
        }
        lines.extend(self.warning());
        lines.push("Ctrl-C ends it.".to_owned());
        // Whoever does not read it does not need it.
        let _ = output::say(&lines.join("\n"));
    }

    /// The words for those who do not know that everybody may do everything.
    fn warning(&self) -> Option<String> {
        let open = self.places.open_to_all(&self.settings);
        let is_local = open.iter().all(|place| place.is_local());
        let who = if is_local { "each program of this machine" } else { "everybody" };
        if open.is_empty() {
            return None;
        }
        if open.len() == self.places.urls().len() {
            return Some(format!(
                "It is a router for development: {who} may join any realm, without a\n\
                 login, and do everything there. \"wampd --help\" tells how to change that."
            ));
        }
        let open: Vec<_> = open.iter().map(|place| place.url.as_str()).collect();
        let open = open.join(", ");
        Some(format!("At {open} {who} may join, without a\nlogin, and do everything there."))
    }

    /// Reads the configuration again; keeps the present one where something is wrong with it.
    async fn reload(&mut self) {
        self.manager.tell("RELOADING=1");
        match self.reloaded().await {
            Ok(()) => {
                self.manager.tell(&format!("READY=1\nSTATUS=reloaded, {}", self.status()));
            }
            Err(failure) => {
                self.journal.tell(Level::Error, "not reloaded", &failure.text);
                self.manager.tell(&format!("READY=1\nSTATUS=not reloaded: {failure}"));
            }
        }
    }

    async fn reloaded(&mut self) -> Result<(), Failure> {
        let next = Settings::read(&self.options)?;
        let missing = self.places.missing(&self.settings, &next)?;
        let (router, config) = (self.router.clone(), next.router.clone());
        let reloaded = apart(move || router.reload(Some(&config))).await?;
        reloaded.map_err(|error| Failure::usage(config_error(&error)))?;
        self.files.change(next.mounts.clone());
        self.journal = Journal::new(next.log, self.options.log_level);
        self.journal.listen_to_all();
        let fixed = |settings: &Settings| (settings.listen.clone(), settings.metrics.clone());
        if fixed(&next) != fixed(&self.settings) {
            let why = "\"listen\" and \"metrics\" hold from the next start on";
            self.journal.tell(Level::Warn, "reloaded in part", why);
        }
        for failure in self.places.change(&self.router, &self.settings, &next, missing) {
            self.journal.tell(Level::Error, "reloaded in part", &failure.text);
        }
        for url in self.places.left_over(&next) {
            let why = format!("it listens at {url} until it ends");
            self.journal.tell(Level::Warn, "reloaded in part", &why);
        }
        self.settings = next;
        Ok(())
    }

    /// Says goodbye, and waits for the answers.
    async fn drain(mut self) -> Result<(), Failure> {
        self.watched.close();
        self.manager.tell("STOPPING=1");
        let (router, deadline) = (self.router.clone(), Instant::now() + self.settings.drain);
        let drained = spawn_blocking(move || router.close_within(deadline));
        tokio::select! {
            drained = drained => {
                if !matches!(drained, Ok(true)) {
                    let why = "some clients did not answer in time, and were cut off";
                    self.journal.tell(Level::Warn, "closed", why);
                }
                Ok(())
            }
            () = self.signals.ended() => {
                Err(Failure::new("ended at once, before all clients had answered"))
            }
        }
    }
}

/// Does something on a thread outside of the runtime. There, and only there, the router waits until
/// the addresses of listeners that it closes are free.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let (done, result) = oneshot::channel();
    // Nobody waits for the result where it cannot be sent.
    let work = move || drop(done.send(work()));
    let failed = |why: String| Failure::new(format!("a thread has failed: {why}"));
    thread::Builder::new().spawn(work).map_err(|error| failed(error.to_string()))?;
    result.await.map_err(|error| failed(error.to_string()))
}

/// Waits for the next time that a watchdog wants to hear something; without one for ever.
async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// The URL of pages on a listener for WebSocket.
fn page_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "ws" => "http",
        "wss" => "https",
        _ => return None,
    };
    Some(format!("{scheme}://{}/", rest.split('/').next()?))
}
