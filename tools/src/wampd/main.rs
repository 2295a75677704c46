//! `wampd`: the embedded router as a program.
//!
//! * [`options`]: the command line. [`settings`]: what it and the configuration file ask for.
//! * [`exposure`]: a refusal to be open to other machines by mistake.
//! * [`serve`]: the life of the router, from its start to its drain. [`places`]: where it listens.
//! * [`service`]: what a service manager wants to know, and hands over.
//! * [`files`]: static files for browsers. [`watch`]: metrics and health. [`journal`]: log lines.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::semicolon_if_nothing_returned)]
#![deny(clippy::allow_attributes, clippy::allow_attributes_without_reason)]

mod exposure;
mod files;
mod journal;
mod options;
mod places;
mod serve;
mod service;
mod settings;
mod watch;

use std::process::ExitCode;

use clap::CommandFactory;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

use wamp_tools::{Failure, arguments, output, run};

use options::{Options, manual};
use serve::Life;
use settings::Settings;

fn main() -> ExitCode {
    run("wampd", wampd)
}

/// Takes as many file descriptors as the system gives: each client needs one, and the limit that
/// shells set is for programs that use select().
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the present limit holds.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn wampd() -> Result<(), Failure> {
    let Some(options) = arguments::read::<Options>()? else {
        return Ok(());
    };
    if let Some(page) = options.page {
        return page.print(Options::command(), &manual());
    }
    let settings = Settings::read(&options)?;
    allow_descriptors();
    if options.check {
        settings.check()?;
        // Whoever reads the status alone is told by that.
        let _ = output::say("the configuration is good");
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(async { Life::begin(options, settings).await?.run().await });
    // Whoever asks a second time does not wait for what is still going on.
    runtime.shutdown_background();
    ended
}
