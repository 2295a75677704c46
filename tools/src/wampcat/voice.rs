//! The words of the program: results on standard output, everything else on standard error.

use std::io;
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use serde_json::Value;
use tokio::sync::oneshot;

use wamp::facade::client::{self, Message, Parts, message_name};
use wamp::facade::{Level, set_log};
use wamp_tools::paint::Paint;
use wamp_tools::{Failure, failure, output};

use crate::cli::Output;
use crate::values::{Shown, bare, compact, plain, quoted};

/// The amount that is said, and its form.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// One JSON object per line.
    pub json: bool,
    quiet: bool,
    verbose: u8,
    /// The colours of standard output.
    pub out: Paint,
    err: Paint,
}

impl Voice {
    /// The voice that the options want; the library's log is led to standard error. Messages that
    /// are traced go there too, unless they are the `result`.
    pub fn new(options: &Output, result: bool) -> Voice {
        let voice = Voice {
            json: options.json,
            quiet: options.quiet,
            verbose: options.verbose,
            out: Paint::stdout(),
            err: Paint::stderr(),
        };
        let level = match options.verbose {
            0 => None,
            1 => Some(Level::Warn),
            _ => Some(Level::Debug),
        };
        let begun = Instant::now();
        let is_trace = |level| level == Level::Trace;
        let sink = move |level: Level, text: &str| match traced(text).filter(|_| is_trace(level)) {
            // Where nobody reads them, the program notices by itself.
            Some(message) if result => drop(output::say(&voice.message(begun, &message))),
            Some(message) => output::tell(&voice.message(begun, &message)),
            None => output::tell(&format!("wampcat: {}", failure::one_line(text))),
        };
        set_log(level, sink);
        voice
    }

    /// The same, without anything by the way.
    pub fn silent(self) -> Voice {
        Voice { quiet: true, verbose: 0, ..self }
    }

    /// Prints a line of the result. The end of the program, and no failure, where nobody reads it.
    pub fn print(&self, line: &str) -> Result<(), Failure> {
        match output::say(line) {
            Ok(true) => Ok(()),
            Ok(false) => Err(unread()),
            Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
        }
    }

    /// Says something by the way.
    pub fn tell(&self, line: &str) {
        if !self.quiet {
            output::tell(&self.err.dim(&failure::one_line(line)));
        }
    }

    /// Says something that few want to know.
    pub fn detail(&self, line: &str) {
        if self.verbose > 0 {
            self.tell(line);
        }
    }

    /// Prints a payload: an argument per line, or one JSON object.
    pub fn print_parts(&self, parts: &Parts, raw: bool) -> Result<(), Failure> {
        let shown = Shown::new(parts);
        match self.json {
            true => self.print(&format!("{{{}}}", shown.members())),
            false => shown.words(raw).iter().try_for_each(|word| self.print(word)),
        }
    }

    /// Prints an event.
    pub fn print_event(&self, event: &Message, raw: bool) -> Result<(), Failure> {
        let shown = Shown::new(&event.parts);
        if self.json {
            let (topic, details) = (quoted(&event.uri), compact(&event.details.to_string()));
            let (id, members) = (event.id, shown.members());
            return self.print(&format!(
                "{{\"topic\":{topic},\"publication\":{id},{members},\"details\":{details}}}"
            ));
        }
        let words = shown.words(raw).join(" ");
        match raw {
            true => self.print(&words),
            false => {
                let topic = self.out.cyan(&plain(&event.uri));
                self.print(format!("{topic} {words}").trim_end())
            }
        }
    }

    /// Shows a progressive result.
    pub fn progress(&self, parts: &Parts, raw: bool) {
        let shown = Shown::new(parts);
        match self.json {
            true => output::tell(&format!("{{\"progress\":true,{}}}", shown.members())),
            false => output::tell(&self.err.dim(&shown.words(raw).join(" "))),
        }
    }

    /// The failure of a request, with all that its sender says of it.
    pub fn refused(&self, why: &client::Failure, answer: &Message) -> Failure {
        let code = code(why.status);
        let shown = Shown::new(&answer.parts);
        if self.json && why.status == client::Status::Remote {
            let error = quoted(&answer.uri);
            let line = format!("{{\"status\":{code},\"error\":{error},{}}}", shown.members());
            output::tell(&line);
            return Failure::with_code(code, "");
        }
        if why.status != client::Status::Remote {
            return Failure::with_code(code, why.text.as_str());
        }
        let words = shown.words(false).into_iter().enumerate();
        let words = words.map(|(at, word)| if at == 0 { bare(&word) } else { word });
        let words = words.collect::<Vec<_>>().join(" ");
        let text = format!("{}: {words}", answer.uri);
        Failure::with_code(code, text.trim_end_matches([':', ' ']))
    }

    /// A WAMP message as a line.
    fn message(&self, begun: Instant, traced: &Traced<'_>) -> String {
        let seconds = begun.elapsed().as_secs_f64();
        let Traced { is_sent, name, text } = traced;
        if self.json {
            let way = if *is_sent { "sent" } else { "received" };
            return format!(
                "{{\"seconds\":{seconds:.6},\"way\":\"{way}\",\"type\":\"{name}\",\"message\":{text}}}"
            );
        }
        let (way, name) = match is_sent {
            true => (self.err.green("->"), self.err.green(&format!("{name:<12}"))),
            false => (self.err.cyan("<-"), self.err.cyan(&format!("{name:<12}"))),
        };
        format!("{seconds:9.4} {way} {name} {text}")
    }
}

/// A message of the library's trace.
struct Traced<'t> {
    is_sent: bool,
    name: &'t str,
    text: String,
}

/// Takes a line of the trace apart: the way, the session, the message.
fn traced(line: &str) -> Option<Traced<'_>> {
    let (way, rest) = line.split_once(' ')?;
    let (_, text) = rest.split_once(' ')?;
    let is_sent = match way {
        "->" => true,
        "<-" => false,
        _ => return None,
    };
    let message: Vec<Value> = serde_json::from_str(text).ok()?;
    let code = message.first()?.as_u64()?;
    // HELLO.Details.authextra is what the user wants the router to have, a token perhaps.
    let mut masked = message.get(2).filter(|details| code == 1 && !details["authextra"].is_null());
    let text = match masked.take() {
        Some(details) => {
            let mut details = details.clone();
            details["authextra"] = "***".into();
            Value::from(vec![code.into(), message[1].clone(), details]).to_string()
        }
        None => text.to_owned(),
    };
    Some(Traced { is_sent, name: message_name(code), text: compact(&text) })
}

/// Waits until nobody reads standard output any more, which who writes would only notice with the
/// next line.
pub async fn unread_output() -> Failure {
    let (sender, gone) = oneshot::channel();
    let watch = move || {
        let stdout = io::stdout();
        // An error is reported whether or not it is asked for.
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        if retry_on_intr(|| poll(&mut fds, None)).is_ok() {
            let _ = sender.send(());
        }
    };
    drop(thread::Builder::new().name("wampcat-output".to_owned()).spawn(watch));
    match gone.await {
        Ok(()) => unread(),
        // It cannot be known.
        Err(_) => std::future::pending().await,
    }
}

/// The end of a program whose results nobody reads, of which nothing is to be said.
fn unread() -> Failure {
    Failure::with_code(0, "")
}

/// A failure of the library, with the exit status that it has, in the words of a command line.
pub fn from_client(why: &client::Failure) -> Failure {
    const WORDS: [(&str, &str); 2] = [
        ("see wamp_connection_new in wamp.h", "docs/OPTIONS.md of libwamp has all of them"),
        (
            "(The connection option \"strict_options\": false passes it on unchanged.)",
            "(--set strict_options=false passes it on unchanged.)",
        ),
    ];
    let text = WORDS.iter().fold(why.text.clone(), |text, (from, to)| text.replace(from, to));
    Failure::with_code(code(why.status), text)
}

/// The same, of a request about this URI.
pub fn about(uri: &str, why: &client::Failure) -> Failure {
    let failure = from_client(why);
    match why.status {
        client::Status::Uri => Failure::with_code(failure.code, format!("{uri}: {failure}")),
        _ => failure,
    }
}

/// The exit status of a request that has failed.
fn code(status: client::Status) -> u8 {
    use client::Status;
    match status {
        Status::Option
        | Status::Uri
        | Status::Payload
        | Status::Utf8
        | Status::Argument
        | Status::TooLarge => 2,
        Status::Unreachable | Status::Http | Status::Subprotocol | Status::Tls => 3,
        Status::Auth | Status::Aborted => 4,
        Status::Timeout => 5,
        Status::Lost | Status::Closed | Status::NotSent | Status::OutcomeUnknown => 6,
        _ => 1,
    }
}
