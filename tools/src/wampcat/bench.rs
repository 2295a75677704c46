//! `wampcat bench`: how much a router carries, and how fast.
//!
//! So many workers, as messages are to be on their way, send one after the other. Each waits until
//! its own has arrived where it should.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;
use tokio::time::sleep;

use wamp::facade::client::{Client, Heard, Parts, Reply};
use wamp_tools::Failure;

use crate::bar::{Bar, EVERY};
use crate::cli::{Bench, Global, Load};
use crate::figures::{Times, grouped, millis, time};
use crate::link::{Link, within};
use crate::listen::Listener;
use crate::options::{Lasting, Settings, settings};
use crate::signals::Signals;
use crate::voice::{Voice, from_client};

/// Measures, and shows the figures.
pub async fn run(
    global: &Global,
    bench: &Bench,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let mut settings = settings(global, Lasting::Once)?;
    let most = bench.in_flight as usize * (bench.size + 1024) * 2;
    settings.options.insert("send_queue_bytes".to_owned(), most.max(16 << 20).into());
    let link = Link::open(&settings, voice, signals.clone()).await?;
    let far = Far::open(&settings, bench, &link).await?;
    let Link { client, welcome, timeout, .. } = link;
    let ways = Ways::new(bench, welcome.session);
    let work = Arc::new(Work {
        client,
        bench: bench.load,
        uri: ways.uri,
        text: "x".repeat(bench.size),
        timeout,
        left: AtomicU64::new(bench.count.unwrap_or(u64::MAX)),
        begun: Instant::now(),
        duration: Duration::from_secs_f64(bench.duration),
        times: Mutex::new(Times::new()),
    });
    let worked = measure(&work, bench, far, ways.arrivals, ways.ends, voice, signals).await;
    let elapsed = work.begun.elapsed();
    let times = work.times.lock().unwrap_or_else(PoisonError::into_inner);
    if times.count() > 0 {
        show(&voice, bench, &times, elapsed)?;
    }
    worked
}

/// Runs the workers, the far side and the bar until all have ended.
async fn measure(
    work: &Arc<Work>,
    bench: &Bench,
    far: Option<Far>,
    arrivals: Vec<Sender<Instant>>,
    ends: Vec<Receiver<Instant>>,
    voice: Voice,
    mut signals: Signals,
) -> Result<(), Failure> {
    let mut workers = JoinSet::new();
    for (number, arrived) in ends.into_iter().enumerate() {
        workers.spawn(work.clone().run(number, arrived));
    }
    let mut bar = Bar::new(!voice.json);
    let serve = async {
        match far {
            Some(far) => far.serve(arrivals).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(serve);
    loop {
        tokio::select! {
            worked = workers.join_next() => match worked {
                None => return Ok(()),
                Some(Ok(worked)) => worked?,
                Some(Err(error)) => return Err(Failure::new(error.to_string())),
            },
            failure = &mut serve => return Err(failure),
            _ = signals.wait() => return Ok(()),
            () = sleep(EVERY) => {
                let (part, words) = work.progress(bench);
                bar.show(part, &words);
            }
        }
    }
}

/// The state that all workers share.
struct Work {
    client: Client,
    bench: Load,
    uri: String,
    text: String,
    timeout: Option<Duration>,
    left: AtomicU64,
    begun: Instant,
    duration: Duration,
    times: Mutex<Times>,
}

impl Work {
    async fn run(
        self: Arc<Self>,
        number: usize,
        mut arrived: Receiver<Instant>,
    ) -> Result<(), Failure> {
        let parts = Parts { args: Some(json!([self.text, number]).to_string()), kwargs: None };
        while self.begun.elapsed() < self.duration && self.takes_one() {
            let sent = Instant::now();
            let at = within(self.timeout, self.once(&parts, &mut arrived)).await??;
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.add(at.saturating_duration_since(sent));
        }
        Ok(())
    }

    fn takes_one(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Sends one message, and gives the time of its arrival.
    async fn once(
        &self,
        parts: &Parts,
        arrived: &mut Receiver<Instant>,
    ) -> Result<Instant, Failure> {
        let options = Map::new();
        let sent = match self.bench {
            Load::Call => {
                let call = self.client.call(&self.uri, &options, parts);
                return at(call.map_err(|why| from_client(&why))?.next().await);
            }
            Load::Publish => {
                let publication = self.client.publish(&self.uri, &options, parts);
                return at(publication.map_err(|why| from_client(&why))?.acknowledged().await);
            }
            Load::Event => self.client.publish_unacknowledged(&self.uri, &options, parts),
        };
        sent.map_err(|why| from_client(&why))?;
        arrived.recv().await.ok_or_else(|| Failure::with_code(6, "the connection was lost"))
    }

    /// The part that is done, and the rate.
    fn progress(&self, bench: &Bench) -> (f64, String) {
        let elapsed = self.begun.elapsed();
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let by_count = bench.count.map_or(0.0, |most| times.count() as f64 / most as f64);
        let part = (elapsed.as_secs_f64() / self.duration.as_secs_f64().max(1e-9)).max(by_count);
        let rate = times.count() as f64 / elapsed.as_secs_f64().max(1e-9);
        (part, format!("{}/s, median {}", grouped(rate as u64), time(times.quantile(0.5))))
    }
}

fn at(reply: Option<Reply>) -> Result<Instant, Failure> {
    match reply {
        Some(Reply::Done(message) | Reply::Progress(message)) => Ok(message.at),
        Some(Reply::Failed(why, _)) => Err(from_client(&why)),
        None => Err(Failure::with_code(6, "the connection was lost")),
    }
}

/// The URI, and the ways on which workers hear that an event has arrived.
struct Ways {
    uri: String,
    arrivals: Vec<Sender<Instant>>,
    ends: Vec<Receiver<Instant>>,
}

impl Ways {
    fn new(bench: &Bench, session: u64) -> Ways {
        let uri = bench.uri.clone().unwrap_or_else(|| own_uri(session));
        let (arrivals, ends) = (0..bench.in_flight).map(|_| mpsc::channel(1)).unzip();
        Ways { uri, arrivals, ends }
    }
}

/// A URI that nobody else has.
fn own_uri(session: u64) -> String {
    format!("wampcat.bench.s{session}")
}

/// The other connection: who is called, or subscribes.
struct Far {
    link: Link,
    listener: Listener,
}

impl Far {
    /// Connects and listens, where the load needs somebody there.
    async fn open(settings: &Settings, bench: &Bench, near: &Link) -> Result<Option<Far>, Failure> {
        if bench.load == Load::Publish || (bench.load == Load::Call && bench.uri.is_some()) {
            return Ok(None);
        }
        let mut link = Link::open(settings, near.voice.silent(), near.signals.clone()).await?;
        let mut listener = Listener::new(&link);
        let (uri, options) = (own_uri(near.welcome.session), Map::new());
        let uri = bench.uri.clone().unwrap_or(uri);
        match bench.load {
            Load::Event => listener.subscribe(&link, &uri, &options)?,
            Load::Call | Load::Publish => listener.register(&link, &uri, &options)?,
        }
        listener.wait_active(&mut link).await?;
        Ok(Some(Far { link, listener }))
    }

    /// Answers calls, and tells workers of their events, until something fails.
    async fn serve(mut self, arrivals: Vec<Sender<Instant>>) -> Failure {
        loop {
            match self.listener.next(&mut self.link).await {
                Ok(Some(Heard::Called(call, invocation))) => {
                    // A caller that has gone needs no answer.
                    let _ = invocation.answer(&call.parts);
                }
                Ok(Some(Heard::Event(event))) => {
                    let args = event.parts.args.as_deref().map(serde_json::from_str::<Vec<Value>>);
                    let number = args.and_then(Result::ok).and_then(|args| args.get(1)?.as_u64());
                    // Others may publish to the topic, too.
                    if let Some(worker) = number.and_then(|number| arrivals.get(number as usize)) {
                        let _ = worker.try_send(event.at);
                    }
                }
                Ok(Some(_)) => {}
                // The program ends by itself.
                Ok(None) => return std::future::pending().await,
                Err(failure) => return failure,
            }
        }
    }
}

fn show(voice: &Voice, bench: &Bench, times: &Times, elapsed: Duration) -> Result<(), Failure> {
    const PARTS: [(&str, f64); 6] = [
        ("min", 0.0),
        ("median", 0.5),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ];
    let name = match bench.load {
        Load::Call => "call",
        Load::Publish => "publish",
        Load::Event => "event",
    };
    let rate = times.count() as f64 / elapsed.as_secs_f64().max(1e-9);
    let Bench { size, in_flight, .. } = bench;
    if voice.json {
        let quantiles =
            PARTS.map(|(name, part)| (name.to_owned(), millis(times.quantile(part)).into()));
        let milliseconds: Map<String, Value> = quantiles.into_iter().collect();
        return voice.print(
            &json!({
                "load": name,
                "count": times.count(),
                "seconds": elapsed.as_secs_f64(),
                "per_second": rate.round(),
                "bytes": size,
                "in_flight": in_flight,
                "milliseconds": milliseconds,
            })
            .to_string(),
        );
    }
    let (count, rate) = (grouped(times.count()), grouped(rate as u64));
    let seconds = elapsed.as_secs_f64();
    let rate = voice.out.bold(&format!("{rate}/s"));
    voice.print(&format!(
        "{name}: {rate} ({count} in {seconds:.2} s, {size} bytes each, {in_flight} in flight)"
    ))?;
    let quantiles = PARTS.map(|(name, part)| format!("{name} {}", time(times.quantile(part))));
    voice.print(&quantiles.join(", "))
}
