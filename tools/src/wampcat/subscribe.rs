//! `wampcat subscribe`: events as they come.

use std::time::Duration;

use tokio::time::Instant;

use wamp::facade::client::Heard;
use wamp_tools::Failure;

use crate::cli::{Global, Matching, Subscribe};
use crate::link::{Link, until};
use crate::listen::Listener;
use crate::options::{Lasting, request, settings};
use crate::signals::Signals;
use crate::voice::{Voice, unread_output};

/// Prints events until it is enough.
pub async fn run(
    global: &Global,
    subscribe: &Subscribe,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let mut options = request(&subscribe.option)?;
    if subscribe.matching != Matching::Exact {
        options.insert("match".to_owned(), subscribe.matching.name().into());
    }
    if subscribe.retained {
        options.insert("get_retained".to_owned(), true.into());
    }
    let settings = settings(global, Lasting::Listening)?;
    let mut link = Link::open(&settings, voice, signals).await?;
    let mut listener = Listener::new(&link);
    let mut asked = Ok(());
    for topic in &subscribe.topics {
        if subscribe.matching == Matching::Exact && topic.contains(['*', '>', '+']) {
            voice
                .tell("*, > and + stand for themselves: --match prefix or wildcard makes patterns");
        }
        asked = asked.and_then(|()| listener.subscribe(&link, topic, &options));
    }
    let printed = match asked {
        Ok(()) => print_events(&mut link, &mut listener, subscribe).await,
        Err(failure) => Err(failure),
    };
    listener.end(&link);
    link.close().await;
    printed
}

async fn print_events(
    link: &mut Link,
    listener: &mut Listener,
    subscribe: &Subscribe,
) -> Result<(), Failure> {
    let voice = link.voice;
    let deadline = subscribe.limit.map(|limit| Instant::now() + Duration::from_secs_f64(limit));
    let unread = unread_output();
    tokio::pin!(unread);
    let mut count = 0;
    loop {
        let news = tokio::select! {
            news = listener.next(link) => news?,
            failure = &mut unread => return Err(failure),
            () = until(deadline) => return over(subscribe, count),
        };
        let event = match news {
            Some(Heard::Event(event)) => event,
            Some(_) => continue,
            None => return Ok(()),
        };
        if let Some(fault) = &event.fault {
            voice.tell(&format!("an event of {} is left out: {}", event.uri, fault.text));
            continue;
        }
        voice.print_event(&event, subscribe.raw)?;
        count += 1;
        if subscribe.count.is_some_and(|wanted| count >= wanted) {
            return Ok(());
        }
    }
}

fn over(subscribe: &Subscribe, count: u64) -> Result<(), Failure> {
    match subscribe.count {
        None => Ok(()),
        Some(wanted) => {
            let text = format!("{count} of {wanted} events came in time");
            Err(Failure::with_code(5, text))
        }
    }
}
