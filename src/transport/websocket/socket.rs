//! Messages over frames: an open WebSocket, of either side.
//!
//! ```text
//!   stream -> buffer -> head -+-> one whole message: a slice of the receive buffer
//!                            +-> a part: collected, decompressed, until the last one
//!                            +-> ping: a pong is put out;  close: it is answered
//!   message -> (compressed) -> head, mask -> out -> stream
//! ```
//!
//! It knows nothing of WAMP. Whole frames gather in `out`, so that whatever is put there may follow
//! at any time, and everything is written by few system calls.

use std::cell::Cell;
use std::io;
use std::mem;
use std::pin::Pin;
use std::str::from_utf8;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::codec::is_utf8;
use crate::transport::Stream;
use crate::transport::recv_buffer::RecvBuffer;

use super::Broken;
use super::deflate::{self, Deflate};
use super::frame::{self, Head, MAX_CONTROL, MAX_HEAD, Opcode};
use super::keys::Keys;

/// The bytes that gather before they are written.
const GATHERED: usize = 64 * 1024;

/// The bytes of pongs that may wait before no more is read: a peer that pings and does not read
/// must not fill our memory. What else waits stops nothing, or two peers that send much at once
/// would wait for each other.
const PONG_BYTES: usize = 1024 * 1024;

thread_local! {
    /// Room for frames, for the next connection that writes on this thread: an idle one keeps none.
    static SPARE: Cell<Vec<u8>> = Cell::default();
}

/// An open WebSocket connection.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    buffer: RecvBuffer,
    max_message_size: usize,
    /// The message of which a part has come.
    partial: Option<Partial>,
    /// Frames to be written; the first `written` bytes of them are.
    out: Vec<u8>,
    written: usize,
    /// The bytes of pongs that were put out since all was written.
    pongs: usize,
    /// Something was written that TLS may still hold.
    unflushed: bool,
    /// The keys that a client masks its frames with; a server does not.
    keys: Option<Keys>,
    deflate: Option<Box<Deflate>>,
    /// The code of our closing frame.
    close_code: u16,
    close_sent: bool,
    ended: bool,
}

#[derive(Debug)]
struct Partial {
    is_text: bool,
    compressed: bool,
    bytes: Vec<u8>,
    /// The number of the bytes that are known to be UTF-8.
    checked: usize,
}

/// A message, or another thing that came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A whole message.
    Message {
        /// A text message, and then it is UTF-8; otherwise a binary one.
        is_text: bool,
        /// Its bytes.
        payload: Bytes,
    },
    /// A ping, or a part of a message.
    Alive,
    /// A pong.
    Pong,
    /// The peer closes, in order, or by the end of its stream.
    Close {
        /// Its close code.
        code: Option<u16>,
        /// Its words.
        reason: String,
    },
}

impl Socket {
    /// After the handshake; `buffer` has what was read behind it.
    pub(super) fn new(
        stream: Stream,
        mut buffer: RecvBuffer,
        max_message_size: usize,
        keys: Option<Keys>,
        deflate: Option<Deflate>,
    ) -> Socket {
        if keys.is_none() {
            // The side of the server, which has others to serve.
            buffer.read_in_turns();
        }
        Socket {
            stream,
            buffer,
            max_message_size,
            partial: None,
            out: Vec::new(),
            written: 0,
            pongs: 0,
            unflushed: false,
            keys,
            deflate: deflate.map(Box::new),
            close_code: 1000,
            close_sent: false,
            ended: false,
        }
    }

    /// Changes how large a message may be that comes in.
    pub(super) fn limit(&mut self, max_message_size: usize) {
        self.max_message_size = max_message_size;
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// True where messages may be compressed.
    pub fn is_compressing(&self) -> bool {
        self.deflate.is_some()
    }

    /// The number of bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// See [`Transport::partial`](crate::transport::Transport::partial).
    pub(super) fn partial(&self) -> usize {
        let collected = self.partial.as_ref().map_or(0, |partial| partial.bytes.len() + 1);
        collected + self.buffer.bytes().len()
    }

    /// See [`Transport::held`](crate::transport::Transport::held).
    pub(super) fn held(&self) -> usize {
        let collected = self.partial.as_ref().map_or(0, |partial| partial.bytes.capacity());
        collected + self.buffer.held() + self.pongs
    }

    // ===== receiving =====

    /// The next thing that comes in. After an error or a close nothing does; after an error there
    /// may still be something to say, and then [`Socket::poll_close`] tells the peer the error's
    /// code.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Broken>> {
        if self.ended {
            let end = io::Error::new(io::ErrorKind::NotConnected, "it has ended");
            return Poll::Ready(Err(Broken::Lost(end)));
        }
        let Poll::Ready(received) = self.poll_frame(cx) else {
            // Nobody else knows of the pongs.
            if self.waiting() > 0
                && let Poll::Ready(Err(broken)) = self.poll_flush(cx)
            {
                self.ended = true;
                return Poll::Ready(Err(broken));
            }
            return Poll::Pending;
        };
        match &received {
            Ok(Received::Close { code, .. }) => {
                self.ended = true;
                self.put_close(*code);
                // As far as it goes without waiting: the peer may be gone.
                let _ = self.poll_flush(cx);
            }
            Err(broken) => {
                self.ended = true;
                self.close_code = broken.code();
            }
            Ok(_) => {}
        }
        Poll::Ready(received)
    }

    /// Takes nothing more: what came last is too large for who reads here.
    pub(super) fn refuse(&mut self, why: String) -> Broken {
        let broken = Broken::TooLarge(why);
        self.ended = true;
        self.close_code = broken.code();
        broken
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Broken>> {
        loop {
            let head = match frame::parse(self.buffer.bytes()) {
                Ok(head) => head,
                // Whatever is wrong with it: the peer is going.
                Err(broken) if frame::is_close(self.buffer.bytes()) => {
                    return Poll::Ready(Ok(self.closed_badly(&broken)));
                }
                Err(broken) => return Poll::Ready(Err(broken)),
            };
            if let Some(head) = head {
                match self.check(&head) {
                    Err(broken) if head.opcode == Opcode::Close => {
                        return Poll::Ready(Ok(self.closed_badly(&broken)));
                    }
                    checked => checked?,
                }
                if let Some(received) = self.take(&head)? {
                    return Poll::Ready(Ok(received));
                }
            }
            if self.pongs > PONG_BYTES && self.poll_flush(cx)?.is_pending() {
                return Poll::Pending;
            }
            // What is checked is below the limit.
            let frame = head.map_or(0, |head| head.len + head.size as usize);
            match ready!(self.buffer.poll_fill(cx, &mut self.stream, frame)) {
                Ok(0) => {
                    return Poll::Ready(Err(Broken::Lost(io::ErrorKind::UnexpectedEof.into())));
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Broken::Lost(error))),
            }
        }
    }

    /// Checks what the head alone tells.
    fn check(&self, head: &Head) -> Result<(), Broken> {
        match (&self.keys, head.mask) {
            (Some(_), Some(_)) => return Err(Broken::Protocol("a masked frame from a server")),
            (None, None) => return Err(Broken::Protocol("a frame from a client without mask")),
            _ => {}
        }
        if head.opcode.is_control() {
            return Ok(());
        }
        let (before, compressed) = match (&self.partial, head.opcode) {
            (None, Opcode::Continuation) => {
                return Err(Broken::Protocol("a frame that continues nothing"));
            }
            (Some(_), Opcode::Continuation) if head.compressed => {
                return Err(Broken::Protocol("a frame with reserved bits set"));
            }
            (Some(partial), Opcode::Continuation) => (partial.bytes.len(), partial.compressed),
            (Some(_), _) => return Err(Broken::Protocol("a message that begins within another")),
            (None, _) => (0, head.compressed),
        };
        if compressed && self.deflate.is_none() {
            return Err(Broken::Protocol("a frame with reserved bits set"));
        }
        // What is compressed is measured when it no longer is, and may be somewhat larger before.
        let limit = self.max_message_size;
        let (size, most) = match compressed {
            true => (head.size, deflate::bound(limit)),
            false => (head.size.saturating_add(before as u64), limit),
        };
        if size > most as u64 {
            return Err(Broken::TooLarge(format!("it has {size} bytes, the limit is {limit}")));
        }
        Ok(())
    }

    /// Takes a frame out of the receive buffer, if it is there as a whole.
    #[inline]
    fn take(&mut self, head: &Head) -> Result<Option<Received>, Broken> {
        let Some(mut payload) = self.buffer.take(head.len, head.size as usize) else {
            return Ok(None);
        };
        if let Some(mask) = head.mask {
            frame::apply(&mut payload, mask);
        }
        let is_text = head.opcode == Opcode::Text;
        let received = match head.opcode {
            Opcode::Text | Opcode::Binary if head.fin && !head.compressed => {
                if is_text && !is_utf8(&payload) {
                    return Err(Broken::Text);
                }
                Received::Message { is_text, payload: payload.freeze() }
            }
            Opcode::Text | Opcode::Binary => {
                let (bytes, compressed) = (Vec::new(), head.compressed);
                self.partial = Some(Partial { is_text, compressed, bytes, checked: 0 });
                self.collect(&payload, head.fin)?
            }
            Opcode::Continuation => self.collect(&payload, head.fin)?,
            Opcode::Ping => {
                self.put(Opcode::Pong, false, &payload);
                self.pongs += payload.len() + MAX_HEAD;
                Received::Alive
            }
            Opcode::Pong => Received::Pong,
            Opcode::Close => self.closed(&payload),
        };
        Ok(Some(received))
    }

    /// Takes the next part of a message.
    fn collect(&mut self, payload: &[u8], fin: bool) -> Result<Received, Broken> {
        let Some(mut partial) = self.partial.take() else {
            return Ok(Received::Alive);
        };
        match &mut self.deflate {
            Some(deflate) if partial.compressed => {
                deflate.decompress(payload, fin, &mut partial.bytes, self.max_message_size)?;
            }
            _ => partial.bytes.extend_from_slice(payload),
        }
        if partial.is_text {
            partial.check(fin)?;
        }
        if fin {
            let Partial { is_text, bytes, .. } = partial;
            return Ok(Received::Message { is_text, payload: Bytes::from(bytes) });
        }
        self.partial = Some(partial);
        Ok(Received::Alive)
    }

    /// A closing frame. One that is not quite right closes as well: the peer is going, and that is
    /// what matters. The rules are kept by the code that answers it.
    fn closed(&mut self, payload: &[u8]) -> Received {
        let (code, reason) = match payload {
            [] => return Received::Close { code: None, reason: String::new() },
            [_] => return self.closed_badly(&Broken::Protocol("a closing frame of one byte")),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let Ok(reason) = from_utf8(reason) else {
            return self.closed_badly(&Broken::Text);
        };
        if matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Received::Close { code: Some(code), reason: reason.to_owned() };
        }
        // A code that must not be sent: it closes all the same, and is told.
        self.put_close(Some(1002));
        Received::Close { code: None, reason: reason.to_owned() }
    }

    fn closed_badly(&mut self, broken: &Broken) -> Received {
        self.put_close(Some(broken.code()));
        Received::Close { code: None, reason: String::new() }
    }

    // ===== sending =====

    /// Ready when there is room for a message; writes what has gathered if there is none.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.waiting() < GATHERED {
            return Poll::Ready(Ok(()));
        }
        self.poll_write(cx)
    }

    /// Puts a message out, to be flushed.
    pub fn send(&mut self, is_text: bool, payload: &[u8]) {
        let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
        let Some(mut deflate) = self.deflate.take() else {
            return self.put(opcode, false, payload);
        };
        match deflate.compress(payload) {
            Some(compressed) => self.put(opcode, true, compressed),
            None => self.put(opcode, false, payload),
        }
        self.deflate = Some(deflate);
    }

    /// Puts a ping out, to be flushed.
    pub fn ping(&mut self, payload: &[u8]) {
        self.put(Opcode::Ping, false, &payload[..payload.len().min(MAX_CONTROL)]);
    }

    /// Ready when all is given to the operating system.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        ready!(self.poll_write(cx))?;
        if mem::take(&mut self.unflushed)
            && let pending @ (Poll::Pending | Poll::Ready(Err(_))) =
                Pin::new(&mut self.stream).poll_flush(cx)
        {
            self.unflushed = true;
            return pending.map_err(Broken::Lost);
        }
        Poll::Ready(Ok(()))
    }

    /// Closes in order; ready when our closing frame is written.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.put_close(Some(self.close_code));
        self.poll_flush(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.written < self.out.len() {
            let stream = Pin::new(&mut self.stream);
            let written = stream.poll_write(cx, &self.out[self.written..]);
            match ready!(written).map_err(Broken::Lost)? {
                0 => return Poll::Ready(Err(Broken::Lost(io::ErrorKind::WriteZero.into()))),
                written => self.written += written,
            }
            self.unflushed = true;
        }
        (self.written, self.pongs) = (0, 0);
        let mut out = mem::take(&mut self.out);
        if (1..=super::KEPT).contains(&out.capacity()) {
            out.clear();
            let _ = SPARE.try_with(|spare| spare.set(out));
        }
        Poll::Ready(Ok(()))
    }

    fn put_close(&mut self, code: Option<u16>) {
        if !mem::replace(&mut self.close_sent, true) {
            let code = code.map(u16::to_be_bytes);
            self.put_frame(Opcode::Close, false, code.as_ref().map_or(&[], |code| &code[..]));
        }
    }

    /// Puts a frame out, unless it would follow a closing one.
    #[inline]
    fn put(&mut self, opcode: Opcode, compressed: bool, payload: &[u8]) {
        if !self.close_sent {
            self.put_frame(opcode, compressed, payload);
        }
    }

    #[inline]
    fn put_frame(&mut self, opcode: Opcode, compressed: bool, payload: &[u8]) {
        if self.out.capacity() == 0 {
            // A thread that is about to end has none.
            self.out = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        let mask = self.keys.as_mut().map(Keys::next);
        frame::put(&mut self.out, opcode, compressed, mask, payload);
    }
}

impl Partial {
    /// Checks the text as far as it goes: a character may be cut in two.
    fn check(&mut self, fin: bool) -> Result<(), Broken> {
        match simdutf8::compat::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !fin => {
                self.checked += error.valid_up_to();
            }
            Err(_) => return Err(Broken::Text),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::transport::testing::tcp_pair;

    #[tokio::test]
    async fn room_for_frames_is_kept_by_nobody() {
        let mut cx = Context::from_waker(Waker::noop());
        let (ours, mut peer) = tcp_pair().await;
        let mut socket = Socket::new(ours.into(), RecvBuffer::default(), 100, None, None);
        let mut begin = None;
        for text in ["what comes first", "later"] {
            socket.send(true, text.as_bytes());
            assert_eq!(*begin.get_or_insert(socket.out.as_ptr()), socket.out.as_ptr());
            assert!(socket.waiting() > text.len());
            assert!(socket.poll_flush(&mut cx).is_ready());
            assert_eq!((socket.waiting(), socket.out.capacity()), (0, 0));
            let mut frame = vec![0; 2 + text.len()];
            peer.read_exact(&mut frame).await.unwrap();
            assert_eq!(&frame[2..], text.as_bytes());
        }
        socket.send(false, &vec![0; 2 * super::super::KEPT]);
        let (large, waiting) = (socket.out.capacity(), socket.waiting());
        let mut frame = vec![0; waiting];
        let flush = std::future::poll_fn(|cx| socket.poll_flush(cx));
        let (flushed, read) = tokio::join!(flush, peer.read_exact(&mut frame));
        assert!(flushed.is_ok() && read.is_ok());
        socket.ping(b"small");
        assert!(socket.out.capacity() < large, "what is large is not kept at all");
    }
}
