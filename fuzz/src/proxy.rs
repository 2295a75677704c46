//! What HTTP and SOCKS proxies answer, and the URLs that name them.

use tokio::io::{AsyncReadExt, duplex};

use wamp::transport::{Proxy, ProxyError};

use super::wire;

/// More than is ever said.
const ROOM: usize = 64 * 1024;
const PASSWORD: &str = "swordfish";

/// The first byte is the kind of proxy and what it is asked for, the second the size of pieces, and
/// the rest its answer; or, by the first byte, the rest is a URL.
pub fn run(data: &[u8]) {
    match data {
        [way, size, answer @ ..] if way & 8 == 0 => ask(*way, *size, answer),
        [_, _, url @ ..] => show(&String::from_utf8_lossy(url)),
        _ => {}
    }
}

fn ask(way: u8, size: u8, answer: &[u8]) {
    let scheme = if way & 1 == 0 { "http" } else { "socks5" };
    let login = if way & 2 == 0 { "" } else { "me:swordfish@" };
    let host = if way & 4 == 0 { "router.example" } else { "2001:db8::1" };
    let proxy = Proxy::parse(&format!("{scheme}://{login}proxy")).expect("a URL");
    let (outcome, said, rest) = wire::block_on(async {
        let (mut ours, mut theirs) = duplex(ROOM);
        let asked = proxy.ask(&mut ours, host, 8080);
        let (outcome, ()) = tokio::join!(asked, wire::say(&mut theirs, answer, size));
        let (mut said, mut rest) = (Vec::new(), Vec::new());
        // What follows is between us and the router.
        ours.read_to_end(&mut rest).await.expect("the rest");
        drop(ours);
        theirs.read_to_end(&mut said).await.expect("what we have said");
        (outcome, said, rest)
    });
    if let Err(error) = &outcome {
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    if scheme == "http" {
        http(answer, &outcome, &said, &rest);
    } else {
        socks(answer, !login.is_empty(), &outcome, &said, &rest);
    }
}

type Outcome = Result<(), ProxyError>;

fn http(answer: &[u8], outcome: &Outcome, said: &[u8], rest: &[u8]) {
    assert!(said.starts_with(b"CONNECT ") && said.ends_with(b"\r\n\r\n"));
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").map(|at| at + 4);
    let good = |head: &[u8]| {
        let digits = head.get(9..12).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        head.starts_with(b"HTTP/1.")
            && head[8] == b' '
            && matches!(head[12], b' ' | b'\r')
            && digits.is_some_and(|digits| digits[0] == b'2')
    };
    match (outcome, end) {
        (Ok(()), Some(end)) => {
            assert!(good(&answer[..end]), "no good answer");
            assert_eq!(rest, &answer[end..], "bytes of the router are missing");
        }
        (Ok(()), None) => panic!("a connection without an answer"),
        // What follows may have come too early.
        (Err(error), Some(end)) if end == answer.len() && good(answer) => panic!("{error}"),
        (Err(_), _) => {}
    }
}

fn socks(answer: &[u8], login: bool, outcome: &Outcome, said: &[u8], rest: &[u8]) {
    let expected = through_socks(answer, login);
    assert_eq!(outcome.is_ok(), expected.is_some(), "{outcome:?}");
    if let Some(expected) = expected {
        assert_eq!(rest, expected, "bytes of the router are missing");
    }
    let shown = said.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    assert_eq!(shown, login && answer.starts_with(b"\x05\x02"), "the password");
}

/// What follows the answers of a SOCKS proxy that has made the connection.
fn through_socks(answer: &[u8], login: bool) -> Option<&[u8]> {
    let ([5, method], mut answer) = answer.split_first_chunk::<2>()? else {
        return None;
    };
    match (method, login) {
        (0, _) => {}
        (2, true) => {
            let ([_, 0], rest) = answer.split_first_chunk::<2>()? else {
                return None;
            };
            answer = rest;
        }
        _ => return None,
    }
    let ([5, 0, _, kind], answer) = answer.split_first_chunk::<4>()? else {
        return None;
    };
    let (size, answer) = match kind {
        1 => (4, answer),
        3 => answer.split_first().map(|(size, answer)| (usize::from(*size), answer))?,
        4 => (16, answer),
        _ => return None,
    };
    answer.get(size + 2..)
}

/// A proxy can be named by what it shows of itself, but for the login.
fn show(url: &str) {
    let Ok(proxy) = Proxy::parse(url) else {
        return;
    };
    let shown = proxy.to_string();
    let again = Proxy::parse(&shown).unwrap_or_else(|why| panic!("{shown}: {why}"));
    assert_eq!(again.to_string(), shown);
    assert_eq!(again == proxy, !format!("{proxy:?}").ends_with(" with a login"));
}
