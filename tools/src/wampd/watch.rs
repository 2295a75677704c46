//! Metrics for Prometheus, and whether the router is well, on a listener of their own.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wamp::facade::router::{Address, Endpoint, Protocol, Router, RouterStats};

use wamp_tools::Failure;

/// The connections that it has at a time; others wait.
const CONNECTIONS: usize = 64;
/// The time that a connection may be without a request.
const IDLE: Duration = Duration::from_secs(30);

/// The state that is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    router: Arc<Router>,
    is_closing: AtomicBool,
    begun: Instant,
    /// The same by the calendar.
    since: Mutex<SystemTime>,
}

impl Watched {
    pub(crate) fn new(router: Arc<Router>) -> Arc<Watched> {
        let (is_closing, since) = (AtomicBool::new(false), Mutex::new(SystemTime::now()));
        Arc::new(Watched { router, is_closing, begun: Instant::now(), since })
    }

    /// The time of the start, which was not in 1970 where the clock was set since.
    fn since(&self) -> SystemTime {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = SystemTime::now().checked_sub(self.begun.elapsed());
        *since = settled(*since, counted.unwrap_or(UNIX_EPOCH));
        *since
    }

    /// It says that it is not well from now on.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match (request.uri().path(), is_read) {
            ("/metrics", true) => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                answer(StatusCode::OK, kind, metrics(&self.router.stats(), self.since()))
            }
            ("/healthz", true) if self.is_closing.load(Ordering::Relaxed) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "closing\n")
            }
            ("/healthz", true) => text(StatusCode::OK, "ok\n"),
            ("/metrics" | "/healthz", false) => {
                text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are accepted\n")
            }
            _ => text(StatusCode::NOT_FOUND, "here are /metrics and /healthz\n"),
        }
    }
}

/// The host and port of the URL at which metrics are wanted.
pub(crate) fn address(url: &str) -> Result<(String, u16), Failure> {
    let wanted =
        || Failure::usage(format!("metrics cannot be at \"{url}\": write http://HOST:PORT"));
    let endpoint = Endpoint::parse(url).map_err(|_| wanted())?;
    match (endpoint.protocol, endpoint.address) {
        (Protocol::LongPoll { path }, Address::Tcp { host, port, secure: false })
            if path.is_empty() =>
        {
            Ok((host, port))
        }
        _ => Err(wanted()),
    }
}

/// Listens at a URL; gives the address that it got.
pub(crate) async fn listen(url: &str, watched: Arc<Watched>) -> Result<SocketAddr, Failure> {
    let failed = |error| Failure::new(format!("cannot listen on {url}: {error}"));
    let listener = TcpListener::bind(address(url)?).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(serve(listener, watched));
    Ok(address)
}

async fn serve(listener: TcpListener, watched: Arc<Watched>) {
    /// The time to wait where the process has no file descriptor left.
    const PAUSE: Duration = Duration::from_millis(50);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(leave) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let watched = watched.clone();
                tokio::spawn(async move {
                    converse(stream, &watched).await;
                    drop(leave);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn converse(stream: TcpStream, watched: &Watched) {
    let service = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(watched.answer(&request))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
    // How it ends matters to nobody.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text.to_owned())
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// All metrics, as Prometheus reads them.
fn metrics(stats: &RouterStats, since: SystemTime) -> String {
    let mut out = String::new();
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    put(&mut out, "wampd_build_info", "gauge", "The version.", &[(&version, 1.0)]);
    gauges(&mut out, stats);
    counters(&mut out, stats);
    process(&mut out, since);
    out
}

/// The state at present.
fn gauges(out: &mut String, stats: &RouterStats) {
    let gauges = [
        ("clients", "Clients that are connected, joined or not.", stats.clients),
        ("sessions", "Sessions in all realms.", stats.sessions),
        ("subscriptions", "Subscriptions, each counted once.", stats.subscriptions),
        ("registrations", "Registrations, each counted once.", stats.registrations),
        ("pending_calls", "Calls that wait for their callees.", stats.pending_calls),
        ("memory_bytes", "Bytes that count against memory_limit.", stats.memory),
        ("retained_topics", "Topics with retained events.", stats.retained_topics),
        ("retained_bytes", "Bytes of retained events.", stats.retained_bytes),
        ("history_bytes", "Bytes of past events.", stats.history_bytes),
    ];
    for (name, help, value) in gauges {
        put(out, &format!("wampd_{name}"), "gauge", help, &[("", value as f64)]);
    }
}

/// A name, a description, and numbers by their labels.
type Counter<'a> = (&'a str, &'a str, &'a [(&'a str, u64)]);

/// The numbers of things that have happened.
fn counters(out: &mut String, stats: &RouterStats) {
    let queue = stats.dropped.saturating_sub(stats.dropped_stalled);
    let counters: [Counter<'_>; 4] = [
        (
            "messages",
            "WAMP messages.",
            &[("direction=\"in\"", stats.messages_in), ("direction=\"out\"", stats.messages_out)],
        ),
        (
            "dropped_clients",
            "Clients that were dropped.",
            &[
                ("reason=\"queue\"", queue),
                ("reason=\"stalled\"", stats.dropped_stalled),
                ("reason=\"late\"", stats.dropped_late),
                ("reason=\"handshake\"", stats.dropped_handshakes),
            ],
        ),
        (
            "refused_connections",
            "Connections that were turned away.",
            &[
                ("reason=\"connections\"", stats.refused_connections),
                ("reason=\"address\"", stats.refused_addresses),
            ],
        ),
        (
            "refused_requests",
            "Requests that were refused.",
            &[
                ("reason=\"limit\"", stats.refused),
                ("reason=\"memory\"", stats.refused_messages as u64),
            ],
        ),
    ];
    for (name, help, values) in counters {
        let values: Vec<_> =
            values.iter().map(|(labels, value)| (*labels, *value as f64)).collect();
        put(out, &format!("wampd_{name}_total"), "counter", help, &values);
    }
}

/// The time that was noted, unless the one that is counted back to is a day from it: small steps of
/// the clock are none of the start, of which a new time means a new process.
fn settled(noted: SystemTime, counted: SystemTime) -> SystemTime {
    const DAY: Duration = Duration::from_secs(86_400);
    let (early, late) = (noted.min(counted), noted.max(counted));
    match late.duration_since(early) {
        Ok(step) if step > DAY => counted,
        _ => noted,
    }
}

/// The metrics that every program has, by Prometheus' names.
fn process(out: &mut String, since: SystemTime) {
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let help = "The time of the start, in seconds since 1970.";
    put(out, "process_start_time_seconds", "gauge", help, &[("", since)]);
    if let Some(kilobytes) = resident() {
        let help = "Memory that the process has.";
        put(out, "process_resident_memory_bytes", "gauge", help, &[("", kilobytes * 1024.0)]);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let help = "File descriptors that are open.";
        put(out, "process_open_fds", "gauge", help, &[("", open.count() as f64)]);
    }
}

fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn put(out: &mut String, name: &str, kind: &str, help: &str, values: &[(&str, f64)]) {
    // Writing to a text does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_lines_of_names_and_numbers() {
        let stats =
            RouterStats { sessions: 3, dropped: 5, dropped_stalled: 2, ..Default::default() };
        let text = metrics(&stats, UNIX_EPOCH);
        for line in [
            "wampd_sessions 3",
            "wampd_dropped_clients_total{reason=\"queue\"} 3",
            "# TYPE wampd_messages_total counter",
            "process_start_time_seconds 0",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok() && name.contains('_'), "{line}");
        }
    }

    #[test]
    fn a_start_is_not_in_1970_once_the_clock_is_set() {
        let minute = Duration::from_secs(60);
        let (boot, today) = (UNIX_EPOCH + minute, UNIX_EPOCH + 29_000_000 * minute);
        assert_eq!(settled(boot, today), today);
        assert_eq!(settled(today, boot), boot);
        assert_eq!(settled(today, today + minute), today);
        assert_eq!(settled(today, today - minute), today);
    }

    #[test]
    fn the_url_of_metrics_is_plain_http() {
        assert_eq!(address("http://127.0.0.1:9090").unwrap(), ("127.0.0.1".to_owned(), 9090));
        for wrong in ["https://127.0.0.1:1", "ws://127.0.0.1:1", "127.0.0.1:1", "http://h/metrics"]
        {
            assert_eq!(address(wrong).unwrap_err().code, 2, "{wrong}");
        }
    }
}
