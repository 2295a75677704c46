//! Interruptions: the first ends the work in order, the second at once.

use std::process;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use wamp_tools::Failure;

/// The time that an end in order may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The signals that end a program: SIGINT, SIGTERM and SIGHUP, unless whoever started it has them
/// ignored.
#[derive(Debug, Clone)]
pub struct Signals(watch::Receiver<Option<u8>>);

impl Signals {
    /// Watches for signals from now on, on a thread of its own, so that the second one ends the
    /// program whatever it does.
    pub fn watch() -> Result<Signals, Failure> {
        let failed = |error| Failure::new(format!("cannot watch for signals: {error}"));
        let (sender, receiver) = watch::channel(None);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let entered = runtime.enter();
        let mut streams = Vec::new();
        for number in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let raw = number.as_raw_value();
            if !is_ignored(raw) {
                streams.push((raw as u8, signal(number).map_err(failed)?));
            }
        }
        drop(entered);
        let watch = move || {
            runtime.block_on(async {
                let first = next(&mut streams).await;
                let _ = sender.send(Some(first));
                let last = tokio::time::timeout(PATIENCE, next(&mut streams)).await;
                process::exit(128 + i32::from(last.unwrap_or(first)));
            });
        };
        let started = thread::Builder::new().name("wampcat-signals".to_owned()).spawn(watch);
        started.map_err(failed)?;
        Ok(Signals(receiver))
    }

    /// Waits for the first signal, and gives its number.
    pub async fn wait(&mut self) -> u8 {
        match self.0.wait_for(Option::is_some).await {
            Ok(number) => number.unwrap_or_default(),
            // The thread is gone: nothing will be heard.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The end of a program that was interrupted by this signal, of which nothing is to be said.
pub fn interrupted(signal: u8) -> Failure {
    Failure::with_code(128 + signal, "")
}

async fn next(streams: &mut [(u8, Signal)]) -> u8 {
    std::future::poll_fn(|context| {
        for (number, stream) in streams.iter_mut() {
            if stream.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// True if whoever started the program has a signal ignored, as nohup does; where the system does
/// not tell, none is.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
