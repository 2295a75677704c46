//! The life of the router: it listens, greets, reloads when it is asked to, and drains in the end.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval};
use wamp::facade::Level;
use wamp::facade::router::{Router, RouterError};

use wamp_tools::paint::Paint;
use wamp_tools::{Failure, output};

use crate::exposure;
use crate::files::Files;
use crate::journal::Journal;
use crate::options::Options;
use crate::service::{self, Manager};
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
    urls: Vec<String>,
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
        let (manager, urls) = (Manager::from_environment(), Vec::new());
        let metrics = None;
        let mut life = Life {
            options,
            settings,
            journal,
            signals,
            manager,
            router,
            urls,
            files,
            watched,
            metrics,
        };
        life.listen()?;
        life.watch().await?;
        Ok(life)
    }

    /// Takes the sockets that are handed over, and binds those for which there is none.
    fn listen(&mut self) -> Result<(), Failure> {
        let mut sockets = service::sockets()?.into_iter();
        let named =
            if sockets.len() == 0 { self.settings.urls() } else { self.settings.listen.clone() };
        let mut named = named.into_iter();
        loop {
            let (url, socket) = (named.next(), sockets.next());
            let real = socket.as_ref().map(|socket| socket.websocket_url("/ws")).transpose();
            let real =
                real.map_err(|error| Failure::new(format!("a socket is no use: {error}")))?;
            let Some(url) = url.or_else(|| real.clone()) else {
                return Ok(());
            };
            // Its address counts, whatever is written.
            exposure::check(&url, &self.settings)?;
            exposure::check(real.as_ref().unwrap_or(&url), &self.settings)?;
            let listening = self.router.listen_at(&url, socket, &Handle::current());
            self.urls.push(listening.map_err(|error| match error {
                RouterError::Config(_) => {
                    let why = format!("{url} needs a certificate: give --tls-cert and --tls-key");
                    Failure::usage(why)
                }
                RouterError::Url(_) => Failure::usage(error.to_string()),
                error => Failure::new(error.to_string()),
            })?);
        }
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
        let status = format!("READY=1\nSTATUS=listening at {}", self.urls.join(", "));
        self.manager.tell(&status);
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

    fn greet(&self) {
        let paint = Paint::stdout();
        let version = env!("CARGO_PKG_VERSION");
        let mut lines = vec![format!("{} {version} listens at", paint.bold("wampd"))];
        lines.extend(self.urls.iter().map(|url| format!("  {}", paint.cyan(url))));
        let page = self.urls.iter().find_map(|url| page_url(url));
        if let Some(page) = page.filter(|_| !self.settings.mounts.is_empty()) {
            lines.push(format!("and has pages at\n  {}", paint.cyan(&page)));
        }
        if let Some(url) = &self.metrics {
            lines.push(format!("and tells metrics at\n  {}", paint.cyan(url)));
        }
        let is_local = self.urls.iter().all(|url| exposure::is_local(url));
        if self.settings.is_open {
            let who = if is_local { "each program of this machine" } else { "everybody" };
            lines.push(format!(
                "It is a router for development: {who} may join any realm, without a\n\
                 login, and do everything there. \"wampd --help\" tells how to change that."
            ));
        }
        lines.push("Ctrl-C ends it.".to_owned());
        // Whoever does not read it does not need it.
        let _ = output::say(&lines.join("\n"));
    }

    /// Reads the configuration again; keeps the present one where something is wrong with it.
    async fn reload(&mut self) {
        self.manager.tell("RELOADING=1");
        match self.reloaded().await {
            Ok(()) => self.manager.tell("READY=1\nSTATUS=reloaded"),
            Err(failure) => {
                self.journal.tell(Level::Error, "not reloaded", &failure.text);
                self.manager.tell(&format!("READY=1\nSTATUS=not reloaded: {failure}"));
            }
        }
    }

    async fn reloaded(&mut self) -> Result<(), Failure> {
        let next = Settings::read(&self.options)?;
        for url in &self.urls {
            exposure::check(url, &next)?;
        }
        let (router, config) = (self.router.clone(), next.router.clone());
        let reloaded = spawn_blocking(move || router.reload(Some(&config))).await;
        let reloaded = reloaded.map_err(|error| Failure::new(error.to_string()))?;
        reloaded.map_err(|error| Failure::usage(config_error(&error)))?;
        self.files.change(next.mounts.clone());
        self.journal = Journal::new(next.log, self.options.log_level);
        self.journal.listen_to_all();
        let fixed = |settings: &Settings| (settings.listen.clone(), settings.metrics.clone());
        if fixed(&next) != fixed(&self.settings) {
            let why = "\"listen\" and \"metrics\" hold from the next start on";
            self.journal.tell(Level::Warn, "reloaded in part", why);
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
