//! The options of every subcommand: the way to the router, TLS, the login, and what is shown.

use std::path::PathBuf;

use clap::Args;

use super::seconds;

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
    /// Wait for a router that is not there yet: subscribe and register for as long as it takes, the
    /// others until --timeout.
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

/// The form of what is shown.
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
