//! Large messages: to read one takes many turns, and cannot be cut. So it is read and carried out
//! on a thread that may be kept, one at a time, while the I/O thread serves the other clients. The
//! session is away as long, and nothing of its client is read.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::super::auth::Origin;
use super::super::frames::route_chunk;
use super::super::peer::WakeList;
use super::super::readers::Readers;
use super::super::realm::{LeaveReason, RealmSession};
use super::{Connection, Gone, Phase};

/// The size from which on a message is large: to read it takes about a millisecond at worst.
pub(super) const LARGE: usize = 512 * 1024;

/// A session on its way back, with what has become of its message; `None` if it does not return.
pub(super) type Away = Pin<Box<dyn Future<Output = Option<Returned>> + Send>>;

/// See [`Away`].
pub(super) struct Returned {
    session: Box<RealmSession>,
    wakes: WakeList,
    /// The message, if it is still to be carried out.
    frame: Option<Bytes>,
    result: Result<(), LeaveReason>,
}

impl Connection<'_> {
    /// Has a large message carried out, by a session that has joined.
    pub(super) fn send_away(&mut self, frame: Bytes) {
        let phase = mem::replace(&mut self.phase, Phase::Ending);
        let Phase::Joined(mut session) = phase else {
            self.phase = phase;
            return;
        };
        let (encoding, readers) = (self.peer.encoding(), self.shared.readers.clone());
        let origin = self.pass.origin();
        self.phase = Phase::Away(Box::pin(in_order(readers, origin, move || {
            let mut wakes = WakeList::default();
            let frames = [frame];
            let done = route_chunk(&mut session, &frames, encoding, &mut wakes);
            let [frame] = frames;
            let frame = matches!(done, Ok(0)).then_some(frame);
            Returned { session, wakes, frame, result: done.map(drop) }
        })));
    }

    /// Goes on with a session that is back; true if it has been away. An error tells that it does
    /// not return.
    pub(super) fn come_back(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let Phase::Away(away) = &mut self.phase else {
            return Ok(false);
        };
        let Poll::Ready(returned) = away.as_mut().poll(cx) else {
            return Ok(false);
        };
        let Returned { mut session, wakes, frame, result } = returned.ok_or(Gone)?;
        self.wakes.append(wakes);
        self.counted += usize::from(frame.is_some());
        self.frames.splice(0..0, frame);
        let inquiry = session.take_inquiry();
        self.phase = Phase::Joined(session);
        match (result, inquiry) {
            (Err(end), _) => self.end_session(end),
            (Ok(()), Some(inquiry)) => self.ask_about(inquiry),
            (Ok(()), None) => {}
        }
        Ok(true)
    }
}

/// Runs `read` on a thread that may be kept.
async fn in_order(
    readers: Arc<Readers>,
    origin: Origin,
    read: impl FnOnce() -> Returned + Send + 'static,
) -> Option<Returned> {
    let leave = readers.wait(origin).await?;
    let reading = spawn_blocking(move || {
        let returned = read();
        drop(leave);
        returned
    });
    reading.await.ok()
}
