//! Every message of WAMP v2, decoded from a frame and encoded into a buffer.
//!
//! One struct per message, borrowed from the frame it was decoded from or from what it is encoded
//! of; both ways it is the same struct. What a message means is left to [`super::session`] and to
//! the router. Specification: basic profile "Messages", advanced profile "Messages".
//!
//! | file | messages |
//! |---|---|
//! | [`session`] | HELLO WELCOME ABORT CHALLENGE AUTHENTICATE GOODBYE |
//! | [`pubsub`] | PUBLISH PUBLISHED SUBSCRIBE SUBSCRIBED UNSUBSCRIBE UNSUBSCRIBED EVENT |
//! | [`rpc`] | CALL CANCEL RESULT INVOCATION INTERRUPT YIELD and REGISTER to UNREGISTERED |
//! | [`error`] | ERROR |

pub mod error;
pub mod pubsub;
pub mod rpc;
pub mod session;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use pubsub::*;
pub use rpc::*;
pub use session::*;

use crate::codec::binary::{Cbor, MsgPack};
use crate::codec::{CodecError, Encoding, Out, Read, Received, json};

/// The type codes of messages.
pub mod code {
    #![expect(missing_docs, reason = "the names are those of the specification")]
    pub const HELLO: u64 = 1;
    pub const WELCOME: u64 = 2;
    pub const ABORT: u64 = 3;
    pub const CHALLENGE: u64 = 4;
    pub const AUTHENTICATE: u64 = 5;
    pub const GOODBYE: u64 = 6;
    pub const ERROR: u64 = 8;
    pub const PUBLISH: u64 = 16;
    pub const PUBLISHED: u64 = 17;
    pub const SUBSCRIBE: u64 = 32;
    pub const SUBSCRIBED: u64 = 33;
    pub const UNSUBSCRIBE: u64 = 34;
    pub const UNSUBSCRIBED: u64 = 35;
    pub const EVENT: u64 = 36;
    pub const CALL: u64 = 48;
    pub const CANCEL: u64 = 49;
    pub const RESULT: u64 = 50;
    pub const REGISTER: u64 = 64;
    pub const REGISTERED: u64 = 65;
    pub const UNREGISTER: u64 = 66;
    pub const UNREGISTERED: u64 = 67;
    pub const INVOCATION: u64 = 68;
    pub const INTERRUPT: u64 = 69;
    pub const YIELD: u64 = 70;
}

/// A received message.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "they are named like the messages")]
pub enum Message<'a> {
    Hello(Hello<'a>),
    Welcome(Welcome<'a>),
    Abort(Abort<'a>),
    Challenge(Challenge<'a>),
    Authenticate(Authenticate<'a>),
    Goodbye(Goodbye<'a>),
    Error(Error<'a>),
    Publish(Publish<'a>),
    Published(Published),
    Subscribe(Subscribe<'a>),
    Subscribed(Subscribed),
    Unsubscribe(Unsubscribe),
    Unsubscribed(Unsubscribed<'a>),
    Event(Event<'a>),
    Call(Call<'a>),
    Cancel(Cancel<'a>),
    Result(CallResult<'a>),
    Register(Register<'a>),
    Registered(Registered),
    Unregister(Unregister),
    Unregistered(Unregistered<'a>),
    Invocation(Invocation<'a>),
    Interrupt(Interrupt<'a>),
    Yield(Yield<'a>),
    /// A message of the range 256 to 1023, which is for extensions: to be ignored.
    Extension(u64),
}

impl<'a> Message<'a> {
    /// Decodes one message in JSON.
    pub fn decode(frame: &'a [u8]) -> Result<Message<'a>, CodecError> {
        Message::read(json::Reader::new(frame)?)
    }

    /// Decodes one message in any encoding.
    pub fn from_received(received: &'a Received) -> Result<Message<'a>, CodecError> {
        match received.encoding() {
            Encoding::Json => Message::decode(received.frame()),
            Encoding::MsgPack => Message::read(received.reader::<MsgPack>()?),
            Encoding::Cbor => Message::read(received.reader::<Cbor>()?),
        }
    }

    fn read(mut reader: impl Read<'a>) -> Result<Message<'a>, CodecError> {
        let r = &mut reader;
        let message = match r.code()? {
            code::HELLO => Message::Hello(Hello::read(r)?),
            code::WELCOME => Message::Welcome(Welcome::read(r)?),
            code::ABORT => Message::Abort(Abort::read(r)?),
            code::CHALLENGE => Message::Challenge(Challenge::read(r)?),
            code::AUTHENTICATE => Message::Authenticate(Authenticate::read(r)?),
            code::GOODBYE => Message::Goodbye(Goodbye::read(r)?),
            code::ERROR => Message::Error(Error::read(r)?),
            code::PUBLISH => Message::Publish(Publish::read(r)?),
            code::PUBLISHED => Message::Published(Published::read(r)?),
            code::SUBSCRIBE => Message::Subscribe(Subscribe::read(r)?),
            code::SUBSCRIBED => Message::Subscribed(Subscribed::read(r)?),
            code::UNSUBSCRIBE => Message::Unsubscribe(Unsubscribe::read(r)?),
            code::UNSUBSCRIBED => Message::Unsubscribed(Unsubscribed::read(r)?),
            code::EVENT => Message::Event(Event::read(r)?),
            code::CALL => Message::Call(Call::read(r)?),
            code::CANCEL => Message::Cancel(Cancel::read(r)?),
            code::RESULT => Message::Result(CallResult::read(r)?),
            code::REGISTER => Message::Register(Register::read(r)?),
            code::REGISTERED => Message::Registered(Registered::read(r)?),
            code::UNREGISTER => Message::Unregister(Unregister::read(r)?),
            code::UNREGISTERED => Message::Unregistered(Unregistered::read(r)?),
            code::INVOCATION => Message::Invocation(Invocation::read(r)?),
            code::INTERRUPT => Message::Interrupt(Interrupt::read(r)?),
            code::YIELD => Message::Yield(Yield::read(r)?),
            extension @ 256..=1023 => Message::Extension(extension),
            _ => {
                return Err(CodecError { at: 1, what: "no such message type" });
            }
        };
        reader.finish()?;
        Ok(message)
    }

    /// True for what answers a request of a client.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Message::Error(_)
                | Message::Published(_)
                | Message::Subscribed(_)
                | Message::Unsubscribed(_)
                | Message::Result(_)
                | Message::Registered(_)
                | Message::Unregistered(_)
        )
    }

    /// Appends the encoded message; of an extension, which has no layout, nothing. For tests and
    /// fuzzers, which write what they have read: the library knows which message it writes.
    #[doc(hidden)]
    pub fn write(&self, out: &mut Out<'_>) {
        match self {
            Message::Hello(m) => m.write(out),
            Message::Welcome(m) => m.write(out),
            Message::Abort(m) => m.write(out),
            Message::Challenge(m) => m.write(out),
            Message::Authenticate(m) => m.write(out),
            Message::Goodbye(m) => m.write(out),
            Message::Error(m) => m.write(out),
            Message::Publish(m) => m.write(out),
            Message::Published(m) => m.write(out),
            Message::Subscribe(m) => m.write(out),
            Message::Subscribed(m) => m.write(out),
            Message::Unsubscribe(m) => m.write(out),
            Message::Unsubscribed(m) => m.write(out),
            Message::Event(m) => m.write(out),
            Message::Call(m) => m.write(out),
            Message::Cancel(m) => m.write(out),
            Message::Result(m) => m.write(out),
            Message::Register(m) => m.write(out),
            Message::Registered(m) => m.write(out),
            Message::Unregister(m) => m.write(out),
            Message::Unregistered(m) => m.write(out),
            Message::Invocation(m) => m.write(out),
            Message::Interrupt(m) => m.write(out),
            Message::Yield(m) => m.write(out),
            Message::Extension(_) => {}
        }
    }

    /// The type code.
    pub fn code(&self) -> u64 {
        match self {
            Message::Hello(_) => code::HELLO,
            Message::Welcome(_) => code::WELCOME,
            Message::Abort(_) => code::ABORT,
            Message::Challenge(_) => code::CHALLENGE,
            Message::Authenticate(_) => code::AUTHENTICATE,
            Message::Goodbye(_) => code::GOODBYE,
            Message::Error(_) => code::ERROR,
            Message::Publish(_) => code::PUBLISH,
            Message::Published(_) => code::PUBLISHED,
            Message::Subscribe(_) => code::SUBSCRIBE,
            Message::Subscribed(_) => code::SUBSCRIBED,
            Message::Unsubscribe(_) => code::UNSUBSCRIBE,
            Message::Unsubscribed(_) => code::UNSUBSCRIBED,
            Message::Event(_) => code::EVENT,
            Message::Call(_) => code::CALL,
            Message::Cancel(_) => code::CANCEL,
            Message::Result(_) => code::RESULT,
            Message::Register(_) => code::REGISTER,
            Message::Registered(_) => code::REGISTERED,
            Message::Unregister(_) => code::UNREGISTER,
            Message::Unregistered(_) => code::UNREGISTERED,
            Message::Invocation(_) => code::INVOCATION,
            Message::Interrupt(_) => code::INTERRUPT,
            Message::Yield(_) => code::YIELD,
            Message::Extension(code) => *code,
        }
    }

    /// The name of the message, as the specification writes it.
    pub fn name(&self) -> &'static str {
        name(self.code())
    }
}

/// The name of the message with this type code, as the specification writes it.
pub fn name(code: u64) -> &'static str {
    match code {
        code::HELLO => "HELLO",
        code::WELCOME => "WELCOME",
        code::ABORT => "ABORT",
        code::CHALLENGE => "CHALLENGE",
        code::AUTHENTICATE => "AUTHENTICATE",
        code::GOODBYE => "GOODBYE",
        code::ERROR => "ERROR",
        code::PUBLISH => "PUBLISH",
        code::PUBLISHED => "PUBLISHED",
        code::SUBSCRIBE => "SUBSCRIBE",
        code::SUBSCRIBED => "SUBSCRIBED",
        code::UNSUBSCRIBE => "UNSUBSCRIBE",
        code::UNSUBSCRIBED => "UNSUBSCRIBED",
        code::EVENT => "EVENT",
        code::CALL => "CALL",
        code::CANCEL => "CANCEL",
        code::RESULT => "RESULT",
        code::REGISTER => "REGISTER",
        code::REGISTERED => "REGISTERED",
        code::UNREGISTER => "UNREGISTER",
        code::UNREGISTERED => "UNREGISTERED",
        code::INVOCATION => "INVOCATION",
        code::INTERRUPT => "INTERRUPT",
        code::YIELD => "YIELD",
        _ => "extension",
    }
}
