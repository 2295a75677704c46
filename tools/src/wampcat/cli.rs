//! The command line: what can be said, and the help on it. What it means is left to the
//! subcommands.

mod global;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use wamp_tools::pages::Page;

pub use global::{Global, Login, Output, Router, Tls};

/// Calls, publishes, subscribes and registers from the command line, over WAMP.
#[derive(Debug, Parser)]
#[command(name = "wampcat", version, after_long_help = AFTER_HELP)]
#[command(subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Call(Call),
    Publish(Publish),
    Subscribe(Subscribe),
    Register(Register),
    Meta(Meta),
    Ping(Ping),
    Bench(Bench),
    Trace(Trace),
    /// Print the manual page, or completions for a shell.
    #[command(hide = true)]
    Page {
        #[arg(value_name = "KIND")]
        page: Page,
    },
}

/// Arguments of a call or a publication.
#[derive(Debug, Args)]
pub struct Words {
    /// Arguments: JSON where it is JSON, otherwise texts. name=value makes a keyword argument.
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub words: Vec<String>,
    /// Take every ARG as a text, also what is JSON. (One alone: quote it as JSON, '"42"'.)
    #[arg(short = 'S', long)]
    pub strings: bool,
    /// The arguments as one JSON list instead; "-" reads it from standard input.
    #[arg(long, value_name = "JSON", conflicts_with = "words")]
    pub args: Option<String>,
    /// The keyword arguments as one JSON object instead; "-" reads it from standard input.
    #[arg(long, value_name = "JSON", conflicts_with = "words")]
    pub kwargs: Option<String>,
}

/// Call a procedure and print its result.
///
/// Prints each argument of the result on a line of its own, and keyword arguments as name=value.
/// Progressive results go to standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wampcat call com.example.add2 23 42
  wampcat call com.example.greet '\"42\"' lang=en polite=true
  wampcat -j call wamp.session.list | jq .args[0]")]
pub struct Call {
    /// The procedure.
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    pub uri: String,
    #[command(flatten)]
    pub words: Words,
    /// Do not ask for progressive results.
    #[arg(long)]
    pub no_progress: bool,
    /// Print texts as they are, without quotes.
    #[arg(short, long)]
    pub raw: bool,
    /// An option of the call, such as disclose_me=true; can be repeated.
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,
}

/// Publish an event, or one for each line of standard input.
///
/// The router acknowledges each before the command ends, so nothing is lost on the way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wampcat publish com.example.news 'It is raining' place=Ulm
  tail -f log.txt | wampcat publish com.example.log --lines
  wampcat publish com.example.state '{\"on\": true}' --retain")]
pub struct Publish {
    /// The topic.
    #[arg(value_name = "TOPIC", value_parser = NonEmptyStringValueParser::new())]
    pub topic: String,
    #[command(flatten)]
    pub words: Words,
    /// Publish each line of standard input as one argument, after those given.
    #[arg(short, long)]
    pub lines: bool,
    /// The router keeps the event for those who subscribe later.
    #[arg(long)]
    pub retain: bool,
    /// Sessions that may get it, and no others.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub eligible: Vec<u64>,
    /// Users that may get it, and no others.
    #[arg(long, value_name = "AUTHID", value_delimiter = ',')]
    pub eligible_authid: Vec<String>,
    /// Roles that may get it, and no others.
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub eligible_authrole: Vec<String>,
    /// Sessions that do not get it.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub exclude: Vec<u64>,
    /// Users that do not get it.
    #[arg(long, value_name = "AUTHID", value_delimiter = ',')]
    pub exclude_authid: Vec<String>,
    /// Roles that do not get it.
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub exclude_authrole: Vec<String>,
    /// Tell subscribers who publishes.
    #[arg(long)]
    pub disclose_me: bool,
    /// Another option of the publication; can be repeated.
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,
}

/// The way in which a URI stands for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum Matching {
    /// It stands for itself.
    Exact,
    /// It stands for all that begin with it.
    Prefix,
    /// Its empty components stand for any: com..update.
    Wildcard,
}

impl Matching {
    /// Its name in WAMP.
    pub fn name(self) -> &'static str {
        match self {
            Matching::Exact => "exact",
            Matching::Prefix => "prefix",
            Matching::Wildcard => "wildcard",
        }
    }
}

/// Print events as they come, one per line: topic, arguments, name=value.
///
/// After a loss it connects and subscribes again, for as long as it takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wampcat subscribe com.example.news
  wampcat subscribe com.example --match prefix --count 10
  wampcat -j subscribe com.example.state --retained --count 1 | jq .args[0]")]
pub struct Subscribe {
    /// The topics.
    #[arg(value_name = "TOPIC", required = true)]
    pub topics: Vec<String>,
    /// The meaning of the topics.
    #[arg(short, long = "match", value_name = "KIND", default_value = "exact")]
    pub matching: Matching,
    /// End after so many events.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after so many seconds; with --count that is a failure (exit status 5).
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub limit: Option<f64>,
    /// Ask for the events that the router has kept, too.
    #[arg(long)]
    pub retained: bool,
    /// Print the arguments alone, and texts without quotes.
    #[arg(short, long)]
    pub raw: bool,
    /// Another option of the subscription; can be repeated.
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,
}

/// Register a procedure; each call of it runs a command.
///
/// The command gets {"procedure", "args", "kwargs", "details"} as one line of JSON on its standard
/// input. What it writes to its standard output, one JSON value or nothing, is the result. If it
/// fails, the caller gets the error of --error, with the end of what it wrote to its standard error
/// and its exit status. A call that is canceled kills the command, with all that it has started.
/// After a loss the procedure is registered again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wampcat register com.example.add2 -- jq '.args | add'
  wampcat register com.example.uptime --text -- uptime
  wampcat register com.example.deploy --jobs 1 --limit 600 -- ./deploy.sh")]
pub struct Register {
    /// The procedure.
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    pub uri: String,
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub command: Vec<std::ffi::OsString>,
    /// Commands that run at the same time; further calls wait [default: one per processor].
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Seconds after which a command is killed, and its call fails.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub limit: Option<f64>,
    /// The command reads and writes plain text: all arguments, one per line; its output is a text.
    #[arg(long)]
    pub text: bool,
    /// The command's output is {"args": [...], "kwargs": {...}} instead of one value.
    #[arg(long, conflicts_with = "text")]
    pub whole: bool,
    /// The error of calls whose command fails.
    #[arg(long, value_name = "URI", default_value = "wamp.error.runtime_error")]
    pub error: String,
    /// The meaning of the URI.
    #[arg(short, long = "match", value_name = "KIND", default_value = "exact")]
    pub matching: Matching,
    /// The one to be called where several have registered: single, first, last, roundrobin, random.
    #[arg(long, value_name = "POLICY")]
    pub invoke: Option<String>,
    /// Take the procedure over from whoever has registered it.
    #[arg(long)]
    pub force: bool,
    /// Another option of the registration; can be repeated.
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,
}

/// Show who and what is on the router.
#[derive(Debug, Args)]
pub struct Meta {
    #[command(subcommand)]
    pub what: MetaWhat,
}

/// The things to show.
#[derive(Debug, Subcommand)]
pub enum MetaWhat {
    /// The sessions of the realm, or one of them.
    Sessions {
        /// The session's id.
        #[arg(value_name = "ID")]
        id: Option<u64>,
    },
    /// The registered procedures, or one of them.
    Registrations {
        /// The registration's id, or the procedure.
        #[arg(value_name = "ID|URI")]
        which: Option<String>,
    },
    /// The subscribed topics, or one of them.
    Subscriptions {
        /// The subscription's id, or the topic.
        #[arg(value_name = "ID|TOPIC")]
        which: Option<String>,
    },
}

/// Measure the time to the router and back.
///
/// It calls a procedure that does not exist: the router's answer is all that it takes.
#[derive(Debug, Args)]
pub struct Ping {
    /// Call this procedure instead: the time to the callee and back.
    #[arg(value_name = "URI")]
    pub uri: Option<String>,
    /// The number of times; 0: until interrupted.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    pub count: u64,
    /// Seconds from one to the next.
    #[arg(short, long, value_name = "SECONDS", default_value = "0.2", value_parser = seconds)]
    pub interval: f64,
}

/// The loads that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum Load {
    /// Calls, from one connection through the router to another, and back.
    Call,
    /// Publications, until the router has acknowledged them.
    Publish,
    /// Publications, until their event has arrived at another connection.
    Event,
}

/// Measure how much the router carries, and how fast.
#[derive(Debug, Args)]
pub struct Bench {
    /// The load to measure.
    #[arg(value_name = "LOAD", default_value = "call")]
    pub load: Load,
    /// For "call": call this procedure of somebody else, with the payload as its one argument.
    #[arg(long, value_name = "URI")]
    pub uri: Option<String>,
    /// Seconds that it lasts.
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub duration: f64,
    /// End after so many messages, if that comes first.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Bytes of the payload, a text.
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    pub size: usize,
    /// Messages that are on their way at the same time.
    #[arg(short = 'c', long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,
}

/// Show WAMP messages as they come and go, secrets masked.
///
/// Subscribes to the topics and shows every message of its session. To see the messages of another
/// subcommand, give that the option --trace.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wampcat trace com.example --match prefix
  wampcat call com.example.add2 23 42 --trace")]
pub struct Trace {
    /// The topics [default: everything, and what the router tells of sessions].
    #[arg(value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// The meaning of the topics.
    #[arg(short, long = "match", value_name = "KIND", default_value = "exact")]
    pub matching: Matching,
    /// End after so many seconds.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub limit: Option<f64>,
}

/// A time in seconds, not negative and no longer than ten years.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=315_360_000.0).contains(&value) => Ok(value),
        _ => Err("a number of seconds is needed, such as 2.5".to_owned()),
    }
}

const AFTER_HELP: &str = "\
Exit status:
  0    success; a listening command that was interrupted
  1    an error of the router or of who was called, or of the system
  2    the command line, the environment or the profile has to be changed
  3    no connection: nobody there, no WAMP, TLS refused
  4    the router refused the login or the realm
  5    no answer in time
  6    the connection was lost
  130  interrupted (143: terminated) before there was a result

Environment:
  WAMPCAT_URL, WAMPCAT_REALM, WAMPCAT_PROFILE, WAMPCAT_TIMEOUT, WAMPCAT_SERIALIZERS, WAMPCAT_CA,
  WAMPCAT_CERT, WAMPCAT_KEY, WAMPCAT_AUTHID, WAMPCAT_AUTHMETHODS: as the options of these names
  WAMPCAT_TICKET, WAMPCAT_SECRET, WAMPCAT_PRIVKEY: secrets
  WAMPCAT_PROFILES: the profile file
  NO_COLOR: no colours

Examples:
  wampcat register com.example.add2 -- jq '.args | add'
  wampcat call com.example.add2 23 42
  wampcat subscribe com.example --match prefix
  wampcat publish com.example.news 'It is raining'";

/// The same for the manual page, whose sections are not indented.
pub fn manual() -> String {
    let sections = AFTER_HELP.split("\n\n").filter_map(|section| {
        let (title, text) = section.split_once(":\n")?;
        let text = text.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\(aq");
        Some(format!(".SH \"{}\"\n.nf\n{text}\n.fi\n", title.to_uppercase()))
    });
    sections.collect()
}
