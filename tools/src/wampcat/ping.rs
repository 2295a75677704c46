//! `wampcat ping`: the time to the router and back.

use std::time::{Duration, Instant};

use serde_json::{Map, json};
use tokio::time::sleep;

use wamp::facade::client::{CancelMode, Parts, Reply, Status};
use wamp_tools::Failure;

use crate::cli::{Global, Ping};
use crate::figures::{Times, millis, time};
use crate::link::{Link, within};
use crate::options::{Lasting, settings};
use crate::signals::Signals;
use crate::values::plain;
use crate::voice::{Voice, from_client};

/// A procedure that nobody has.
const NOBODY: &str = "wampcat.ping";

/// Calls again and again, and shows the times.
pub async fn run(
    global: &Global,
    ping: &Ping,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let settings = settings(global, Lasting::Once)?;
    let mut link = Link::open(&settings, voice, signals).await?;
    let mut times = Times::new();
    let pinged = pings(&mut link, ping, &mut times).await;
    let shown = match times.count() {
        0 => Ok(()),
        _ => summary(&voice, &mut times),
    };
    link.close().await;
    pinged.and(shown)
}

async fn pings(link: &mut Link, ping: &Ping, times: &mut Times) -> Result<(), Failure> {
    let voice = link.voice;
    let mut signals = link.signals.clone();
    let mut number = 0;
    while ping.count == 0 || number < ping.count {
        if number > 0 {
            tokio::select! {
                () = sleep(Duration::from_secs_f64(ping.interval)) => {}
                failure = link.ended() => return Err(failure),
                _ = signals.wait() => return Ok(()),
            }
        }
        number += 1;
        let taken = tokio::select! {
            taken = round(link, ping.uri.as_deref()) => taken?,
            _ = signals.wait() => return Ok(()),
        };
        times.add(taken);
        let url = plain(&link.welcome.url);
        voice.print(&match voice.json {
            true => json!({"number": number, "milliseconds": millis(taken)}).to_string(),
            false => format!("{} from {url}: {number}", time(taken)),
        })?;
    }
    Ok(())
}

/// The time from a call to its answer, which without a procedure is an error.
async fn round(link: &Link, uri: Option<&str>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let sent = link.client.call(uri.unwrap_or(NOBODY), &Map::new(), &Parts::default());
    let mut call = sent.map_err(|why| from_client(&why))?;
    let reply = within(link.timeout, call.next()).await.inspect_err(|_| {
        call.cancel(CancelMode::KillNoWait);
    })?;
    match reply {
        Some(Reply::Failed(why, answer)) if uri.is_none() && why.status == Status::Remote => {
            Ok(answer.at - begun)
        }
        reply => link.result(reply).map(|answer| answer.at - begun),
    }
}

fn summary(voice: &Voice, times: &mut Times) -> Result<(), Failure> {
    let [least, median, most] = [0.0, 0.5, 1.0].map(|part| times.quantile(part));
    let (mean, count) = (times.mean(), times.count());
    voice.print(&match voice.json {
        true => {
            let figures = [least, mean, median, most].map(millis);
            let [least, mean, median, most] = figures;
            json!({"count": count, "min": least, "mean": mean, "median": median, "max": most})
                .to_string()
        }
        false => {
            let [least, mean, median, most] = [least, mean, median, most].map(time);
            format!("{count} round trips: min {least}, mean {mean}, median {median}, max {most}")
        }
    })
}
