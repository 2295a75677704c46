//! `wampcat register`: a procedure whose calls run a command.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use wamp::facade::client::{Heard, Invocation, Message, Parts};
use wamp_tools::Failure;

use crate::cli::{Global, Matching, Register};
use crate::command::{Answer, Recipe, input};
use crate::link::Link;
use crate::listen::Listener;
use crate::options::{Lasting, request, settings};
use crate::signals::Signals;
use crate::voice::{Voice, from_client};

/// Calls that wait for a command to end.
const MOST_WAITING: usize = 1000;

const UNAVAILABLE: &str = "wamp.error.unavailable";
const CANCELED: &str = "wamp.error.canceled";

/// Answers calls until it is interrupted.
pub async fn run(
    global: &Global,
    register: &Register,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let recipe = Arc::new(Recipe::new(register)?);
    let mut options = request(&register.option)?;
    if register.matching != Matching::Exact {
        options.insert("match".to_owned(), register.matching.name().into());
    }
    if let Some(invoke) = &register.invoke {
        options.insert("invoke".to_owned(), invoke.as_str().into());
    }
    if register.force {
        options.insert("force_reregister".to_owned(), true.into());
    }
    let settings = settings(global, Lasting::Listening)?;
    let mut link = Link::open(&settings, voice, signals).await?;
    let mut listener = Listener::new(&link);
    let answered = match listener.register(&link, &register.uri, &options) {
        Ok(()) => answer(&mut link, &mut listener, register, &recipe).await,
        Err(failure) => Err(failure),
    };
    link.close().await;
    answered
}

async fn answer(
    link: &mut Link,
    listener: &mut Listener,
    register: &Register,
    recipe: &Arc<Recipe>,
) -> Result<(), Failure> {
    let processors = available_parallelism().map_or(1, usize::from);
    let at_once = register.jobs.map_or(processors, usize::from);
    let places = Arc::new(Semaphore::new(at_once));
    let (stop, stopped) = watch::channel(false);
    let mut jobs = JoinSet::new();
    let ended = loop {
        let news = tokio::select! {
            news = listener.next(link) => news,
            // Those that have ended make room.
            Some(_) = jobs.join_next() => continue,
        };
        match news {
            Ok(Some(Heard::Called(call, invocation))) if jobs.len() >= at_once + MOST_WAITING => {
                link.voice.tell(&format!("too many calls of {} at once", call.uri));
                // The caller may have gone.
                let _ = invocation.fail(UNAVAILABLE, &Parts::text("too many calls at once"));
            }
            Ok(Some(Heard::Called(call, invocation))) => {
                let job = Job {
                    voice: link.voice,
                    recipe: recipe.clone(),
                    places: places.clone(),
                    stopped: stopped.clone(),
                };
                jobs.spawn(job.run(call, invocation));
            }
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    listener.end(link);
    let _ = stop.send(true);
    while jobs.join_next().await.is_some() {}
    ended
}

/// A call on its way through the command.
struct Job {
    voice: Voice,
    recipe: Arc<Recipe>,
    places: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

impl Job {
    async fn run(self, call: Message, mut invocation: Invocation) {
        if let Some(fault) = &call.fault {
            drop(invocation.fail("wamp.error.invalid_argument", &Parts::text(&fault.text)));
            return;
        }
        let mut is_end = false;
        let answer = {
            let mut ended = self.stopped.clone();
            let stop = async {
                is_end = tokio::select! {
                    () = invocation.canceled() => false,
                    _ = ended.wait_for(|ended| *ended) => true,
                };
            };
            tokio::pin!(stop);
            let place = tokio::select! {
                place = self.places.acquire() => Some(place),
                () = &mut stop => None,
            };
            match place {
                Some(_place) => self.recipe.run(&input(self.recipe.is_text(), &call), stop).await,
                None => Answer::Stopped,
            }
        };
        let name = &call.uri;
        let answered = match answer {
            Answer::Result(parts) => {
                self.voice.detail(&format!("{name}: answered"));
                invocation.answer(&parts)
            }
            Answer::Error { uri, parts, words } => {
                self.voice.tell(&format!("{name}: {words}"));
                invocation.fail(&uri, &parts)
            }
            Answer::Stopped => {
                self.voice.detail(&format!("{name}: canceled"));
                return stopped(invocation, is_end);
            }
        };
        if let Err(why) = answered {
            self.voice.tell(&format!("{name}: {}", from_client(&why)));
        }
    }
}

/// Answers a call whose command was stopped: by its caller, or by the end of the program.
fn stopped(invocation: Invocation, is_end: bool) {
    // A caller that has canceled gets its error by itself.
    if is_end {
        let _ = invocation.fail(CANCELED, &Parts::text("the callee has ended"));
    }
}
