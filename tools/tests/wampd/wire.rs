//! The other side of the wire: WAMP on RawSocket, and bare HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::daemon::LIMIT;

/// A client that speaks WAMP in JSON on RawSocket.
pub struct Client(Box<dyn Stream>);

pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Client {
    /// Joins a realm at `rs://host:port` or `rs+unix://path`; the answer to HELLO otherwise.
    pub fn join(url: &str, realm: &str) -> Result<Client, String> {
        let mut client = Client::connect(url);
        client.send(&format!(
            r#"[1,"{realm}",{{"roles":{{"publisher":{{}},"subscriber":{{}},"caller":{{}},"callee":{{}}}}}}]"#
        ));
        let answer = client.receive().ok_or("it closed the connection")?;
        if answer.starts_with("[2,") { Ok(client) } else { Err(answer) }
    }

    /// Joins a realm with a ticket; the last answer otherwise.
    pub fn log_in(url: &str, realm: &str, authid: &str, ticket: &str) -> Result<Client, String> {
        let mut client = Client::connect(url);
        client.send(&format!(
            r#"[1,"{realm}",{{"roles":{{"caller":{{}}}},"authmethods":["ticket"],"authid":"{authid}"}}]"#
        ));
        let answer = client.receive().ok_or("it closed the connection")?;
        if !answer.starts_with("[4,") {
            return Err(answer);
        }
        client.send(&format!(r#"[5,"{ticket}",{{}}]"#));
        let answer = client.receive().ok_or("it closed the connection")?;
        if answer.starts_with("[2,") { Ok(client) } else { Err(answer) }
    }

    fn connect(url: &str) -> Client {
        let mut stream: Box<dyn Stream> = match url.strip_prefix("rs+unix://") {
            Some(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                Box::new(stream)
            }
            None => Box::new(connect(url)),
        };
        stream.write_all(&[0x7f, 0xf1, 0, 0]).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[0], 0x7f);
        Client(stream)
    }

    /// Sends a message.
    pub fn send(&mut self, message: &str) {
        self.0.write_all(&(message.len() as u32).to_be_bytes()).unwrap();
        self.0.write_all(message.as_bytes()).unwrap();
    }

    /// The next message; `None` where the router has closed the connection.
    pub fn receive(&mut self) -> Option<String> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).ok()?;
        let mut message = vec![0; u32::from_be_bytes(head) as usize];
        self.0.read_exact(&mut message).ok()?;
        Some(String::from_utf8(message).unwrap())
    }
}

/// A connection to the host and port of a URL.
pub fn connect(url: &str) -> TcpStream {
    let address = url.split_once("://").unwrap().1.split('/').next().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// The answer to an HTTP request: its head, and its body.
pub fn ask(url: &str, request: &str) -> (String, Vec<u8>) {
    let mut stream = connect(url);
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap(), body)
}

/// The answer to GET on a connection that is closed then.
pub fn fetch(url: &str, path: &str, headers: &str) -> (String, String) {
    let host = url.split_once("://").unwrap().1.split('/').next().unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    let (head, body) = ask(url, &request);
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// The status line that answers a WebSocket handshake.
pub fn upgrade(url: &str, headers: &str) -> String {
    let (host, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
    let mut stream = connect(url);
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: wamp.2.json\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n") && stream.read(&mut byte).is_ok_and(|size| size > 0) {
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap().trim_end().to_owned()
}

/// Tries something until it holds, which takes less than this.
pub fn until(limit: Duration, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + limit;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it did not come true");
        std::thread::yield_now();
    }
}
