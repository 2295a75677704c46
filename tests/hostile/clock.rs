//! The machine's clock is wrong, and is set while sessions are open: without a battery it begins in
//! 1970, until the machine is told the time.

use std::ffi::{CStr, CString, c_char};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, process, ptr};

use serde_json::json;
use wamp::ffi::router::*;
use wamp::ffi::types::*;

use crate::alone;
use crate::authority::{Authority, Time};
use crate::client::Client;
use crate::peer::Peer;
use crate::tls::{ALL, Front, Shake};

const FILE: &str = "WAMP_TEST_CLOCK";
const YEAR: i64 = 365 * 86_400;

/// Sets the clock of this process, to so many seconds after 1970.
fn set_clock(seconds: i64) {
    let file = env::var_os(FILE).expect("the clock's file");
    let file = fs::File::options().read(true).write(true).open(file).expect("the clock's file");
    let mut text = [0; 11];
    file.read_exact_at(&mut text, 0).expect("its text");
    let ahead: i64 = str::from_utf8(&text).expect("digits").parse().expect("a number");
    let text = format!("{:+011}", ahead + seconds - now());
    file.write_all_at(text.as_bytes(), 0).expect("set");
    assert!((now() - seconds).abs() < 60, "the clock is not the one that was set");
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs().cast_signed()
}

/// Runs `body` in a process of its own, whose clock can be set.
fn with_clock(test: &str, body: impl FnOnce()) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let directory = directory.join(format!("clock-{}", process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let (clock, library) = (directory.join("clock"), directory.join("clock.so"));
    let mut environment = Vec::new();
    if env::var_os(FILE).is_none() {
        compile(&library);
        fs::write(&clock, "+0000000000\n").expect("written");
        // What delays system calls is preloaded, too.
        let others = env::var("LD_PRELOAD").unwrap_or_default();
        environment.push((FILE, clock.display().to_string()));
        environment.push(("LD_PRELOAD", format!("{}:{others}", library.display())));
    }
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    alone(test, &environment, body);
    fs::remove_dir_all(&directory).expect("removed");
}

fn compile(library: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/clock.c");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
    let made = command.arg(library).arg(source).status().expect("a C compiler");
    assert!(made.success());
}

#[test]
fn a_clock_that_is_set_after_the_start() {
    with_clock("clock::a_clock_that_is_set_after_the_start", || {
        let ca = Authority::new("ours");
        let pair = ca.sign(&["localhost"], Time::Now);
        let shake = Shake { pair: &pair, versions: ALL, client_ca: None };
        let today = now();
        set_clock(600);
        let peer = Peer::joined(|wire| wire.polite());
        let front = Front::with_several(&shake, &["127.0.0.1:1", &peer.url]);
        let options = json!({
            "tlsConfiguration": {"ca": ca.pem()},
            "retry_if_unreachable": true, "max_retries": -1,
            "initial_retry_delay": 3600, "max_retry_delay": 3600,
        });
        let mut client = Client::open("1970", &front.url, options);
        let told = client.retries(1);
        assert_eq!(told.status, WAMP_ERR_TLS);
        for word in ["not valid yet but from 2020-01-01T00:00:00Z on", "it is 1970-01-01T00:1"] {
            assert!(told.message.contains(word), "{word}: {}", told.message);
        }
        set_clock(today);
        assert_eq!(client.reconnect_now(), WAMP_OK);
        client.join();
        assert_eq!(client.close(), WAMP_OK);
        client.finish();
        peer.done();
        front.done();
    });
}

/// A router of this process.
struct Router(*mut wamp_router_t);

impl Router {
    fn new(config: &CStr) -> Router {
        // SAFETY: a NUL-terminated text.
        let router = unsafe { wamp_router_new(config.as_ptr()) };
        assert!(!router.is_null());
        Router(router)
    }

    fn listen(&self, url: &str) -> String {
        let url = CString::new(url).expect("no NUL");
        let mut at: *const c_char = ptr::null();
        // SAFETY: a handle, a NUL-terminated text, and a place for another one.
        assert_eq!(unsafe { wamp_router_listen(self.0, url.as_ptr(), &mut at) }, WAMP_OK);
        // SAFETY: the text lives until this thread asks again.
        let at = unsafe { CStr::from_ptr(at) };
        at.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // SAFETY: a handle.
        unsafe { wamp_router_free(self.0) };
    }
}

#[test]
fn nothing_runs_by_a_clock_that_jumps() {
    with_clock("clock::nothing_runs_by_a_clock_that_jumps", || {
        for scheme in ["ws", "http"] {
            set_clock(600);
            let router = Router::new(c"{}");
            let url = router.listen(&format!("{scheme}://127.0.0.1:0/wamp"));
            session_over_jumps(scheme, &url);
        }
    });
}

/// A session that goes on while the clock jumps about, with a call that waits for its time limit.
fn session_over_jumps(scheme: &str, url: &str) {
    let times = json!({"autoping_interval": 0.05, "autoping_timeout": 30});
    let mut client = Client::open(scheme, url, times);
    client.join();
    // Takes calls, and answers none.
    let mut callee = Client::open("silent", url, json!({"dispatch": "manual"}));
    callee.join();
    let silent = callee.register(c"com.silent");
    assert_eq!(callee.outcome(silent).kind, WAMP_REGISTERED);
    let patient = client.call_with(c"com.silent", Some(c"{\"timeout\": 600000}"));
    for year in [56, 0, 137, 30, 56] {
        set_clock(600 + year * YEAR);
        let called = client.call(c"wamp.session.count");
        assert_eq!(client.outcome(called).kind, WAMP_RESULT, "{scheme}, after {year} years");
        let begun = Instant::now();
        let hasty = client.call_with(c"com.silent", Some(c"{\"timeout\": 100}"));
        let told = client.outcome(hasty);
        assert!(told.uri.contains("timeout"), "{scheme}, after {year} years: {told:?}");
        assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
    }
    assert!(client.all(WAMP_CLOSE).is_empty(), "{scheme}: {:?}", client.all(WAMP_CLOSE));
    assert_eq!(client.close(), WAMP_OK);
    assert_ne!(client.outcome(patient).kind, WAMP_RESULT);
    client.finish();
    assert_eq!(callee.close_within(0), WAMP_OK);
    callee.closed_as(WAMP_OK, "closed");
    callee.finish();
}
