//! The connection, as all subcommands have it: opened, awaited, lost, closed.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until, timeout};

use wamp::facade::client::{
    CancelMode, Change, Client, Ended, Message, Parts, Reply, Status, Welcome,
};
use wamp_tools::Failure;

use serde_json::{Map, Value};

use crate::options::{Lasting, Settings, URL};
use crate::signals::{Signals, interrupted};
use crate::voice::{Voice, about, from_client};

/// The time that the library has to say itself that connecting takes too long.
const AT_THE_LIMIT: Duration = Duration::from_millis(500);
/// The time for a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// An open connection.
pub struct Link {
    pub client: Client,
    pub welcome: Welcome,
    pub signals: Signals,
    /// The limit for each answer.
    pub timeout: Option<Duration>,
    pub voice: Voice,
    changes: UnboundedReceiver<Change>,
}

impl Link {
    /// Connects and joins the realm.
    pub async fn open(
        settings: &Settings,
        voice: Voice,
        mut signals: Signals,
    ) -> Result<Link, Failure> {
        let opened = Client::open(&settings.options);
        let (client, mut changes) = opened.map_err(|why| from_client(&why))?;
        // Who listens waits for a router as long as it takes.
        let limit = settings.timeout.filter(|_| settings.lasting == Lasting::Once);
        let deadline = limit.map(|limit| Instant::now() + limit + AT_THE_LIMIT);
        let mut last = "the router did not answer in time".to_owned();
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                signal = signals.wait() => return Err(interrupted(signal)),
                () = until(deadline) => return Err(Failure::with_code(3, last)),
            };
            match change {
                Some(Change::Open(welcome)) => {
                    let Welcome { session, realm, url, protocol, .. } = &welcome;
                    voice.detail(&format!("joined {realm} on {url} as {session}, {protocol}"));
                    let timeout = settings.timeout;
                    if settings.lasting == Lasting::Once {
                        client.stop_retrying();
                    }
                    return Ok(Link { client, welcome, signals, timeout, voice, changes });
                }
                Some(Change::Closed(ended)) => match ended.retry_in {
                    Some(delay) => {
                        voice.tell(&retrying(&ended, delay));
                        last = ended.why.text;
                    }
                    None => return Err(unconnected(&ended)),
                },
                None => return Err(Failure::new("the connection ended without a reason")),
            }
        }
    }

    /// Waits until the connection has ended for good. Losses on the way are told.
    pub async fn ended(&mut self) -> Failure {
        loop {
            match self.changes.recv().await {
                Some(Change::Open(welcome)) => {
                    self.voice.tell("connected again");
                    self.welcome = welcome;
                }
                Some(Change::Closed(ended)) => match ended.retry_in {
                    Some(delay) => self.voice.tell(&retrying(&ended, delay)),
                    None => return Failure::with_code(6, ended.why.text),
                },
                None => return Failure::with_code(6, "the connection ended without a reason"),
            }
        }
    }

    /// Calls, and gives the result. `on_progress` hears of what comes before it.
    pub async fn call(
        &mut self,
        procedure: &str,
        options: &Map<String, Value>,
        parts: &Parts,
        mut on_progress: impl FnMut(&Message),
    ) -> Result<Message, Failure> {
        let sent = self.client.call(procedure, options, parts);
        let mut call = sent.map_err(|why| about(procedure, &why))?;
        loop {
            let reply = tokio::select! {
                reply = within(self.timeout, call.next()) => reply,
                signal = self.signals.wait() => {
                    call.cancel(CancelMode::KillNoWait);
                    return Err(interrupted(signal));
                }
            };
            match reply {
                Ok(Some(Reply::Progress(message))) => on_progress(&message),
                Ok(reply) => return self.result(reply),
                Err(failure) => {
                    call.cancel(CancelMode::KillNoWait);
                    return Err(failure);
                }
            }
        }
    }

    /// The result that a last reply has.
    pub fn result(&self, reply: Option<Reply>) -> Result<Message, Failure> {
        match reply {
            Some(Reply::Done(message) | Reply::Progress(message)) => match &message.fault {
                Some(fault) => Err(Failure::new(fault.text.as_str())),
                None => Ok(message),
            },
            Some(Reply::Failed(why, message)) => Err(self.voice.refused(&why, &message)),
            None => Err(Failure::with_code(6, "the connection ended before there was an answer")),
        }
    }

    /// Says goodbye.
    pub async fn close(self) {
        let client = self.client;
        let closed = tokio::task::spawn_blocking(move || client.close(GOODBYE));
        // It fails only by a panic, which has been told.
        let _ = closed.await;
    }
}

/// Waits for an answer, for so long at most.
pub async fn within<T>(
    limit: Option<Duration>,
    answer: impl Future<Output = T>,
) -> Result<T, Failure> {
    match limit {
        None => Ok(answer.await),
        Some(limit) => timeout(limit, answer).await.map_err(|_| {
            let seconds = limit.as_secs_f64();
            let text = format!("no answer within {seconds} s; --timeout says how long to wait");
            Failure::with_code(5, text)
        }),
    }
}

/// Waits for a time that may never come.
pub async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn retrying(ended: &Ended, delay: Duration) -> String {
    format!("{}; next attempt in {:.1} s", ended.why.text, delay.as_secs_f64())
}

/// The failure of a first attempt: whatever it was, there is no connection, unless the router has
/// said so.
fn unconnected(ended: &Ended) -> Failure {
    let failure = from_client(&ended.why);
    let code = match ended.why.status {
        Status::Auth | Status::Aborted => 4,
        Status::Option | Status::Uri | Status::TooLarge => 2,
        _ => 3,
    };
    // A newcomer may not have one yet.
    let is_missing = ended.why.status == Status::Unreachable && failure.text.contains(URL);
    let hint = if is_missing { " (wampd starts one)" } else { "" };
    Failure { code, text: failure.text + hint }
}
