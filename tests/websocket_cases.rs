//! Our WebSocket against the cases of the Autobahn TestSuite, as the package `kosoku` runs them:
//! both sides, with 403 of its cases. With `WAMP_WEBSOCKET_CASES=all` there are all 517: the others
//! compress more texts and pictures, and longer ones, in the same ways, and take most of the time.

mod support;

use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use wamp::transport::websocket::{Received, Socket, answer, open};
use wamp::transport::{ConnectOptions, DeflateOptions, Endpoint};

/// The largest message of the cases, and some more.
const LIMIT: usize = 32 << 20;

/// Guard against hanging: all of the cases take some 260 s alone.
const PATIENCE: Duration = Duration::from_secs(2600);

/// Sections whose peer wants to be told that the client forgets what went before.
const FORGETFUL: [&str; 3] = ["13.2", "13.5", "13.6"];

#[test]
fn our_server() {
    let Some(suite) = suite() else { return };
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let none = |_: &[&str]| Ok(None);
                    let opened = answer(stream, None, LIMIT, Some(&deflate()), none).await;
                    // A case may leave in the middle of it.
                    if let Ok((socket, _)) = opened {
                        echo(socket).await;
                    }
                });
            }
        });
        let mut run = start(suite, "fuzzingclient", &url, &options("--exclude", &left_out()));
        let ended = tokio::task::spawn_blocking(move || run.wait_for_end());
        let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it takes too long");
        passed(ALL - left_out().len(), ended.unwrap());
    });
}

#[test]
fn our_client() {
    let is_forgetful = |case: &String| FORGETFUL.iter().any(|one| case.starts_with(one));
    let (forgetful, others): (Vec<_>, Vec<_>) = left_out().into_iter().partition(is_forgetful);
    let sections: Vec<_> = FORGETFUL.iter().map(|section| format!("{section}.*")).collect();
    let count = FORGETFUL.len() * IN_SECTION;

    let choice = [options("--exclude", &sections), options("--exclude", &others)].concat();
    client_passes(ALL - count - others.len(), &choice, deflate());

    let choice = [options("--include", &sections), options("--exclude", &forgetful)].concat();
    let deflate = DeflateOptions { client_no_context_takeover: true, ..deflate() };
    client_passes(count - forgetful.len(), &choice, deflate);
}

fn client_passes(count: usize, choice: &[String], deflate: DeflateOptions) {
    let Some(suite) = suite() else { return };
    let mut run = start(suite, "fuzzingserver", "127.0.0.1:0", choice);
    let url = run.address();
    runtime().block_on(async {
        let all = async {
            let told = String::from_utf8(one(&url, "getCaseCount", deflate).await).unwrap();
            assert_eq!(told, count.to_string());
            for case in 1..=count {
                // How it ends is what is judged.
                let path = format!("runCase?case={case}&agent=wamp");
                if let Some(socket) = dial(&url, &path, deflate).await {
                    echo(socket).await;
                }
            }
            echo(dial(&url, "updateReports?agent=wamp", deflate).await.unwrap()).await;
        };
        tokio::time::timeout(PATIENCE, all).await.expect("it takes too long");
    });
    passed(count, run.wait_for_end());
}

const ALL: usize = 517;

/// How many cases there are in each section of 12 and 13.
const IN_SECTION: usize = 18;

/// The cases that are left to the long run: sections with other texts, and the long messages of the
/// sections that differ in what is agreed upon.
fn left_out() -> Vec<String> {
    if std::env::var_os("WAMP_WEBSOCKET_CASES").is_some_and(|cases| cases == "all") {
        return Vec::new();
    }
    let texts = (2..=5).flat_map(|section| (1..=IN_SECTION).map(move |case| (12, section, case)));
    let long = [9, 10, 14, 15, 16, 17, 18];
    let agreed = (2..=7).flat_map(|section| long.map(|case| (13, section, case)));
    texts.chain(agreed).map(|(part, section, case)| format!("{part}.{section}.{case}")).collect()
}

/// The option, once for each case.
fn options(option: &str, cases: &[String]) -> Vec<String> {
    cases.iter().flat_map(|case| [option.to_owned(), case.clone()]).collect()
}

/// Sends back what comes, until it is over.
async fn echo(mut socket: Socket) {
    loop {
        match poll_fn(|cx| socket.poll_receive(cx)).await {
            Ok(Received::Message { is_text, payload }) => {
                socket.send(is_text, &payload);
                if poll_fn(|cx| socket.poll_flush(cx)).await.is_err() {
                    return;
                }
            }
            Ok(Received::Alive | Received::Pong) => {}
            Ok(Received::Close { .. }) | Err(_) => break,
        }
    }
    let _ = poll_fn(|cx| socket.poll_close(cx)).await;
}

async fn dial(url: &str, path: &str, deflate: DeflateOptions) -> Option<Socket> {
    let endpoint = Endpoint::parse(&format!("{url}/{path}")).unwrap();
    let options = ConnectOptions {
        deflate: Some(deflate),
        max_message_size: LIMIT,
        ..ConnectOptions::new(endpoint)
    };
    let stream = TcpStream::connect(url.strip_prefix("ws://").unwrap()).await.unwrap();
    open(stream, &options, "").await.ok().map(|(socket, _)| socket)
}

/// The one message that is to be had there.
async fn one(url: &str, path: &str, deflate: DeflateOptions) -> Vec<u8> {
    let mut socket = dial(url, path, deflate).await.unwrap();
    loop {
        if let Received::Message { payload, .. } =
            poll_fn(|cx| socket.poll_receive(cx)).await.unwrap()
        {
            return payload.to_vec();
        }
    }
}

fn deflate() -> DeflateOptions {
    // Also what is short, and fast rather than small.
    DeflateOptions { threshold: 0, level: 1, ..DeflateOptions::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

// ===== the suite =====

/// A run of it.
struct Run {
    process: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Run {
    /// Where the server listens.
    fn address(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("ws://"));
        url.unwrap_or_else(|| panic!("no URL in {line:?}")).to_owned()
    }

    /// Whether all was well, and what it says.
    fn wait_for_end(&mut self) -> (bool, String) {
        let mut told = String::new();
        self.stderr.read_to_string(&mut told).unwrap();
        self.process.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        (self.process.wait().unwrap().success(), told)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn suite() -> Option<PathBuf> {
    let python = std::env::var_os("WAMP_TEST_PYTHON").filter(|named| !named.is_empty());
    let suite = python.map(|python| support::root().join(python).with_file_name("kosoku"));
    if suite.is_none() {
        support::skip("WAMP_TEST_PYTHON names no Python with kosoku: the cases were not run");
    }
    suite
}

fn start(suite: PathBuf, mode: &str, address: &str, choice: &[String]) -> Run {
    let reports = support::target().join("websocket-cases").join(mode);
    let mut command = Command::new(suite);
    command.args(["--mode", mode, "--outdir"]).arg(reports).args(choice).arg(address);
    let mut process =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kosoku");
    let stderr = BufReader::new(process.stderr.take().unwrap());
    Run { process, stderr }
}

fn passed(count: usize, (good, told): (bool, String)) {
    assert!(good && told.contains(&format!("{count} cases passed")), "{told}");
}
