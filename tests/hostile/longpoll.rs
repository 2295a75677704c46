//! HTTP long-poll: a server whose answers are errors, web pages, cut, too large, or do not come.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use wamp::ffi::types::*;

use super::client::Client;
use super::every;
use super::peer::{self, Peer, WELCOME};

const OPENED: &str = r#"{"protocol":"wamp.2.json","transport":"t1"}"#;
const NOTHING: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// What a server answers.
#[derive(Clone)]
enum Answer {
    Bytes(Vec<u8>),
    /// These, and then the end of the connection.
    Cut(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Never,
    /// These, and nothing more.
    Stall(Vec<u8>),
    /// This, once the client has sent so many messages.
    After(usize, Box<Answer>),
    /// This, later than what is answered at the same time.
    Late(Box<Answer>),
}

fn ok(body: &str) -> Answer {
    told("200 OK", body)
}

fn told(status: &str, body: &str) -> Answer {
    Answer::Bytes(
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into(),
    )
}

fn after(count: usize, then: Answer) -> Answer {
    Answer::After(count, Box::new(then))
}

fn nothing() -> Answer {
    Answer::Bytes(NOTHING.into())
}

/// What a server has seen.
#[derive(Default)]
struct Seen {
    /// How many requests of each kind.
    counts: Mutex<HashMap<String, usize>>,
    counted: Condvar,
    /// The messages.
    sent: Mutex<Vec<Value>>,
    more: Condvar,
}

impl Seen {
    /// Waits until so many requests of this kind have come.
    fn wait_for(&self, what: &str, count: usize) {
        let counts = self.counts.lock().unwrap();
        let are_few =
            |counts: &mut HashMap<_, _>| counts.get(what).is_none_or(|seen| *seen < count);
        let (counts, late) = self.counted.wait_timeout_while(counts, peer::LIMIT, are_few).unwrap();
        assert!(!late.timed_out(), "{what}: {counts:?}");
    }
}

/// A server that gives `answer` to each request: for what it is, and how many of that kind came
/// before it.
fn server(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> (Peer<()>, Arc<Seen>) {
    let (answer, seen) = (Arc::new(answer), Arc::new(Seen::default()));
    let all = seen.clone();
    let peer = Peer::listening(move |listener: TcpListener| {
        thread::spawn(move || {
            loop {
                let Ok((stream, _)) = listener.accept() else { return };
                let (answer, seen) = (answer.clone(), seen.clone());
                thread::spawn(move || serve(stream, &*answer, &seen));
            }
        });
    });
    (peer, all)
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str, usize) -> Answer, seen: &Seen) {
    while let Some((what, body)) = request(&mut stream) {
        let before = {
            let mut counts = seen.counts.lock().unwrap();
            let count = counts.entry(what.clone()).or_default();
            *count += 1;
            seen.counted.notify_all();
            *count - 1
        };
        if what == "send" {
            seen.sent.lock().unwrap().push(serde_json::from_slice(&body).expect("JSON"));
            seen.more.notify_all();
        }
        let mut answer = answer(&what, before);
        if let Answer::After(count, then) = answer {
            let sent = seen.sent.lock().unwrap();
            let (sent, late) =
                seen.more.wait_timeout_while(sent, peer::LIMIT, |sent| sent.len() < count).unwrap();
            assert!(!late.timed_out(), "{} messages", sent.len());
            answer = *then;
        }
        if let Answer::Late(then) = answer {
            thread::sleep(Duration::from_millis(200));
            answer = *then;
        }
        match answer {
            Answer::After(..) | Answer::Late(_) => unreachable!("one wait is enough"),
            Answer::Bytes(bytes) => {
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Answer::Cut(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Answer::Stall(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
                return;
            }
            Answer::Never => {
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
                return;
            }
        }
    }
}

/// The next request: what it is for, or its method if that is none of WAMP's, and its body.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("ASCII").to_lowercase();
    let mut words = head.split(' ');
    let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
    let what = path.rsplit('/').next().filter(|_| method == "post").unwrap_or(method).to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some((what, body))
}

fn url(peer: &Peer<()>) -> String {
    peer.url.replace("ws://", "http://").replace("/ws", "/lp")
}

/// What a server does that is right until `receive` has given the WELCOME.
fn right(what: &str, before: usize) -> Option<Answer> {
    match (what, before) {
        ("open", 0) => Some(ok(OPENED)),
        ("send", 0) => Some(nothing()),
        ("receive", 0) => Some(ok(WELCOME)),
        ("close", _) => Some(nothing()),
        _ => None,
    }
}

#[test]
fn a_session() {
    let (peer, seen) = server(|what, before| match (what, before) {
        // Any success will do.
        ("send", 1) => told("202 Accepted", "thank you"),
        ("send", 2..) => ok(""),
        ("receive", 1) => nothing(),
        ("receive", 2) => after(2, ok(r#"[50,1,{},["result"]]"#)),
        ("receive", 3) => after(3, ok(r#"[6,{},"wamp.close.goodbye_and_out"]"#)),
        ("receive", 4..) => ok(""),
        _ => right(what, before).expect("a request"),
    });
    let mut client = Client::open("long-poll", &url(&peer), json!({}));
    client.join();
    let call = client.call(c"com.call");
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    assert_eq!(client.close(), WAMP_OK);
    client.closed_as(WAMP_OK, "closed");
    client.finish();
    peer.done();
    let codes: Vec<_> =
        seen.sent.lock().unwrap().iter().map(|message| message[0].clone()).collect();
    assert_eq!(codes, [1, 48, 6]);
}

#[test]
fn a_server_that_does_not_wait_is_not_asked_without_a_rest() {
    let (peer, seen) = server(|what, before| match (what, before) {
        // Some servers call an empty answer a page.
        ("send", 1) => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        ("receive", 1..=5) => nothing(),
        ("receive", 6) => ok(r#"[50,1,{},["result"]]"#),
        ("receive", 7..) => Answer::Never,
        _ => right(what, before).unwrap_or_else(nothing),
    });
    let mut client = Client::open("restless", &url(&peer), json!({"close_timeout": 0.1}));
    client.join();
    let begun = std::time::Instant::now();
    let call = client.call(c"com.call");
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    assert!(begun.elapsed() >= Duration::from_millis(350), "{:?}", begun.elapsed());
    assert!(seen.counts.lock().unwrap()["receive"] >= 7);
    client.close();
    client.finish();
    peer.done();
}

#[test]
fn why_the_router_ends_it_is_told_although_a_send_hears_first_that_it_has() {
    let (peer, _) = server(|what, before| match (what, before) {
        ("send", 1..) => told("404 Not Found", ""),
        ("receive", 1) => {
            let abort = ok(r#"[3,{"message":"see you"},"wamp.close.close_realm"]"#);
            after(2, Answer::Late(Box::new(abort)))
        }
        ("receive", 2..) => told("404 Not Found", ""),
        _ => right(what, before).unwrap_or_else(nothing),
    });
    let mut client = Client::open("overtaken", &url(&peer), json!({}));
    client.join();
    let call = client.call(c"com.call");
    let told = client.closed_as(WAMP_ERR_ABORTED, "closed");
    assert!(told.message.contains("see you"), "{}", told.message);
    assert_eq!(client.outcome(call).status, WAMP_ERR_OUTCOME_UNKNOWN);
    client.finish();
    peer.done();
}

#[test]
fn bad_answers_to_open() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(10_000_000));
    let large = told("200 OK", &format!("{OPENED}{}", " ".repeat(1_000_000)));
    let rows: [(&str, (Answer, i32, &str)); 14] = [
        ("404 with a large page", (told("404 No", &" ".repeat(70_000)), WAMP_ERR_HTTP, "path")),
        ("500", (told("500 No", ""), WAMP_ERR_HTTP, "500")),
        ("401", (told("401 No", ""), WAMP_ERR_HTTP, "headers")),
        ("404", (told("404 No", ""), WAMP_ERR_HTTP, "path")),
        ("a page", (Answer::Bytes(page.into()), WAMP_ERR_PROTOCOL, "web page")),
        ("an empty body", (ok(""), WAMP_ERR_PROTOCOL, "not understood")),
        ("no JSON", (ok("{"), WAMP_ERR_PROTOCOL, "not understood")),
        (
            "another serializer",
            (
                ok(r#"{"protocol":"wamp.2.cbor","transport":"t"}"#),
                WAMP_ERR_SUBPROTOCOL,
                "wamp.2.json",
            ),
        ),
        (
            "a transport of no name",
            (ok(r#"{"protocol":"wamp.2.json","transport":""}"#), WAMP_ERR_PROTOCOL, "URL"),
        ),
        (
            "a transport that leads elsewhere",
            (
                ok(r#"{"protocol":"wamp.2.json","transport":"a\r\nHost: b"}"#),
                WAMP_ERR_PROTOCOL,
                "URL",
            ),
        ),
        ("too large", (large, WAMP_ERR_PROTOCOL, "too large")),
        ("a head without end", (Answer::Bytes(endless.into()), WAMP_ERR_PROTOCOL, "")),
        ("no HTTP", (Answer::Cut(b"SSH-2.0-OpenSSH\r\n".into()), WAMP_ERR_PROTOCOL, "")),
        ("nothing", (Answer::Never, WAMP_ERR_TIMEOUT, "connect_timeout")),
    ];
    every(rows, |what, (answer, status, word)| {
        let (peer, _) = server(move |_, _| answer.clone());
        let limit = if status == WAMP_ERR_TIMEOUT { 0.5 } else { 60.0 };
        let client = Client::open(what, &url(&peer), json!({"connect_timeout": limit}));
        let told = client.closed_as(status, "unreachable");
        assert!(told.message.contains(word), "{what}: {}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn an_answer_byte_by_byte() {
    let peer = Peer::listening(|listener: TcpListener| {
        let mut stream = peer::accept(&listener);
        request(&mut stream).expect("an open");
        let Answer::Bytes(bytes) = ok(OPENED) else { unreachable!() };
        for byte in bytes {
            stream.write_all(&[byte]).expect("written");
            stream.flush().expect("written");
            thread::sleep(Duration::from_millis(2));
        }
        request(&mut stream).expect("a HELLO");
    });
    let client = Client::open("slow", &url(&peer), json!({"connect_timeout": 60}));
    peer.done();
    client.closed();
    client.finish();
}

#[test]
fn bad_answers_to_receive() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let large = " ".repeat(70_000);
    let rows: [(&str, (Answer, i32, &str)); 18] = [
        ("302", (told("302 Found", ""), WAMP_ERR_LOST, "lost")),
        ("401", (told("401 No", ""), WAMP_ERR_LOST, "lost")),
        ("403", (told("403 No", ""), WAMP_ERR_LOST, "lost")),
        ("409", (told("409 No", ""), WAMP_ERR_LOST, "lost")),
        ("429", (told("429 No", ""), WAMP_ERR_LOST, "lost")),
        ("451", (told("451 No", ""), WAMP_ERR_LOST, "lost")),
        ("a large page with 502", (told("502 No", &large), WAMP_ERR_LOST, "lost")),
        (
            "a body that does not go on",
            (
                Answer::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[36".into()),
                WAMP_ERR_LOST,
                "lost",
            ),
        ),
        ("500", (told("500 No", "oh"), WAMP_ERR_LOST, "lost")),
        ("503", (told("503 No", "oh"), WAMP_ERR_LOST, "lost")),
        ("404", (told("404 No", ""), WAMP_ERR_LOST, "lost")),
        ("400", (told("400 No", ""), WAMP_ERR_PROTOCOL, "closed")),
        ("a page", (Answer::Bytes(page.into()), WAMP_ERR_LOST, "lost")),
        ("an end", (ok(""), WAMP_ERR_LOST, "lost")),
        ("too large", (ok(&" ".repeat(5000)), WAMP_ERR_TOO_LARGE, "closed")),
        ("no message", (ok("{}"), WAMP_ERR_PROTOCOL, "closed")),
        (
            "no UTF-8",
            (
                Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[\xff]".into()),
                WAMP_ERR_PROTOCOL,
                "closed",
            ),
        ),
        (
            "cut",
            (
                Answer::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[36".into()),
                WAMP_ERR_LOST,
                "lost",
            ),
        ),
    ];
    every(rows, |what, (answer, status, class)| {
        let (peer, seen) = server(move |what, before| match what {
            "receive" if before > 0 => answer.clone(),
            _ => right(what, before).unwrap_or_else(nothing),
        });
        let options = json!({"max_message_size": 4096, "max_retries": 0, "connect_timeout": 5});
        let mut client = Client::open(what, &url(&peer), options);
        client.try_join();
        client.closed_as(status, class);
        client.finish();
        peer.done();
        // The router is told, where it may still be there.
        let is_told = seen.counts.lock().unwrap().contains_key("close");
        assert_eq!(is_told, class == "closed", "{what}");
    });
}

#[test]
fn a_server_that_wants_rest_gets_it() {
    let (peer, _) = server(|what, before| match what {
        "receive" if before > 0 => {
            let head = "HTTP/1.1 429 No\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
            Answer::Bytes(head.into())
        }
        _ => right(what, before).unwrap_or_else(nothing),
    });
    let options = json!({"max_retries": 3, "initial_retry_delay": 0.01, "max_retry_delay": 1});
    let client = Client::open("429", &url(&peer), options);
    assert_eq!(client.retries(1).reason()["retry_delay"], 3600.0);
    assert_eq!(client.close(), WAMP_OK);
    client.finish();
    peer.done();
}

#[test]
fn bad_answers_to_send() {
    let large = " ".repeat(70_000);
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let rows: [(&str, (Answer, i32, &str)); 9] = [
        ("a large page with 502", (told("502 No", &large), WAMP_ERR_LOST, "lost")),
        ("a page, as of a network that wants a login", {
            (Answer::Bytes(page.into()), WAMP_ERR_LOST, "lost")
        }),
        ("403", (told("403 No", ""), WAMP_ERR_LOST, "lost")),
        ("408", (told("408 No", ""), WAMP_ERR_LOST, "lost")),
        ("413", (told("413 No", ""), WAMP_ERR_TOO_LARGE, "closed")),
        ("500", (told("500 No", "oh"), WAMP_ERR_LOST, "lost")),
        ("404", (told("404 No", ""), WAMP_ERR_LOST, "lost")),
        ("400", (told("400 No", ""), WAMP_ERR_PROTOCOL, "closed")),
        ("never", (Answer::Never, WAMP_ERR_LOST, "lost")),
    ];
    every(rows, |what, (answer, status, class)| {
        let (peer, _) = server(move |what, before| match what {
            "send" if before > 0 => answer.clone(),
            "receive" if before > 0 => Answer::Never,
            _ => right(what, before).unwrap_or_else(nothing),
        });
        let options = json!({"max_retries": 0, "autoping_interval": 1, "autoping_timeout": 2});
        let mut client = Client::open(what, &url(&peer), options);
        client.join();
        let call = client.call(c"com.call");
        client.closed_as(status, class);
        assert_eq!(client.outcome(call).status, WAMP_ERR_OUTCOME_UNKNOWN);
        client.finish();
        peer.done();
    });
}

/// A session with a router that has nothing to say, and answers like this whether it is there.
fn silent(what: &str, answer: Answer) -> (Client, Peer<()>, Arc<Seen>) {
    let (peer, seen) = server(move |what, before| match what {
        "receive" if before > 0 => after(2, ok(r#"[50,1,{},["result"]]"#)),
        "options" => answer.clone(),
        _ => right(what, before).unwrap_or_else(nothing),
    });
    let options = json!({"max_retries": 0, "autoping_interval": 0.3, "autoping_timeout": 1,
                         "close_timeout": 0.1});
    let mut client = Client::open(what, &url(&peer), options);
    client.join();
    (client, peer, seen)
}

#[test]
fn a_silent_router_that_gives_any_answer_is_there() {
    let rows = [
        ("204", nothing()),
        ("404", told("404 Not Found", "")),
        ("405 with a page", told("405 No", &" ".repeat(70_000))),
        ("501", told("501 Not Implemented", "what?")),
        ("closed", Answer::Cut(Vec::new())),
        ("no HTTP", Answer::Cut(b"what?".into())),
    ];
    every(rows, |what, answer| {
        let (mut client, peer, seen) = silent(what, answer);
        let begun = std::time::Instant::now();
        seen.wait_for("options", 5);
        assert!(begun.elapsed() >= Duration::from_millis(1000), "{what}: it was asked too often");
        let call = client.call(c"com.call");
        assert_eq!(client.outcome(call).kind, WAMP_RESULT, "{what}");
        client.close();
        client.finish();
        peer.done();
    });
}

#[test]
fn a_silent_router_that_gives_no_answer_is_lost() {
    let rows = [("never", Answer::Never), ("half an answer", Answer::Stall(b"HTTP/1.1 2".into()))];
    every(rows, |what, answer| {
        let (client, peer, _) = silent(what, answer);
        let told = client.closed_as(WAMP_ERR_LOST, "lost");
        assert!(told.message.contains("autoping_timeout"), "{what}: {}", told.message);
        client.finish();
        peer.done();
    });
}

#[test]
fn a_long_answer_is_a_sign_of_life_however_slowly_it_comes() {
    let peer = Peer::listening(|listener: TcpListener| {
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                thread::spawn(move || serve_slowly(stream));
            }
        });
    });
    let options = json!({"max_retries": 0, "autoping_interval": 0.1, "autoping_timeout": 0.6,
                         "close_timeout": 0.1});
    let mut client = Client::open("slow", &url(&peer), options);
    client.join();
    let call = client.call(c"com.call");
    assert_eq!(client.outcome(call).kind, WAMP_RESULT);
    client.close();
    client.finish();
    peer.done();
}

/// Answers a call in ten pieces with pauses between them, and no question meanwhile.
fn serve_slowly(mut stream: TcpStream) {
    let mut received = 0;
    while let Some((what, _)) = request(&mut stream) {
        let answer = match what.as_str() {
            "open" => ok(OPENED),
            "receive" if received == 0 => ok(WELCOME),
            "receive" if received > 1 => Answer::Never,
            "receive" => ok(&format!(r#"[50,1,{{}},["{}"]]"#, "x".repeat(2000))),
            "options" => Answer::Never,
            _ => nothing(),
        };
        let Answer::Bytes(bytes) = answer else {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
            return;
        };
        let is_slow = what == "receive" && received > 0;
        received += usize::from(what == "receive");
        for piece in bytes.chunks(if is_slow { 200 } else { 100_000 }) {
            if stream.write_all(piece).is_err() {
                return;
            }
            if is_slow {
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
}
