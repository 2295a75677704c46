//! `wampcat publish`: one event, or one for each line of standard input.

use std::collections::VecDeque;
use std::io::BufRead;
use std::thread;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use wamp::facade::client::{Parts, Publication};
use wamp_tools::Failure;

use crate::cli::{Global, Publish};
use crate::link::{Link, within};
use crate::options::{Lasting, request, settings};
use crate::signals::{Signals, interrupted};
use crate::values::{self, with_argument};
use crate::voice::{Voice, about};

/// Lines that are on their way, or wait to be.
const AHEAD: usize = 64;

/// Publishes, and waits for the acknowledgements.
pub async fn run(
    global: &Global,
    publish: &Publish,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let parts = values::parts(&publish.words)?;
    let options = options(publish)?;
    let settings = settings(global, Lasting::Once)?;
    let mut link = Link::open(&settings, voice, signals).await?;
    let published = match publish.lines {
        true => lines(&mut link, publish, &options, &parts).await,
        false => one(&mut link, &publish.topic, &options, &parts).await,
    };
    link.close().await;
    published
}

async fn one(
    link: &mut Link,
    topic: &str,
    options: &Map<String, Value>,
    parts: &Parts,
) -> Result<(), Failure> {
    let sent = link.client.publish(topic, options, parts);
    let publication = sent.map_err(|why| about(topic, &why))?;
    acknowledged(link, publication).await
}

/// Publishes each line. Some are sent before the first of them is acknowledged.
async fn lines(
    link: &mut Link,
    publish: &Publish,
    options: &Map<String, Value>,
    parts: &Parts,
) -> Result<(), Failure> {
    let mut input = read_lines();
    let mut sent = VecDeque::new();
    let mut signals = link.signals.clone();
    loop {
        let line = tokio::select! {
            line = input.recv(), if sent.len() < AHEAD => line,
            () = std::future::ready(()), if sent.len() >= AHEAD => None,
            signal = signals.wait() => return Err(interrupted(signal)),
            failure = link.ended() => return Err(failure),
        };
        match line {
            Some(line) => {
                let parts = with_argument(parts, &line?, publish.words.strings);
                let publication = link.client.publish(&publish.topic, options, &parts);
                sent.push_back(publication.map_err(|why| about(&publish.topic, &why))?);
                // Where input comes slowly, nothing waits for the next line.
                while input.is_empty() && !sent.is_empty() {
                    next_acknowledged(link, &mut sent).await?;
                }
            }
            None if sent.is_empty() => return Ok(()),
            None => next_acknowledged(link, &mut sent).await?,
        }
    }
}

async fn next_acknowledged(
    link: &mut Link,
    sent: &mut VecDeque<Publication>,
) -> Result<(), Failure> {
    match sent.pop_front() {
        Some(publication) => acknowledged(link, publication).await,
        None => Ok(()),
    }
}

async fn acknowledged(link: &mut Link, mut publication: Publication) -> Result<(), Failure> {
    let reply = tokio::select! {
        reply = within(link.timeout, publication.acknowledged()) => reply?,
        signal = link.signals.wait() => return Err(interrupted(signal)),
    };
    let message = link.result(reply)?;
    match link.voice.json {
        true => link.voice.print(&json!({"publication": message.id}).to_string()),
        false => {
            link.voice.detail(&format!("published as {}", message.id));
            Ok(())
        }
    }
}

/// The lines of standard input, read by a thread that may never return.
fn read_lines() -> mpsc::Receiver<Result<String, Failure>> {
    let (sender, lines) = mpsc::channel(AHEAD);
    let read = move || {
        for line in std::io::stdin().lock().lines() {
            let line = line
                .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")));
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    };
    // Without the thread the channel ends at once, as input without lines does.
    drop(thread::Builder::new().name("wampcat-input".to_owned()).spawn(read));
    lines
}

fn options(publish: &Publish) -> Result<Map<String, Value>, Failure> {
    let mut options = Map::new();
    for (name, wanted) in [("retain", publish.retain), ("disclose_me", publish.disclose_me)] {
        if wanted {
            options.insert(name.to_owned(), true.into());
        }
    }
    for (name, ids) in [("eligible", &publish.eligible), ("exclude", &publish.exclude)] {
        if !ids.is_empty() {
            options.insert(name.to_owned(), json!(ids));
        }
    }
    for (name, texts) in [
        ("eligible_authid", &publish.eligible_authid),
        ("eligible_authrole", &publish.eligible_authrole),
        ("exclude_authid", &publish.exclude_authid),
        ("exclude_authrole", &publish.exclude_authrole),
    ] {
        if !texts.is_empty() {
            options.insert(name.to_owned(), json!(texts));
        }
    }
    options.append(&mut request(&publish.option)?);
    Ok(options)
}
