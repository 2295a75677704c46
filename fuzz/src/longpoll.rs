//! HTTP long-poll: what a server answers to our client, and what a client asks of our server.
//!
//! The first byte is the serializer and who we are, the second the size of pieces. For our client
//! the rest is a list of answers, with [`BETWEEN`] between them. Each begins with the letter of the
//! request that it is for: `o`pen, `r`eceive, `s`end, `c`lose; if that is a capital, the server
//! hangs up after it. For our server the rest is what is said over a connection, with [`ID`] in the
//! place of a transport that is open.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdUnixListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use wamp::codec::Encoding;
use wamp::transport::longpoll::{Server, ServerTransport, Times};
use wamp::transport::{
    Address, ConnectError, ConnectOptions, Incoming, Jar, Serializer, Transport, TransportError,
    connect,
};

use super::wire;

const BETWEEN: &[u8] = b"\n~\n";
const ID: &[u8] = b"{id}";

/// The largest message that we take.
const LIMIT: usize = 1000;

/// How often everybody may have a turn, before who waits for our server has waited enough.
const TURNS: u32 = 20;

/// See the module's text.
pub fn run(data: &[u8]) {
    let [first, size, bytes @ ..] = data else {
        return;
    };
    let serializer = Serializer::ALL[usize::from(first % 6)];
    match first / 6 % 2 {
        0 => wire::block_on(client(serializer, bytes, *size)),
        _ => wire::block_on(server(serializer, bytes, *size)),
    }
}

async fn turns(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

// ===== our client =====

async fn client(serializer: Serializer, bytes: &[u8], size: u8) {
    let (listener, options) = listen(serializer);
    let script = Arc::new(Script::read(bytes, size));
    let mut answering = JoinSet::new();
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let script = script.clone();
            answering.spawn(async move { script.answer(stream).await });
        }
    };
    let heard = tokio::select! {
        heard = converse(&options, serializer) => heard,
        () = serve => unreachable!("it has no end"),
    };
    let Some(heard) = heard else {
        return;
    };
    // The last one may have been on its way.
    let sent = script.sent.lock().expect("a lock").clone();
    let sent = sent.into_iter().flat_map(|body| {
        let (messages, is_whole) = wire::unbatched(serializer, body);
        assert!(is_whole, "a body that we have made");
        messages.into_iter().map(|(message, _)| message)
    });
    let sent: Vec<_> = sent.collect();
    assert!(heard.starts_with(&sent), "{sent:?} of {heard:?}");
    assert!(heard.len() - sent.len() <= 1);
}

/// A server that no file names, and what connects to it.
fn listen(serializer: Serializer) -> (UnixListener, ConnectOptions) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("wamp-fuzz-{}-{number}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let listener = StdUnixListener::bind_addr(&address).expect("a listener");
    listener.set_nonblocking(true).expect("a listener");
    let mut options = wire::connect_options("http://nowhere/lp", LIMIT);
    options.endpoint.address = Address::Unix(format!("\0{name}").into());
    options.serializers = vec![serializer];
    options.cookies = Some(Arc::new(Jar::default()));
    (UnixListener::from_std(listener).expect("a listener"), options)
}

/// Sends back all that comes; `None` without a transport.
async fn converse(options: &ConnectOptions, serializer: Serializer) -> Option<Vec<Vec<u8>>> {
    let mut transport = match connect(options).await {
        Ok(transport) => transport,
        Err(ConnectError::Unreachable { reason, .. }) => {
            assert!(!reason.contains("refused"), "{reason}");
            return None;
        }
        Err(_) => return None,
    };
    assert_eq!(transport.serializer(), serializer);
    let mut heard = Vec::new();
    loop {
        match poll_fn(|cx| transport.poll_receive(cx)).await {
            Ok(Incoming::Message(message)) => {
                check(&message, serializer);
                let (batch, mut next) = (wire::batch(&message), 0);
                heard.push(message.to_vec());
                if poll_fn(|cx| transport.poll_send(cx, &batch, &mut next)).await.is_err() {
                    break;
                }
            }
            Ok(Incoming::Alive | Incoming::Pong) => {}
            Ok(Incoming::Closed { .. }) => break,
            Err(error) => {
                assert!(!matches!(error, TransportError::PeerLimit { .. }));
                break;
            }
        }
    }
    let _ = poll_fn(|cx| transport.poll_close(cx)).await;
    Some(heard)
}

fn check(message: &[u8], serializer: Serializer) {
    assert!(message.len() <= LIMIT, "{} bytes", message.len());
    let is_json = serializer.encoding == Encoding::Json;
    assert!(!is_json || std::str::from_utf8(message).is_ok(), "{message:?}");
}

/// What a server does.
struct Script {
    size: u8,
    answers: Mutex<VecDeque<Vec<u8>>>,
    /// What it was sent.
    sent: Mutex<Vec<Vec<u8>>>,
}

impl Script {
    fn read(mut bytes: &[u8], size: u8) -> Script {
        let mut answers = VecDeque::new();
        while let Some(at) = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN) {
            answers.push_back(bytes[..at].to_vec());
            bytes = &bytes[at + BETWEEN.len()..];
        }
        answers.push_back(bytes.to_vec());
        Script { size, answers: Mutex::new(answers), sent: Mutex::default() }
    }

    /// The next answer for this kind of request.
    fn next(&self, kind: u8) -> Option<Vec<u8>> {
        let mut answers = self.answers.lock().expect("a lock");
        let is_for = |answer: &Vec<u8>| {
            answer.first().is_some_and(|letter| letter.eq_ignore_ascii_case(&kind))
        };
        let at = answers.iter().position(is_for)?;
        answers.remove(at)
    }

    /// Answers the requests of a connection.
    async fn answer(&self, mut stream: UnixStream) {
        let mut bytes = Vec::new();
        loop {
            let Some((path, body)) = request(&mut stream, &mut bytes).await else {
                return;
            };
            let (_, what) = path.rsplit_once('/').expect("a path");
            let kind = *what.as_bytes().first().expect("what is wanted");
            if kind == b's' {
                self.sent.lock().expect("a lock").push(body);
            }
            let Some(answer) = self.next(kind) else {
                return;
            };
            for piece in answer[1..].chunks(usize::from(self.size) + 1) {
                if stream.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if answer[0].is_ascii_uppercase() {
                return;
            }
        }
    }
}

/// The next request of our client: its path, and its body.
async fn request(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = std::str::from_utf8(&bytes[..at]).expect("our own words");
            let path = head.strip_prefix("POST ").and_then(|rest| rest.split(' ').next());
            let path = path.filter(|path| path.starts_with("/lp/")).expect("a path").to_owned();
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            let size = fields.find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
            let size: usize = size.map_or(0, |(_, size)| size.parse().expect("a size"));
            if bytes.len() >= at + 4 + size {
                let body = bytes[at + 4..at + 4 + size].to_vec();
                bytes.drain(..at + 4 + size);
                return Some((path, body));
            }
        }
        let read = tokio::select! {
            read = stream.read_buf(bytes) => read.unwrap_or(0),
            // Who waits here may wait for the rest of an answer that has none.
            () = turns(8 * TURNS) => 0,
        };
        if read == 0 {
            return None;
        }
    }
}

// ===== our server =====

async fn server(serializer: Serializer, bytes: &[u8], size: u8) {
    let server = Server::new("/lp", LIMIT, Times::default());
    let (mut served, id) = open(&server, serializer).await;
    assert_eq!(served.serializer(), serializer);
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let bytes = wire::replaced(bytes, ID, id.as_bytes());
    let (mut ear, mut mouth) = theirs.split();
    let (mut said, mut answered) = (false, Vec::new());
    let peer = async {
        let hear = async {
            // What was not read makes the end an error.
            let _ = ear.read_to_end(&mut answered).await;
        };
        let speak = async {
            wire::say(&mut mouth, &bytes, size).await;
            turns(TURNS).await;
            said = true;
        };
        tokio::join!(hear, speak);
    };
    // Nobody who is still waiting gets anything from a transport that is dropped.
    let session = async {
        hold(&mut served, serializer, size).await;
        drop(served);
    };
    tokio::join!(server.serve(ours, drop), peer, session);
    assert!(said && (answered.is_empty() || answered.starts_with(b"HTTP/1.")));
}

/// Opens a transport, in order.
async fn open(server: &Arc<Server>, serializer: Serializer) -> (ServerTransport, String) {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let served = Mutex::new(None);
    let serve = server.serve(ours, |new| *served.lock().expect("a lock") = Some(new));
    let body = format!("{{\"protocols\":[\"no\",\"{}\"]}}", serializer.subprotocol());
    let head = "POST /lp/open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ";
    let ask = async {
        let mut answer = String::new();
        let request = format!("{head}{}\r\n\r\n{body}", body.len());
        theirs.write_all(request.as_bytes()).await.expect("a request");
        theirs.read_to_string(&mut answer).await.expect("an answer");
        let (_, id) = answer.split_once("\"transport\":\"").expect("a transport");
        id.trim_end_matches("\"}").to_owned()
    };
    let ((), id) = tokio::join!(serve, ask);
    (served.into_inner().expect("a lock").expect("a transport"), id)
}

/// Takes what comes, and sends it back if it is asked for, until nothing comes for a while.
async fn hold(served: &mut ServerTransport, serializer: Serializer, size: u8) {
    let (mut to_send, mut idle) = (VecDeque::new(), 0);
    while idle < 8 * TURNS {
        let polled = poll_fn(|cx| {
            while let Some((batch, next)) = to_send.front_mut() {
                match served.poll_send(cx, batch, next) {
                    Poll::Ready(Ok(())) => drop(to_send.pop_front()),
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Some(served.poll_receive(cx)))
        });
        match polled.await {
            Some(Poll::Pending) => {
                idle += 1;
                tokio::task::yield_now().await;
            }
            Some(Poll::Ready(Ok(Incoming::Message(message)))) => {
                check(&message, serializer);
                to_send.push_back((wire::batch(&message), 0));
                idle = 0;
            }
            Some(Poll::Ready(Ok(Incoming::Alive | Incoming::Pong))) => idle = 0,
            None | Some(Poll::Ready(Ok(Incoming::Closed { .. }) | Err(_))) => break,
        }
    }
    if size.is_multiple_of(2) {
        poll_fn(|cx| served.poll_close(cx)).await.expect("an end");
    }
}
