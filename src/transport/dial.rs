//! Opens connections, in clear.
//!
//! To hosts with several addresses by "happy eyeballs" (RFC 8305): when an address does not answer,
//! the next is tried beside it and not after it, so that a broken route, often that of IPv6, costs
//! a moment and not the whole time limit.
//!
//! Names are looked up by the system, which blocks a thread for it: a few at a time, so that ten
//! thousand connections that are lost together do not take ten thousand threads.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::os::{self, lock};

use super::Stream;
use super::socket::Socket;

/// The time that an address has for itself, before the next one is tried too.
const STAGGER: Duration = Duration::from_millis(250);

/// Lookups at the same time, in all the process, and of one name: that nobody answers for one is no
/// reason to wait with another.
const LOOKUPS: usize = 64;
const LOOKUPS_OF_A_NAME: usize = 4;

/// Connects to the first address of the host that answers.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<Socket> {
    let stream = race(interleave(look_up(host, port).await?)).await?;
    // Messages are gathered before they are written: the kernel need not wait for more. Where it
    // cannot be told so, as in some sandboxes, messages take longer and arrive all the same.
    let _ = stream.set_nodelay(true);
    Ok(stream.into())
}

/// Connects to a Unix socket.
pub(super) async fn unix(path: &Path) -> io::Result<Stream> {
    os::connect_local(path).await.map(Stream::from)
}

async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LOOKUPS)));
    static NAMES: Mutex<BTreeMap<String, Arc<Semaphore>>> = Mutex::new(BTreeMap::new());
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let name = {
        let mut names = lock(&NAMES);
        // Whoever waits for a place, or has one, holds it.
        names.retain(|_, name| Arc::strong_count(name) > 1);
        let free = || Arc::new(Semaphore::new(LOOKUPS_OF_A_NAME));
        names.entry(host.to_ascii_lowercase()).or_insert_with(free).clone()
    };
    let own = name.acquire_owned().await.map_err(io::Error::other)?;
    let place = FREE.clone().acquire_owned().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    // It goes on when nobody waits for it any more, and keeps its place until it ends.
    let lookup = spawn_blocking(move || {
        let _places = (own, place);
        (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
    });
    lookup.await.map_err(io::Error::other)?
}

async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut untried = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = untried.next() {
            attempts.push(async move { (address, connect(address).await) });
        } else if attempts.is_empty() {
            return Err(all_failed(failures));
        }
        tokio::select! {
            biased;
            Some((address, outcome)) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((address, of_family(error, address))),
            },
            () = sleep(STAGGER), if untried.len() > 0 => {}
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    not_ourselves(os::raised(socket).connect(address).await?, address)
}

/// Tells of IPv6 where that may be off: the system says no more than that it cannot.
fn of_family(error: io::Error, address: SocketAddr) -> io::Error {
    let is_answer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut
    );
    if address.is_ipv4() || is_answer || os::is_exhausted(&error) || os::is_closed(&error) {
        return error;
    }
    io::Error::new(error.kind(), format!("{error}, perhaps because IPv6 is off here"))
}

/// Refuses a connection to ourselves. Where nobody listens at a port of this machine that the
/// system also gives to clients, it may give us that very port.
fn not_ourselves(stream: TcpStream, peer: SocketAddr) -> io::Result<TcpStream> {
    if stream.local_addr()? == peer {
        // Otherwise the port would be taken for a minute, when the router wants to have it.
        stream.set_zero_linger()?;
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// The system's order, which knows what is reachable, with the families in turn.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut other = other.into_iter();
    let mut mixed = Vec::new();
    for address in one {
        mixed.push(address);
        mixed.extend(other.next());
    }
    mixed.extend(other);
    mixed
}

fn all_failed(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match failures.len() {
        0 => io::Error::new(io::ErrorKind::NotFound, "the host has no address"),
        1 => failures.remove(0).1,
        _ => {
            let kind = failures[0].1.kind();
            let texts: Vec<_> =
                failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            io::Error::new(kind, texts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::time::Instant;

    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpSocket;

    use super::*;

    /// A loopback address whose connections are never made: its queue is full.
    struct BlackHole {
        address: SocketAddr,
        _listener: Socket,
        _queued: Vec<Socket>,
    }

    impl BlackHole {
        fn new() -> BlackHole {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
            listener.bind(&any.into()).unwrap();
            listener.listen(0).unwrap();
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            let mut queued = Vec::new();
            loop {
                let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                let connected = filler.connect_timeout(&address.into(), Duration::from_millis(200));
                queued.push(filler);
                match connected {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                    Err(error) => panic!("{error}"),
                }
            }
            BlackHole { address, _listener: listener, _queued: queued }
        }
    }

    fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    #[tokio::test]
    async fn a_black_hole_costs_a_moment() {
        let hole = BlackHole::new();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = good.local_addr().unwrap();
        let begin = Instant::now();
        let stream = race(vec![hole.address, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        // The second SYN into the hole would be sent after a second.
        assert!(begin.elapsed() >= STAGGER && begin.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_refusal_costs_nothing() {
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = good.local_addr().unwrap();
        let begin = Instant::now();
        let refusals = std::iter::repeat_with(refusing).take(20);
        let stream = race(refusals.chain([address]).collect()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(begin.elapsed() < 20 * STAGGER, "{:?}", begin.elapsed());
        let (_peer, from) = good.accept().unwrap();
        assert_eq!(from, stream.local_addr().unwrap());
    }

    #[tokio::test]
    async fn every_failure_is_told() {
        let (one, other) = (refusing(), refusing());
        let error = race(vec![one]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.raw_os_error().is_some(), "as the system has it");
        let error = race(vec![one, other]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(text.contains(&one.to_string()) && text.contains(&other.to_string()), "{text}");
        assert_eq!(race(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_machine_without_ipv6_is_told_of() {
        let failed = |kind: io::ErrorKind, address: &str| {
            of_family(kind.into(), address.parse().unwrap()).to_string().contains("IPv6 is off")
        };
        assert!(failed(io::ErrorKind::AddrNotAvailable, "[::1]:1"));
        assert!(failed(io::ErrorKind::NetworkUnreachable, "[2001:db8::1]:1"));
        assert!(!failed(io::ErrorKind::NetworkUnreachable, "192.0.2.1:1"));
        assert!(!failed(io::ErrorKind::ConnectionRefused, "[::1]:1"));
    }

    #[tokio::test]
    async fn who_reaches_itself_has_reached_nobody() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let refused = not_ourselves(stream, address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // The port is free for the router.
        TcpListener::bind(address).unwrap();
    }

    #[tokio::test]
    async fn many_names_wait_their_turn() {
        let lookups: FuturesUnordered<_> =
            (0..5 * LOOKUPS).map(|_| look_up("localhost", 1)).collect();
        let found: Vec<_> = lookups.collect().await;
        assert!(found.len() == 5 * LOOKUPS && found.iter().all(Result::is_ok), "{found:?}");
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = good.local_addr().unwrap().port();
        let stream = tcp("localhost", port).await.unwrap();
        assert!(stream.tcp().unwrap().nodelay().unwrap());
        drop::<StdStream>(good.accept().unwrap().0);
    }

    #[test]
    fn families_take_turns() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|address| address.parse().unwrap()).collect()
        };
        let system = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let mixed = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"];
        assert_eq!(interleave(addresses(&system)), addresses(&mixed));
        let system = ["1.1.1.1:1", "[::1]:1", "[::2]:1"];
        assert_eq!(interleave(addresses(&system)), addresses(&system));
    }
}
