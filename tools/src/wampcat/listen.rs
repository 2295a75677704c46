//! Listening: subscriptions and registrations that last, whatever the connection does.

use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use serde_json::{Map, Value};

use wamp::facade::client::{self, Ear, Heard, Listening};
use wamp_tools::Failure;

use crate::link::{Link, until};
use crate::voice::{about, from_client};

/// The topics that are listened to, and what is heard.
pub struct Listener {
    ear: Ear,
    heard: Receiver<(usize, Heard)>,
    topics: Vec<Topic>,
    /// The time by which the router must have agreed.
    deadline: Option<Instant>,
}

struct Topic {
    uri: String,
    listening: Listening,
    /// The router has agreed, in this or an earlier session.
    was_active: bool,
}

/// A piece of news.
enum Step {
    /// An event or a call.
    Heard(Box<Heard>),
    /// Something else.
    Changed,
    /// The user has had enough.
    Interrupted,
}

impl Listener {
    /// Nothing is listened to yet.
    pub fn new(link: &Link) -> Listener {
        let (ear, heard) = Ear::new();
        let deadline = link.timeout.map(|limit| Instant::now() + limit);
        Listener { ear, heard, topics: Vec::new(), deadline }
    }

    /// Listens to a topic.
    pub fn subscribe(
        &mut self,
        link: &Link,
        uri: &str,
        options: &Map<String, Value>,
    ) -> Result<(), Failure> {
        self.add(uri, link.client.subscribe(uri, options, &self.ear, self.topics.len()))
    }

    /// Listens to the calls of a procedure.
    pub fn register(
        &mut self,
        link: &Link,
        uri: &str,
        options: &Map<String, Value>,
    ) -> Result<(), Failure> {
        self.add(uri, link.client.register(uri, options, &self.ear, self.topics.len()))
    }

    fn add(
        &mut self,
        uri: &str,
        listening: Result<Listening, client::Failure>,
    ) -> Result<(), Failure> {
        let listening = listening.map_err(|why| about(uri, &why))?;
        self.topics.push(Topic { uri: uri.to_owned(), listening, was_active: false });
        Ok(())
    }

    /// Waits until the router has agreed to all, or the user has interrupted.
    pub async fn wait_active(&mut self, link: &mut Link) -> Result<(), Failure> {
        while !self.is_active() {
            if let Step::Interrupted = self.step(link).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next event or call; `None` when the user has interrupted.
    pub async fn next(&mut self, link: &mut Link) -> Result<Option<Heard>, Failure> {
        loop {
            match self.step(link).await? {
                Step::Heard(heard) => return Ok(Some(*heard)),
                Step::Interrupted => return Ok(None),
                Step::Changed => {}
            }
        }
    }

    async fn step(&mut self, link: &mut Link) -> Result<Step, Failure> {
        let mut signals = link.signals.clone();
        let deadline = self.deadline.filter(|_| !self.is_active());
        let (number, news) = tokio::select! {
            Some(news) = self.heard.recv() => news,
            failure = link.ended() => return Err(failure),
            _ = signals.wait() => return Ok(Step::Interrupted),
            () = until(deadline) => {
                let text = "the router has not answered in time; --timeout says how long to wait";
                return Err(Failure::with_code(5, text));
            }
        };
        let topic = &mut self.topics[number];
        match news {
            Heard::Active if !topic.was_active => {
                topic.was_active = true;
                link.voice.tell(&format!("listening to {}", topic.uri));
            }
            Heard::Active => link.voice.detail(&format!("listening to {} again", topic.uri)),
            Heard::Suspended => {}
            Heard::Refused(why) if topic.was_active => {
                link.voice.tell(&format!("{}: {}", topic.uri, why.text));
            }
            Heard::Refused(why) => {
                let text = format!("cannot listen to {}: {}", topic.uri, why.text);
                return Err(Failure { text, ..from_client(&why) });
            }
            Heard::Event(_) | Heard::Called(..) => return Ok(Step::Heard(Box::new(news))),
        }
        Ok(Step::Changed)
    }

    /// True once the router has agreed to all.
    pub fn is_active(&self) -> bool {
        self.topics.iter().all(|topic| topic.was_active)
    }

    /// Ends it all.
    pub fn end(&self, link: &Link) {
        for topic in &self.topics {
            // There may be no session in which to tell the router.
            let _ = link.client.end(&topic.listening);
        }
    }
}
