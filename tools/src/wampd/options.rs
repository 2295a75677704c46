//! The command line of `wampd`.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

use wamp_tools::pages::Page;

/// The URL where it listens without more.
pub(crate) const USUAL_URL: &str = "ws://127.0.0.1:8080/ws";

/// A WAMP router in one command
///
/// Alone it is a router for development: programs of this machine find it at
/// ws://127.0.0.1:8080/ws, may join any realm without a login, and do everything there.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "wampd",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    override_usage = "wampd [OPTIONS]",
    disable_help_flag = true,
    disable_version_flag = true,
)]
pub(crate) struct Options {
    /// Listen there; may be given several times [default: ws://127.0.0.1:8080/ws]
    ///
    /// ws:// and wss:// are WebSocket, rs:// and rss:// RawSocket, http:// and https:// long-poll;
    /// ws+unix:///path/to.sock and rs+unix:///path/to.sock are Unix sockets. Port 0 takes a free
    /// one. Sockets that systemd hands over are taken in this order first. Without it, the
    /// "listeners" of the configuration are where it listens.
    #[arg(short, long, value_name = "URL", help_heading = "Where")]
    pub(crate) listen: Vec<String>,

    /// Listen on this port of ws://127.0.0.1/ws
    #[arg(
        short, long, value_name = "PORT", value_parser = port, conflicts_with = "listen",
        help_heading = "Where"
    )]
    pub(crate) port: Option<u16>,

    /// The certificate for wss://, rss:// and https://, with its chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Where")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Where")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Read who may join and what they may do, limits and more from a JSON file
    ///
    /// It has the options of the embedded router (docs/ROUTER.md), and in the key "wampd" what is
    /// an option here: "listen", "open", "metrics", "static", "drain". SIGHUP reads it again.
    #[arg(short, long, value_name = "FILE", help_heading = "Who")]
    pub(crate) config: Option<PathBuf>,

    /// Let clients join this realm and no other; may be given several times [default: any]
    #[arg(short, long, value_name = "NAME", help_heading = "Who")]
    pub(crate) realm: Vec<String>,

    /// Let other machines in although everybody may do everything
    #[arg(long, help_heading = "Who")]
    pub(crate) open: bool,

    /// Serve the files of a directory to browsers, at / or at another path of each ws:// and wss://
    #[arg(short, long, value_name = "[PATH=]DIR", help_heading = "More")]
    pub(crate) r#static: Vec<String>,

    /// Serve /metrics (Prometheus) and /healthz there, as in http://127.0.0.1:9090
    #[arg(short, long, value_name = "URL", help_heading = "More")]
    pub(crate) metrics: Option<String>,

    /// The form of log lines, on standard error [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "More")]
    pub(crate) log: Option<LogFormat>,

    /// The least weight of lines that are logged
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "More")]
    pub(crate) log_level: LogLevel,

    /// Give clients so many seconds to say goodbye when it ends [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "More")]
    pub(crate) drain: Option<f64>,

    /// Only say whether options and configuration are good
    #[arg(long, help_heading = "More")]
    pub(crate) check: bool,

    /// Print this text; -h has less of it
    #[arg(short, long, action = ArgAction::Help, help_heading = "More")]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "More")]
    version: Option<bool>,

    /// Print the manual page, or completions for a shell
    #[arg(long, value_name = "KIND", hide = true)]
    pub(crate) page: Option<Page>,
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "it is a number of at most 65535")
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    text.parse().map_err(|_| "it is a number of seconds")
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// An object each
    Json,
}

impl LogFormat {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

/// The weight of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

const EXAMPLES: &str = "Examples:
  wampd                                        a router for the programs of this machine
  wampd --static ./www                         the same, and a page at http://127.0.0.1:8080/
  wampd -l ws://0.0.0.0:8080/ws -c wampd.json  a router for others, who log in

Ctrl-C or SIGTERM ends it, SIGHUP has it read its configuration again. Exit status: 0 when it was
asked to end, 1 when it cannot listen or go on, 2 when an option or the configuration is wrong.";

/// The sections of the manual page that the options do not tell.
pub(crate) fn manual() -> String {
    r#".SH "SIGNALS"
SIGTERM and SIGINT have wampd say goodbye to its clients, wait for their answers (\-\-drain), and end. A second one ends it at once. SIGHUP has it read the configuration again, and the files that it names; where anything is wrong with them, nothing changes.
.SH "EXIT STATUS"
0 when it was asked to end; 1 when it cannot listen or go on; 2 when an option or the configuration is wrong.
.SH "ENVIRONMENT"
NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS: as systemd sets them. NO_COLOR: no colour on terminals.
.SH "SEE ALSO"
wampcat(1); COMMANDS.md and ROUTER.md in the documentation of libwamp
"#
    .to_owned()
}
