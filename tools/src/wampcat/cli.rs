//! The command line: what can be said, and the help on it. What it means is left to the subcommands.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use wamp_tools::pages::Page;

/// Calls, publishes, subscribes and registers from the command line, over WAMP.
#[derive(Debug, Parser)]
#[command(name = "wampcat", version, after_long_help = AFTER_HELP, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Args)]
pub struct Global {
    #[command(flatten)]
    pub router: Router,
    #[command(flatten)]
    pub tls: Tls,
    #[command(flatten)]
    pub login: Login,
    #[command(flatten)]
    pub output: Output,
}

/// The way to the router.
#[derive(Debug, Args)]
#[command(next_help_heading = "Router")]
pub struct Router {
    /// The router [default: ws://127.0.0.1:8080/ws].
    ///
    /// ws://host:port/path, rs://host:port for RawSocket, http://host:port/path for long-poll;
    /// wss://, rss:// or https:// with TLS; ws+unix:///path.sock:/path or rs+unix:///path.sock.
    #[arg(
        short,
        long,
        global = true,
        env = "WAMPCAT_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub url: Option<String>,
    /// The realm to join [default: realm1].
    #[arg(
        long,
        global = true,
        env = "WAMPCAT_REALM",
        hide_env_values = true,
        value_name = "REALM"
    )]
    pub realm: Option<String>,
    /// Options from this entry of the profile file; those given here count more.
    ///
    /// The file is ~/.config/wampcat/profiles.json (XDG_CONFIG_HOME applies), or what
    /// WAMPCAT_PROFILES names: an object of profiles, each of which is an object of connection
    /// options, such as {"staging": {"url": "wss://...", "authid": "joe", "ticket": "..."}}.
    /// Without this option the profile "default" is used, if there is one.
    #[arg(
        short,
        long,
        global = true,
        env = "WAMPCAT_PROFILE",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub profile: Option<String>,
    /// Seconds that connecting may take, and then each answer; 0 for no limit [default: 30].
    #[arg(
        short,
        long,
        global = true,
        env = "WAMPCAT_TIMEOUT",
        hide_env_values = true,
        value_name = "SECONDS"
    )]
    #[arg(value_parser = seconds)]
    pub timeout: Option<f64>,
    /// Encodings to offer, the best first: json, msgpack, cbor [default: json].
    #[arg(
        long,
        global = true,
        env = "WAMPCAT_SERIALIZERS",
        hide_env_values = true,
        value_name = "NAME"
    )]
    #[arg(value_delimiter = ',', hide_short_help = true)]
    pub serializer: Vec<String>,
    /// Compress WebSocket messages.
    #[arg(long, global = true, hide_short_help = true)]
    pub compress: bool,
    /// An HTTP header to send along, "Name: value"; can be repeated.
    #[arg(long, global = true, value_name = "HEADER", hide_short_help = true)]
    pub header: Vec<String>,
    /// The proxy, http://host:port or socks5://host:port; "none" ignores that of the environment.
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    pub proxy: Option<String>,
    /// Any other connection option, its value as JSON or as a text; can be repeated.
    #[arg(long, global = true, value_name = "NAME=VALUE", hide_short_help = true)]
    pub set: Vec<String>,
    /// Listening commands: wait for a router that is not there yet, too.
    #[arg(long, global = true, hide_short_help = true)]
    pub wait: bool,
}

/// TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct Tls {
    /// Certificates of the authorities to trust (PEM), instead of the system's.
    #[arg(long, global = true, env = "WAMPCAT_CA", hide_env_values = true, value_name = "FILE")]
    pub ca: Option<String>,
    /// The certificate to show to the router (PEM).
    #[arg(
        long,
        global = true,
        env = "WAMPCAT_CERT",
        hide_env_values = true,
        value_name = "FILE",
        hide_short_help = true
    )]
    pub cert: Option<String>,
    /// The private key of --cert (PEM).
    #[arg(
        long,
        global = true,
        env = "WAMPCAT_KEY",
        hide_env_values = true,
        value_name = "FILE",
        hide_short_help = true
    )]
    pub key: Option<String>,
    /// The name that the router's certificate must have, if not that of the URL.
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub server_name: Option<String>,
    /// The router's public key must be this one, sha256/BASE64; can be repeated.
    #[arg(long, global = true, value_name = "PIN", hide_short_help = true)]
    pub pin: Vec<String>,
    /// The lowest version of TLS to accept: 1.2 or 1.3.
    #[arg(long, global = true, value_name = "VERSION", hide_short_help = true)]
    pub min_tls: Option<String>,
    /// Accept whatever certificate the router shows: anybody between can read and change all.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_verify: bool,
}

/// The login. Secrets come from the environment, from files or from the keyboard, and never stand
/// on the command line, which every process of the machine can read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Login")]
pub struct Login {
    /// The name to log in with.
    #[arg(
        long,
        global = true,
        env = "WAMPCAT_AUTHID",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub authid: Option<String>,
    /// Methods to offer, in this order: anonymous, ticket, wampcra, scram, wamp-scram, cryptosign
    /// [default: those for which there are credentials].
    #[arg(
        long,
        global = true,
        env = "WAMPCAT_AUTHMETHODS",
        hide_env_values = true,
        value_name = "METHOD"
    )]
    #[arg(value_delimiter = ',')]
    pub authmethod: Vec<String>,
    /// A file with the ticket; or the ticket itself in the environment variable WAMPCAT_TICKET.
    #[arg(long, global = true, value_name = "FILE")]
    pub ticket_file: Option<PathBuf>,
    /// A file with the password; or the password itself in WAMPCAT_SECRET.
    #[arg(long, global = true, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The file of the Ed25519 key for cryptosign; or 64 hex digits, or a path, in WAMPCAT_PRIVKEY.
    #[arg(long, global = true, value_name = "FILE")]
    pub privkey_file: Option<PathBuf>,
    /// Ask for the password, or for the ticket where that is the method, on the terminal.
    #[arg(long, global = true)]
    pub ask: bool,
    /// Log in as nobody, whatever the environment or the profile say.
    #[arg(long, global = true, hide_short_help = true)]
    pub anonymous: bool,
    /// The router's public key (64 hex digits), which it has to prove in cryptosign.
    #[arg(long, global = true, value_name = "HEX", hide_short_help = true)]
    pub router_key: Option<String>,
    /// Bind the login to the TLS connection: tls-exporter.
    #[arg(long, global = true, value_name = "KIND", hide_short_help = true)]
    pub channel_binding: Option<String>,
    /// For scram with argon2: the router's keys were made from the hash itself.
    #[arg(long, global = true, hide_short_help = true)]
    pub scram_raw: bool,
    /// HELLO.Details.authextra, a JSON object.
    #[arg(long, global = true, value_name = "JSON", hide_short_help = true)]
    pub authextra: Option<String>,
}

/// What is shown, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// One JSON object per line, for programs; errors, too.
    #[arg(short, long, global = true)]
    pub json: bool,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice: the library's own log, too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Show every WAMP message on standard error, secrets masked.
    #[arg(long = "trace", global = true, hide_short_help = true)]
    pub messages: bool,
}

/// What to do.
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
    #[arg(value_name = "TOPIC", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub topics: Vec<String>,
    /// What the topics stand for.
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
/// fails, the caller gets the error com.example.error style URI of --error with what it wrote to
/// its standard error. A call that is canceled kills the command, with all that it has started.
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
    /// What the URI stands for.
    #[arg(short, long = "match", value_name = "KIND", default_value = "exact")]
    pub matching: Matching,
    /// Who is called where several have registered: single, first, last, roundrobin, random.
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

/// What to show.
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
    /// How many times; 0: until interrupted.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    pub count: u64,
    /// Seconds from one to the next.
    #[arg(short, long, value_name = "SECONDS", default_value = "0.2", value_parser = seconds)]
    pub interval: f64,
}

/// What is measured.
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
    /// What to measure.
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
    #[arg(value_name = "TOPIC", value_parser = NonEmptyStringValueParser::new())]
    pub topics: Vec<String>,
    /// What the topics stand for.
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
