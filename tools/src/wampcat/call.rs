//! `wampcat call`: one call and its result.

use wamp_tools::Failure;

use crate::cli::{Call, Global};
use crate::link::Link;
use crate::options::{Lasting, request, settings};
use crate::signals::Signals;
use crate::values;
use crate::voice::Voice;

/// Calls, and prints the result.
pub async fn run(
    global: &Global,
    call: &Call,
    voice: Voice,
    signals: Signals,
) -> Result<(), Failure> {
    let parts = values::parts(&call.words)?;
    let mut options = request(&call.option)?;
    if !call.no_progress {
        options.entry("receive_progress").or_insert(true.into());
    }
    let settings = settings(global, Lasting::Once)?;
    let mut link = Link::open(&settings, voice, signals).await?;
    let on_progress = |message: &_| {
        let message: &wamp::facade::client::Message = message;
        voice.progress(&message.parts, call.raw);
    };
    let called = link.call(&call.uri, &options, &parts, on_progress).await;
    let printed = called.and_then(|result| voice.print_parts(&result.parts, call.raw));
    link.close().await;
    printed
}
