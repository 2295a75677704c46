//! The PROXY protocol, versions 1 and 2: a proxy begins the connection with the address of the
//! client for whom it speaks. That is believed only of proxies that are trusted, which is left to
//! the caller; no other protocol that is spoken here begins as this does.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::net::TcpStream;

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, with its end.
const V1_MOST: usize = 107;

/// The fixed part of a header of version 2.
const V2_HEAD: usize = 16;

/// The time until the next look for the rest of a header, which doubles up to this: proxies send
/// theirs at once, and the others shall not keep us busy.
const REST: Duration = Duration::from_millis(2);
const LONGEST_REST: Duration = Duration::from_millis(256);

/// A header, or the lack of one.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// More has to come to tell.
    Unfinished,
    Nothing,
    /// A header of this size, which tells of this client.
    Header(usize, Option<IpAddr>),
    Broken,
}

/// Takes the header that begins the connection, if one does; returns the client that it tells of.
pub(super) async fn read(stream: &TcpStream) -> io::Result<Option<IpAddr>> {
    let mut begin = [0; 1024];
    let mut rest = REST;
    loop {
        let size = stream.peek(&mut begin).await?;
        match parse(&begin[..size]) {
            Found::Nothing => return Ok(None),
            Found::Broken => return Err(io::ErrorKind::InvalidData.into()),
            Found::Header(size, client) => {
                take(stream, &mut begin[..size]).await?;
                return Ok(client);
            }
            Found::Unfinished if size == 0 || size == begin.len() => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            // Nobody tells when there is more than was looked at.
            Found::Unfinished => {
                tokio::time::sleep(rest).await;
                rest = LONGEST_REST.min(2 * rest);
            }
        }
    }
}

async fn take(stream: &TcpStream, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.readable().await?;
        match stream.try_read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(size) => bytes = &mut bytes[size..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Found {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
    match (begins(V1), begins(V2)) {
        (true, _) if bytes.len() >= V1.len() => parse_v1(bytes),
        (_, true) if bytes.len() >= V2.len() => parse_v2(bytes),
        (false, false) => Found::Nothing,
        _ => Found::Unfinished,
    }
}

fn parse_v1(bytes: &[u8]) -> Found {
    let Some(end) = bytes.windows(2).position(|end| end == b"\r\n") else {
        return if bytes.len() < V1_MOST { Found::Unfinished } else { Found::Broken };
    };
    let line = std::str::from_utf8(&bytes[V1.len()..end]).unwrap_or_default();
    let mut words = line.split(' ');
    let client = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => match words.next().map(str::parse) {
            Some(Ok(address)) => Some(address),
            _ => return Found::Broken,
        },
        _ => return Found::Broken,
    };
    Found::Header(end + 2, client)
}

fn parse_v2(bytes: &[u8]) -> Found {
    let Some(&[command, family, high, low]) = bytes.get(V2.len()..V2_HEAD) else {
        return Found::Unfinished;
    };
    let end = V2_HEAD + usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 || command & 0x0f > 1 {
        return Found::Broken;
    }
    let Some(addresses) = bytes.get(V2_HEAD..end) else {
        return Found::Unfinished;
    };
    let client = match (command & 0x0f, family >> 4) {
        // The proxy speaks for itself.
        (0, _) => None,
        (_, 1) => match addresses.first_chunk::<4>() {
            Some(address) if addresses.len() >= 12 => Some(Ipv4Addr::from(*address).into()),
            _ => return Found::Broken,
        },
        (_, 2) => match addresses.first_chunk::<16>() {
            Some(address) if addresses.len() >= 36 => Some(Ipv6Addr::from(*address).into()),
            _ => return Found::Broken,
        },
        _ => None,
    };
    Found::Header(end, client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let size = (addresses.len() as u16).to_be_bytes();
        [V2, &[0x20 | command, family << 4 | 1], &size, addresses].concat()
    }

    #[test]
    fn headers_tell_of_clients() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 3, 4];
        let v6 = [[0x20; 16], [1; 16]].concat();
        let v6 = [&v6[..], &[1, 2, 3, 4, 5, 6]].concat();
        let line = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec();
        let long = b"PROXY TCP6 2020:2020:2020:2020:2020:2020:2020:2020 ::1 4711 80\r\n".to_vec();
        for (header, client) in [
            (line, Some("192.0.2.1")),
            (long, Some("2020:2020:2020:2020:2020:2020:2020:2020")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(1, 1, &v4), Some("192.0.2.1")),
            (v2(1, 2, &v6), Some("2020:2020:2020:2020:2020:2020:2020:2020")),
            (v2(0, 1, &v4), None),
            (v2(1, 3, &[0; 216]), None),
        ] {
            let size = header.len();
            let client = client.map(|client| client.parse().unwrap());
            let behind = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&behind), Found::Header(size, client));
            for end in 1..size {
                assert_eq!(parse(&header[..end]), Found::Unfinished, "{end} of {header:?}");
            }
        }
    }

    #[test]
    fn other_protocols_have_none() {
        for other in [&b"GET / HTTP/1.1\r\n"[..], b"POST", b"PUT", b"\x7f\xf1\0\0", b"\x16\x03\x01"]
        {
            assert_eq!(parse(other), Found::Nothing);
        }
        let endless = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 100]].concat();
        for broken in [
            b"PROXY TCP4 somebody\r\n".to_vec(),
            b"PROXY HTTP 1.2.3.4\r\n".to_vec(),
            endless,
            v2(2, 1, &[0; 12]),
            v2(1, 1, &[0; 11]),
            v2(1, 2, &[0; 12]),
        ] {
            assert_eq!(parse(&broken), Found::Broken, "{broken:?}");
        }
    }
}
