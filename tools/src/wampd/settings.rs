//! The settings of `wampd`: those of the command line before those of the configuration file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use wamp::facade::router::{Checked, Endpoint, Router, RouterError, nearest};

use wamp_tools::Failure;

use crate::exposure;
use crate::files::Mount;
use crate::options::{LogFormat, Options, USUAL_URL};

/// The settings, checked as far as that is possible without listening.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The router's configuration, as `wamp_router_new()` takes it.
    pub(crate) router: String,
    /// The same, read.
    pub(crate) checked: Checked,
    /// The user knows where everybody may do everything.
    pub(crate) may_be_open: bool,
    /// The URLs to listen at in place of those that the router's configuration lists.
    pub(crate) listen: Vec<String>,
    pub(crate) metrics: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) drain: Duration,
    pub(crate) log: LogFormat,
}

/// The keys of "wampd" in the configuration file.
const KEYS: [&str; 5] = ["listen", "open", "metrics", "static", "drain"];

/// The time for goodbyes.
const DRAIN: f64 = 5.0;

/// The contents of a configuration file: the router's, and wampd's own.
#[derive(Debug, Default)]
struct File {
    router: Map<String, Value>,
    own: Map<String, Value>,
}

impl Settings {
    /// Reads the configuration file, and has the options count more.
    pub(crate) fn read(options: &Options) -> Result<Settings, Failure> {
        let path = options.config.as_deref();
        let file = path.map(File::read).transpose()?.unwrap_or_default();
        let wrong = |why: String| match path {
            Some(path) => Failure::usage(format!("{}: {why}", path.display())),
            None => Failure::usage(why),
        };
        let mut router = file.router;
        if !options.realm.is_empty() {
            router.insert("realms".to_owned(), json!(options.realm));
        }
        if let (Some(cert), Some(key)) = (&options.tls_cert, &options.tls_key) {
            let tls = router.entry("tls").or_insert_with(|| json!({}));
            if let Some(tls) = tls.as_object_mut() {
                tls.insert("cert".to_owned(), json!(readable(cert)?));
                tls.insert("key".to_owned(), json!(readable(key)?));
            }
        }
        if let Some(format) = options.log {
            router.insert("log_format".to_owned(), json!(format.name()));
        }
        let log = match router.get("log_format").and_then(Value::as_str) {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        };
        let router = Value::Object(router).to_string();
        let checked = Router::check(Some(&router)).map_err(|error| wrong(config_error(&error)))?;
        let own = Own { entries: file.own };
        let drain = match options.drain {
            Some(seconds) => seconds,
            None => own.number("drain").map_err(&wrong)?.unwrap_or(DRAIN),
        };
        let mounts = match options.r#static.as_slice() {
            [] => own.mounts().map_err(&wrong)?,
            given => given.iter().map(|text| parse_mount(text)).collect(),
        };
        Ok(Settings {
            router,
            checked,
            may_be_open: options.open || own.flag("open").map_err(&wrong)?,
            listen: match options.port {
                Some(port) => vec![format!("ws://127.0.0.1:{port}/ws")],
                None if options.listen.is_empty() => own.texts("listen").map_err(&wrong)?,
                None => options.listen.clone(),
            },
            metrics: match &options.metrics {
                None => own.text("metrics").map_err(&wrong)?,
                given => given.clone(),
            },
            mounts: mounts
                .into_iter()
                .map(|(path, directory)| Mount::new(&path, &directory))
                .collect::<Result<_, _>>()?,
            drain: seconds(drain)?,
            log,
        })
    }

    /// The URLs to listen at that the user names.
    pub(crate) fn named(&self) -> Vec<String> {
        match self.listen.as_slice() {
            [] => self.checked.places().map(|place| place.url().to_owned()).collect(),
            urls => urls.to_vec(),
        }
    }

    /// The URLs to listen at where nothing else is handed over.
    pub(crate) fn urls(&self) -> Vec<String> {
        match self.named() {
            none if none.is_empty() => vec![USUAL_URL.to_owned()],
            urls => urls,
        }
    }

    /// Says what forbids to listen at a place. `real` is the URL of the socket that was handed over
    /// for it.
    pub(crate) fn check_place(&self, place: &Endpoint, real: Option<&str>) -> Result<(), Failure> {
        if place.is_secure() && !self.checked.has_tls_at(place) {
            let why = format!("{place} needs a certificate: give --tls-cert and --tls-key");
            return Err(Failure::usage(why));
        }
        exposure::check(place, real.unwrap_or(place.url()), self)
    }

    /// Says what would not let it start, as far as that can be told without listening.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for url in self.urls() {
            self.check_place(&parse(&url)?, None)?;
        }
        self.metrics.as_deref().map_or(Ok(()), |url| crate::watch::address(url).map(drop))
    }
}

impl File {
    fn read(path: &Path) -> Result<File, Failure> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
        let mut router: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("{shown}: not a JSON object: {error}")))?;
        let own = match router.shift_remove("wampd") {
            None => Map::new(),
            Some(Value::Object(own)) => own,
            Some(_) => {
                return Err(Failure::usage(format!("{shown}: \"wampd\": must be an object")));
            }
        };
        if let Some(key) = own.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = nearest(key, &KEYS);
            return Err(Failure::usage(format!(
                "{shown}: \"wampd\".\"{key}\": unknown; {nearest}"
            )));
        }
        Ok(File { router, own })
    }
}

/// The value of "wampd" in the configuration file.
struct Own {
    entries: Map<String, Value>,
}

impl Own {
    fn take<T>(
        &self,
        key: &str,
        wanted: &str,
        take: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        take(value).map(Some).ok_or_else(|| format!("\"wampd\".\"{key}\": must be {wanted}"))
    }

    fn text(&self, key: &str) -> Result<Option<String>, String> {
        self.take(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    fn number(&self, key: &str) -> Result<Option<f64>, String> {
        self.take(key, "a number of seconds", Value::as_f64)
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        self.take(key, "true or false", Value::as_bool).map(Option::unwrap_or_default)
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        let texts = |value: &Value| {
            let texts = value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect()
        };
        self.take(key, "a list of URLs", texts).map(Option::unwrap_or_default)
    }

    fn mounts(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let wanted = "an object of directories by their paths, such as {\"/\": \"/srv/www\"}";
        let mounts = |value: &Value| {
            let mounts = value.as_object()?.iter();
            mounts
                .map(|(path, directory)| Some((path.clone(), directory.as_str()?.into())))
                .collect()
        };
        self.take("static", wanted, mounts).map(Option::unwrap_or_default)
    }
}

/// Reads a URL to listen at.
pub(crate) fn parse(url: &str) -> Result<Endpoint, Failure> {
    Checked::place(url).map_err(|why| Failure::usage(format!("cannot listen: {why}")))
}

/// Takes `DIR` or `/PATH=DIR`.
fn parse_mount(text: &str) -> (String, PathBuf) {
    match text.split_once('=') {
        Some((path, directory)) if path.starts_with('/') => (path.to_owned(), directory.into()),
        _ => ("/".to_owned(), text.into()),
    }
}

/// The contents of a file, which is to be named where it cannot be read.
fn readable(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

fn seconds(seconds: f64) -> Result<Duration, Failure> {
    /// A day.
    const MOST: f64 = 86_400.0;
    match seconds {
        0.0..=MOST => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(Failure::usage(format!("the time to drain must be 0 to {MOST} seconds"))),
    }
}

/// The words for an error of the configuration, without those that the user knows.
pub(crate) fn config_error(error: &RouterError) -> String {
    match error {
        RouterError::Config(why) => why.clone(),
        other => other.to_string(),
    }
}
