//! Hostile routers: the C surface of the library against a scripted peer that refuses, lies,
//! stalls, floods and falls over.
//!
//! Whatever the peer does, the program is told once and in words, every request ends once, every
//! `user_data` is freed once, and nothing hangs.
//!
//! | module | what the peer does |
//! |---|---|
//! | [`connecting`] | answers the upgrade badly, slowly or not at all |
//! | [`clock`] | is good, while this machine's clock is wrong, and set |
//! | [`tls`] | has no good certificate, wants one, or does not speak TLS |
//! | [`proxy`] | is a proxy, or stands behind one |
//! | [`joining`] | answers HELLO badly |
//! | [`fatal`], [`harmless`] | sends what ends an open session, and what must not |
//! | [`details`] | sends, and is sent, what only routers understand |
//! | [`frames`] | breaks WebSocket below the messages |
//! | [`batches`], [`compression`] | breaks what a WebSocket message may hold |
//! | [`longpoll`] | speaks HTTP long-poll, well and badly |
//! | [`memory`] | says with few bytes what takes many |
//! | [`fallback`] | cannot serve, where another one can |
//! | [`ends`] | ends the session, or vanishes |
//! | [`closing`] | misbehaves while we close or free |
//! | [`silence`] | stops answering, or never stops talking |
//! | [`slow`] | does not read |
//! | [`storm`] | sends noise |
//! | [`rawsocket`] | speaks RawSocket, well and badly; and peers on Unix sockets |
//! | [`reconnect`] | goes and comes back, or does not |
//! | [`binding`] | is reached through somebody in between |
//!
//! [`authority`] signs certificates; [`peer`] is the router's side, [`client`] ours and [`told`]
//! what it hears; [`scene`] is an open session with requests of every kind in it.

#[path = "../../src/transport/tls/testing.rs"]
mod authority;
mod batches;
mod binding;
mod client;
mod clock;
mod closing;
mod compression;
mod connecting;
mod details;
mod ends;
mod fallback;
mod fatal;
mod frames;
mod harmless;
mod joining;
mod longpoll;
mod memory;
mod peer;
mod proxy;
mod rawsocket;
mod reconnect;
mod scene;
mod silence;
mod slow;
mod storm;
mod tls;
mod told;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// Runs `case` for every row, and then names all rows that failed.
fn every<R>(rows: impl IntoIterator<Item = (&'static str, R)>, case: impl Fn(&'static str, R)) {
    let mut failed = Vec::new();
    for (what, row) in rows {
        if catch_unwind(AssertUnwindSafe(|| case(what, row))).is_err() {
            failed.push(what);
        }
    }
    assert!(failed.is_empty(), "these failed: {failed:#?}");
}

/// Runs `body` in a process of its own, in which `test` is alone, with these variables. For what
/// belongs to the whole process: its memory, and its environment.
fn alone(test: &str, environment: &[(&str, &str)], body: impl FnOnce()) {
    const CHILD: &str = "WAMP_HOSTILE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let mut again = Command::new(std::env::current_exe().expect("our own path"));
    again.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let output = again.envs(environment.iter().copied()).output().expect("run");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}
