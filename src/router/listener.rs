//! The place where a router listens, and the greeting of clients there: WebSocket, RawSocket or
//! HTTP long-poll, over TCP, TLS or a Unix socket.

use std::io;
use std::net::{IpAddr, Ipv6Addr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, TryCurrentError};

use crate::os::{self, LocalListener, ReadySocket};
use crate::transport::longpoll::{Server, Times};
use crate::transport::tls::Acceptor;
use crate::transport::{Address, Endpoint, Keepalive, Protocol, Stream};

use super::auth::Origin;
use super::config::{Config, endpoint};
use super::door::Door;
use super::greeting::{Greeting, ListenerKind};
use super::rounds::{Party, Place, in_turn};
use super::visitor::{Visitor, source};
use super::{RouterError, Shared, accept, refusal};

/// A client that has gone without a word, as for want of power, says nothing, and is asked nothing
/// as long as there is nothing for it: so the operating system asks.
const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(60), timeout: Duration::from_secs(30) };

/// So many connections may wait to be accepted; the system may allow less. Beyond it, clients have
/// to try again, which they do after a second.
const BACKLOG: i32 = 4096;

/// A bound address.
#[derive(Debug)]
pub(super) struct Listener {
    /// For clients, with the port that was really bound.
    pub(super) url: String,
    /// No other listener has it.
    number: u64,
    socket: Socket,
    pub(super) greeting: Arc<Greeting>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Local(LocalListener),
}

impl Listener {
    /// Binds the address of `url`, unless there is a socket for it already. `runtime`, which needs
    /// I/O and time, watches it.
    pub(super) fn bind(
        url: &str,
        ready: Option<ReadySocket>,
        config: &Config,
        runtime: &Handle,
    ) -> Result<Listener, RouterError> {
        let endpoint = endpoint(url).map_err(RouterError::Url)?;
        let tls = acceptor(&endpoint, config)?;
        let refused = |error| refused(&endpoint, &error);
        let (url, socket, is_loopback) = match &endpoint.address {
            Address::Tcp { host, port, .. } => {
                let listener = match ready {
                    None => bind_tcp(host, *port).map_err(refused)?,
                    Some(ready) => ready.into_tcp().map_err(refused)?,
                };
                let address = listener.local_addr().map_err(refused)?;
                let listen = || {
                    listener.set_nonblocking(true)?;
                    TcpListener::from_std(listener)
                };
                let listener = adopt(runtime, listen).map_err(refused)?;
                let url = endpoint.with_port(address.port());
                (url, Socket::Tcp(listener), address.ip().to_canonical().is_loopback())
            }
            Address::Unix(path) => {
                let path = path.clone();
                let listen = move || match ready {
                    None => LocalListener::bind(&path),
                    Some(ready) => LocalListener::from_ready(ready),
                };
                let listener = adopt(runtime, listen).map_err(refused)?;
                (url.to_owned(), Socket::Local(listener), false)
            }
        };
        let kind = match &endpoint.protocol {
            Protocol::WebSocket { path } => ListenerKind::WebSocket(path.clone()),
            Protocol::RawSocket => ListenerKind::RawSocket,
            Protocol::LongPoll { path } => {
                ListenerKind::LongPoll(Server::new(path, config.max_message_size, times(config)))
            }
        };
        let greeting = Arc::new(Greeting::new(kind, Door::new(endpoint), is_loopback, tls));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Listener { url, number, socket, greeting })
    }

    /// Takes clients, for ever.
    pub(super) async fn serve(self, shared: Arc<Shared>) {
        let place = Place::new(Party::From(Origin::Listener(self.number)));
        in_turn(place.clone(), self.take_clients(shared, place)).await;
    }

    async fn take_clients(self, shared: Arc<Shared>, place: Arc<Place>) {
        /// The time to wait when the process has no file descriptor left for another client.
        const PAUSE: Duration = Duration::from_millis(50);
        /// The number of clients that are taken at a time.
        const AT_ONCE: usize = 8;
        /// The time between two lines of the log about failures, which may come and go.
        const AGAIN: Duration = Duration::from_secs(60);
        let mut told: Option<Instant> = None;
        for number in 1_usize.. {
            if number.is_multiple_of(AT_ONCE) {
                place.let_others().await;
            }
            let (stream, address) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= AGAIN) {
                        shared.note_deaf(&self.url, &error);
                        told = Some(Instant::now());
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let config = shared.config();
            let trusted = config.at(Some(&self.greeting.door)).trusted_proxies();
            let source = source(address, self.number, trusted);
            let (shared, greeting) = (shared.clone(), self.greeting.clone());
            match shared.enter(source) {
                Ok(pass) => {
                    let visitor = Visitor::new(pass, address);
                    accept::serve(shared, stream, visitor, greeting);
                }
                // Where many are turned away at once, most are without a word.
                Err(full) => {
                    let full = shared.turn_away(address, full);
                    if let Some(leave) = shared.gate.may_tell() {
                        tokio::spawn(async move {
                            refusal::tell(stream, &greeting, full).await;
                            drop(leave);
                        });
                    }
                }
            }
        }
    }
}

/// The router's side of TLS, where clients of this URL speak it.
fn acceptor(endpoint: &Endpoint, config: &Config) -> Result<Option<Acceptor>, RouterError> {
    match (endpoint.is_secure(), config.at_endpoint(Some(endpoint)).tls()) {
        (false, _) => Ok(None),
        (true, Some(tls)) => Ok(Some(tls.clone())),
        (true, None) => {
            let why =
                format!("\"tls\" is missing, which is needed to listen on {}", endpoint.url());
            Err(RouterError::Config(why))
        }
    }
}

/// The error of the operating system, at this URL.
fn refused(endpoint: &Endpoint, error: &io::Error) -> RouterError {
    let hint = hint(error.kind(), &endpoint.address);
    let (url, reason) = (endpoint.url().to_owned(), error.to_string());
    match (os::is_exhausted(error), os::is_closed(error)) {
        (true, _) => RouterError::Exhausted { url, reason },
        (_, true) => RouterError::Descriptors { url },
        _ => RouterError::Bind { url, reason, hint },
    }
}

/// The thing to look at where an address cannot be bound.
fn hint(kind: io::ErrorKind, address: &Address) -> &'static str {
    let is_unix = matches!(address, Address::Unix(_));
    match (kind, is_unix) {
        (io::ErrorKind::AddrInUse, false) => {
            "another program listens there: end it, or choose another port"
        }
        (io::ErrorKind::AddrInUse, true) => "another program listens there",
        (io::ErrorKind::PermissionDenied, false) => "ports below 1024 need a right to them",
        (io::ErrorKind::PermissionDenied, true) => "may this user write to that directory?",
        (io::ErrorKind::NotFound, true) => "is the directory there?",
        (io::ErrorKind::ReadOnlyFilesystem, true) => {
            "choose a directory that can be written to, as in /run"
        }
        (io::ErrorKind::InvalidFilename, true) => "choose a shorter one, as in /run",
        (_, true) => "can there be a socket?",
        _ if is_ipv6(address) => {
            "is IPv6 on here, and the address this machine's? Without IPv6 listen on 0.0.0.0 or \
             127.0.0.1"
        }
        _ => "is the address this machine's, and the port free?",
    }
}

fn is_ipv6(address: &Address) -> bool {
    let host = match address {
        Address::Tcp { host, .. } => host,
        Address::Unix(_) => return false,
    };
    // The network interface may follow.
    host.split('%').next().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
}

/// The times of HTTP clients.
fn times(config: &Config) -> Times {
    let (opening, body) = (config.hello_timeout, config.message_timeout);
    Times { opening, body, ..Times::default() }
}

/// Makes what `runtime` watches.
fn adopt<T: Send + 'static>(
    runtime: &Handle,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let is_ending = |error: TryCurrentError| error.is_thread_local_destroyed();
    if !Handle::try_current().is_err_and(is_ending) {
        let _context = runtime.enter();
        return make();
    }
    // This thread is in its last destructors, and has no room for the context any more.
    let (sender, made) = mpsc::channel();
    runtime.spawn(async move { drop(sender.send(make())) });
    made.recv().map_err(io::Error::other)?
}

impl Socket {
    /// A client, and its address if it has one.
    async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Messages are gathered here already; the kernel need not wait for more. A failure
                // only makes the connection slower.
                let _ = stream.set_nodelay(true);
                let stream = stream.into();
                // Without it a loss is noticed later, or never.
                let _ = KEEPALIVE.ask(&stream);
                Ok((stream, Some(address.ip())))
            }
            Socket::Local(listener) => Ok((listener.accept().await?.into(), None)),
        }
    }
}

fn bind_tcp(host: &str, port: u16) -> io::Result<StdListener> {
    let listener = StdListener::bind((host, port))?;
    // The queue that the standard library asks for is short. A failure leaves it so.
    let _ = SockRef::from(&listener).listen(BACKLOG);
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as StdStream;

    use tokio::net::TcpStream;

    use super::*;

    /// The standard library's queue takes 128, and the next one waits for a second.
    #[tokio::test]
    async fn many_may_wait_to_be_accepted() {
        let config = Config::default();
        let listener =
            Listener::bind("rs://127.0.0.1:0", None, &config, &Handle::current()).unwrap();
        let address = listener.url.trim_start_matches("rs://").trim_end_matches('/');
        let address = address.parse().unwrap();
        let patience = Duration::from_millis(900);
        let mut clients = Vec::new();
        for _ in 0..300 {
            clients.push(StdStream::connect_timeout(&address, patience).unwrap());
        }
    }

    #[tokio::test]
    async fn the_system_watches_who_was_accepted() {
        let config = Config::default();
        let listener =
            Listener::bind("rs://127.0.0.1:0", None, &config, &Handle::current()).unwrap();
        let address = listener.url.trim_start_matches("rs://").trim_end_matches('/');
        let _client = TcpStream::connect(address).await.unwrap();
        let (stream, client) = listener.socket.accept().await.unwrap();
        assert!(client.unwrap().is_loopback());
        let socket = SockRef::from(stream.tcp().unwrap());
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        let times = os::keepalive_times(stream.tcp().unwrap());
        assert!(times.is_none_or(|times| times == (KEEPALIVE.idle, KEEPALIVE.timeout / 3)));
    }
}
