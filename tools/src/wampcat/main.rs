//! `wampcat`: a WAMP client for the command line.
//!
//! * `cli`: what can be said. `options`, `profile`: what the connection is made with.
//! * `link`, `listen`: the connection, as all subcommands have it. `signals`: interruptions.
//! * `values`, `table`, `voice`: what is read and shown.
//! * `call`, `publish`, `subscribe`, `register`, `meta`, `ping`, `bench`, `trace`: the subcommands.
//!   `command`: what `register` runs. `bar`, `figures`: what measuring shows.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::semicolon_if_nothing_returned)]

mod bar;
mod bench;
mod call;
mod cli;
mod command;
mod figures;
mod link;
mod listen;
mod meta;
mod options;
mod ping;
mod profile;
mod publish;
mod register;
mod signals;
mod subscribe;
mod table;
mod trace;
mod values;
mod voice;

use std::process::ExitCode;

use clap::CommandFactory;
use serde_json::json;
use tokio::runtime::Builder;

use wamp_tools::{Failure, arguments, output, run};

use cli::{Cli, Command};
use signals::Signals;
use voice::Voice;

fn main() -> ExitCode {
    run("wampcat", || {
        let Some(cli) = arguments::read::<Cli>()? else {
            return Ok(());
        };
        let is_json = cli.global.output.json;
        work(cli).map_err(|failure| match is_json && !failure.text.is_empty() {
            true => {
                let told = json!({"status": failure.code, "message": failure.text});
                output::tell(&told.to_string());
                Failure { text: String::new(), ..failure }
            }
            false => failure,
        })
    })
}

fn work(cli: Cli) -> Result<(), Failure> {
    if let Command::Page { page } = cli.command {
        return page.print(Cli::command(), &cli::manual());
    }
    let voice = Voice::new(&cli.global.output, matches!(cli.command, Command::Trace(_)));
    let signals = Signals::watch()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot begin: {error}")))?;
    let global = &cli.global;
    let worked = runtime.block_on(async {
        match &cli.command {
            Command::Call(call) => call::run(global, call, voice, signals).await,
            Command::Publish(publish) => publish::run(global, publish, voice, signals).await,
            Command::Subscribe(it) => subscribe::run(global, it, voice, signals).await,
            Command::Register(register) => register::run(global, register, voice, signals).await,
            Command::Meta(meta) => meta::run(global, &meta.what, voice, signals).await,
            Command::Ping(ping) => ping::run(global, ping, voice, signals).await,
            Command::Bench(bench) => bench::run(global, bench, voice, signals).await,
            Command::Trace(trace) => trace::run(global, trace, voice, signals).await,
            Command::Page { .. } => Ok(()),
        }
    });
    // A thread that reads standard input may never return.
    runtime.shutdown_background();
    worked
}
