//! `wampcat trace`: the messages of a session that listens.

use std::time::Duration;

use serde_json::Map;
use tokio::time::Instant;

use wamp::facade::client::Heard;
use wamp_tools::Failure;

use crate::cli::{Global, Matching, Trace};
use crate::link::{Link, until};
use crate::listen::Listener;
use crate::options::{Lasting, settings};
use crate::signals::Signals;
use crate::voice::{Voice, unread_output};

/// The topics that are listened to where nothing is said: all.
const ALL: (&str, Matching) = ("", Matching::Prefix);

/// Listens; the library's trace, which the voice leads to standard output, shows the rest.
pub async fn run(
    global: &Global,
    trace: &Trace,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let mut settings = settings(global, Lasting::Listening)?;
    settings.options.insert("trace".to_owned(), true.into());
    let mut link = Link::open(&settings, voice, signals).await?;
    let mut listener = Listener::new(&link);
    let given = trace.topics.iter().map(|topic| (topic.as_str(), trace.matching));
    let topics: Vec<_> = match trace.topics.is_empty() {
        true => vec![ALL],
        false => given.collect(),
    };
    let mut asked = Ok(());
    for (topic, matching) in topics {
        let mut options = Map::new();
        if matching != Matching::Exact {
            options.insert("match".to_owned(), matching.name().into());
        }
        asked = asked.and_then(|()| listener.subscribe(&link, topic, &options));
    }
    let deadline = trace.limit.map(|limit| Instant::now() + Duration::from_secs_f64(limit));
    let traced = match asked {
        Ok(()) => listen(&mut link, &mut listener, deadline).await,
        Err(failure) => Err(failure),
    };
    listener.end(&link);
    link.close().await;
    traced
}

async fn listen(
    link: &mut Link,
    listener: &mut Listener,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let unread = unread_output();
    tokio::pin!(unread);
    loop {
        let news: Option<Heard> = tokio::select! {
            news = listener.next(link) => news?,
            failure = &mut unread => return Err(failure),
            () = until(deadline) => return Ok(()),
        };
        if news.is_none() {
            return Ok(());
        }
    }
}
