//! A router that does what its script says: a thread with one TCP connection, and just enough
//! WebSocket to send frames that no library would.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use serde_json::Value;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// How long anything may take that should take no time.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A frame that ends a text message.
pub const TEXT: u8 = 0x81;
/// A frame that ends a binary message.
pub const BINARY: u8 = 0x82;
/// The bit in it that says that the message is compressed.
pub const COMPRESSED: u8 = 0x40;
/// A closing frame.
pub const CLOSE: u8 = 0x88;
/// A ping.
pub const PING: u8 = 0x89;
/// A pong.
pub const PONG: u8 = 0x8a;

/// A WELCOME as it should be.
pub const WELCOME: &str = r#"[2,9129137332,{"roles":{"broker":{},"dealer":{}}}]"#;

/// A scripted router and, in the end, what its script returned.
#[must_use = "call done()"]
pub struct Peer<T> {
    /// Where it listens.
    pub url: String,
    result: Receiver<T>,
}

impl<T: Send + 'static> Peer<T> {
    /// The script gets the connection as it is.
    pub fn raw(script: impl FnOnce(TcpStream) -> T + Send + 'static) -> Peer<T> {
        Peer::listening(|listener| {
            let stream = accept(&listener);
            drop(listener);
            script(stream)
        })
    }

    /// The script gets the listener, for as many connections as it likes.
    pub fn listening(script: impl FnOnce(TcpListener) -> T + Send + 'static) -> Peer<T> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, result) = channel();
        thread::spawn(move || {
            let _ = sender.send(script(listener));
        });
        let url = format!("ws://{address}/ws");
        Peer { url, result }
    }

    /// The script begins when HELLO has come.
    pub fn greeted(script: impl FnOnce(&mut Wire) -> T + Send + 'static) -> Peer<T> {
        Peer::raw(move |stream| script(&mut Wire::greet(stream)))
    }

    /// The script begins when WELCOME has been sent.
    pub fn joined(script: impl FnOnce(&mut Wire) -> T + Send + 'static) -> Peer<T> {
        Peer::greeted(|wire| {
            wire.text(WELCOME);
            script(wire)
        })
    }

    /// Waits for the end of the script.
    pub fn done(self) -> T {
        match self.result.recv_timeout(LIMIT) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => panic!("the peer's script does not end"),
            Err(RecvTimeoutError::Disconnected) => panic!("the peer's script failed"),
        }
    }
}

/// What a compressed message has in its frame.
pub fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 100);
    let mut deflate = Compress::new(Compression::best(), false);
    deflate.compress_vec(bytes, &mut out, FlushCompress::Sync).expect("compressed");
    out.truncate(out.len() - 4);
    out.shrink_to_fit();
    out
}

/// The next connection.
pub fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    stream.set_write_timeout(Some(LIMIT)).expect("a time limit");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// What a router does from some point on.
pub type Script = fn(&mut Wire);

/// A frame from the client.
#[derive(Debug)]
pub struct Frame {
    /// FIN and opcode.
    pub head: u8,
    /// Without its mask.
    pub payload: Vec<u8>,
}

/// The router's end of a WebSocket connection.
pub struct Wire {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Wire {
    /// Answers the upgrade as it should be.
    pub fn upgrade(mut stream: TcpStream) -> Wire {
        let answer = accepted(&request(&mut stream));
        stream.write_all(answer.as_bytes()).expect("written");
        Wire::over(stream)
    }

    /// Answers the upgrade with this serializer, and takes part in compression.
    pub fn deflating(mut stream: TcpStream, serializer: &str) -> Wire {
        let request = request(&mut stream);
        assert!(request.to_lowercase().contains("sec-websocket-extensions: permessage-deflate"));
        let headers = format!(
            "Sec-WebSocket-Protocol: wamp.2.{serializer}\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n"
        );
        let mut wire = Wire::over(stream);
        wire.raw(answer(&accept_key(&request), &headers).as_bytes());
        wire
    }

    /// Answers the upgrade and takes the HELLO.
    pub fn greet(stream: TcpStream) -> Wire {
        let mut wire = Wire::upgrade(stream);
        let hello = wire.message().expect("a HELLO");
        assert_eq!((&hello[0], &hello[1]), (&1.into(), &"realm1".into()));
        wire
    }

    /// Answers everything as it should be until the session is open.
    pub fn welcome(stream: TcpStream) -> Wire {
        let mut wire = Wire::greet(stream);
        wire.text(WELCOME);
        wire
    }

    /// After an upgrade that the script has answered itself.
    pub fn over(stream: TcpStream) -> Wire {
        let reader = BufReader::new(stream.try_clone().expect("a clone"));
        Wire { stream, reader }
    }

    /// Sends bytes as they are. That the client may be gone already is part of the game.
    pub fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes as they are; false if the client is gone, or does not read.
    pub fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// From now on a client that reads nothing for a while counts as one that does not read.
    pub fn impatient(&mut self) {
        let soon = Some(Duration::from_millis(500));
        self.stream.set_write_timeout(soon).expect("a time limit");
    }

    /// Sends a frame.
    pub fn frame(&mut self, head: u8, payload: &[u8]) {
        self.raw(&frame(head, payload));
    }

    /// Sends a message.
    pub fn text(&mut self, message: &str) {
        self.frame(TEXT, message.as_bytes());
    }

    /// The next frame; `None` when the client is gone.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.fill(&mut head)?;
        let size = match head[1] & 0x7f {
            126 => {
                let mut size = [0; 2];
                self.fill(&mut size)?;
                usize::from(u16::from_be_bytes(size))
            }
            127 => {
                let mut size = [0; 8];
                self.fill(&mut size)?;
                usize::try_from(u64::from_be_bytes(size)).expect("a size")
            }
            size => usize::from(size),
        };
        assert!(head[1] & 0x80 != 0, "a client masks its frames");
        let mut mask = [0; 4];
        self.fill(&mut mask)?;
        let mut payload = vec![0; size];
        self.fill(&mut payload)?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        let head = head[0];
        Some(Frame { head, payload })
    }

    /// The next message, past other frames; `None` when the client closes or is gone.
    pub fn message(&mut self) -> Option<Value> {
        loop {
            let frame = self.read()?;
            match frame.head {
                TEXT => return Some(parse(&frame.payload)),
                CLOSE => return None,
                _ => {}
            }
        }
    }

    /// Reads until the client is gone, answers its GOODBYE and its closing frame, and returns all
    /// messages.
    pub fn polite(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(frame) = self.read() {
            match frame.head {
                TEXT => {
                    let message = parse(&frame.payload);
                    if message[0] == 6 {
                        self.text(r#"[6,{},"wamp.close.goodbye_and_out"]"#);
                    }
                    messages.push(message);
                }
                CLOSE => self.frame(CLOSE, &frame.payload),
                _ => {}
            }
        }
        messages
    }

    /// Ends our side of the TCP connection in order.
    pub fn end(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The end of the script cuts the TCP connection: the client sees a reset.
    pub fn reset(&mut self) {
        reset(&self.stream);
    }

    /// Has the system hold little of what was not taken yet.
    pub fn narrow(&mut self, bytes: usize) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_recv_buffer_size(bytes).expect("a smaller buffer");
    }

    /// Takes up to `size` bytes of whatever comes; returns how many, and 0 when the client is gone.
    pub fn take(&mut self, size: usize) -> usize {
        let mut bytes = vec![0; size];
        self.reader.read(&mut bytes).unwrap_or(0)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.reader.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("the client says nothing and does not go")
            }
            Err(_) => None,
        }
    }
}

/// Makes the end of the connection, which follows when its last holder lets go, a reset.
pub fn reset(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the fd is open, and the option's value is the struct that SO_LINGER wants.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
}

/// Takes what comes first, says this, and hangs up.
pub fn say(mut stream: TcpStream, bytes: &[u8]) {
    hear(&mut stream);
    stream.write_all(bytes).expect("written");
}

/// Takes what comes first.
pub fn hear(stream: &mut TcpStream) {
    let mut first = [0; 4096];
    let size = stream.read(&mut first).expect("the client speaks first");
    assert!(size > 0, "the client speaks first");
}

/// A server's frame.
pub fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head];
    match payload.len() {
        size @ 0..126 => bytes.push(size as u8),
        size @ 126..0x1_0000 => {
            bytes.push(126);
            bytes.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            bytes.push(127);
            bytes.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads the head of the client's upgrade request.
pub fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a request");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a request in ASCII")
}

/// The right answer to an upgrade request.
pub fn accepted(request: &str) -> String {
    answer(&accept_key(request), "Sec-WebSocket-Protocol: wamp.2.json\r\n")
}

/// An upgrade with this key, and these further headers.
pub fn answer(key: &str, headers: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n{headers}\r\n"
    )
}

/// The key that accepts a request.
pub fn accept_key(request: &str) -> String {
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    derive_accept_key(key.expect("a key").1.as_bytes())
}

fn parse(message: &[u8]) -> Value {
    serde_json::from_slice(message).expect("the client sends JSON")
}
