//! Frames of clients, decoded into messages and led to their session.

use bytes::Bytes;

use crate::codec::{CodecError, Encoding, Received};
use crate::protocol::message::Message;

use super::peer::WakeList;
use super::realm::{LeaveReason, RealmSession};

/// The message that a frame holds.
pub(super) fn message(received: &Result<Received, CodecError>) -> Result<Message<'_>, CodecError> {
    Message::from_received(received.as_ref().map_err(|error| *error)?)
}

/// Decodes messages, and carries out all up to the first that is none. Tells how many frames are
/// done with: what does not fit into a turn of the realm is left.
pub(super) fn route_chunk(
    session: &mut RealmSession,
    frames: &[Bytes],
    encoding: Encoding,
    wakes: &mut WakeList,
) -> Result<usize, LeaveReason> {
    let mut messages = Vec::with_capacity(frames.len());
    let mut broken = None;
    let mut received = Vec::new();
    if encoding != Encoding::Json {
        received.extend(frames.iter().map(|frame| Received::from_client(frame, encoding)));
    }
    for (index, frame) in frames.iter().enumerate() {
        let decoded = match encoding {
            Encoding::Json => Message::decode(frame).map(|message| (message, frame)),
            _ => {
                let received = &received[index];
                let frame = received.as_ref().map_or(frame, Received::frame);
                message(received).map(|message| (message, frame))
            }
        };
        match decoded {
            Ok(message) => messages.push(message),
            Err(error) => {
                broken = Some(LeaveReason::Violation(error.to_string()));
                break;
            }
        }
    }
    let done = session.route(&messages, wakes)?;
    match broken {
        Some(why) if done == messages.len() && !session.has_rest() => Err(why),
        _ => Ok(done),
    }
}
