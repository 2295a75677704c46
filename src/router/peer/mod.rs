//! A connected client as the rest of the router sees it: an id, and a place for its messages.
//!
//! Whoever has something for a client writes it into the client's outbox and rings later, once for
//! many messages. The task that empties the outbox is [`super::connection`].
//!
//! * `waiting`: the messages for it. `wakes`: those who are to be told of some.

mod waiting;
mod wakes;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::{Batch, Encoding, Out, Outbox, TooLarge, Unsendable};
use crate::os::lock;
use crate::transport::Doorbell;

use super::budget::{Budget, FLAT};
use super::identity::Identity;

use waiting::Waiting;

pub(super) use wakes::WakeList;

/// The time that a client may take to answer GOODBYE, and to take and confirm the last messages.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Peer {
    id: u64,
    limit: AtomicUsize,
    bell: Doorbell,
    budget: Arc<Budget>,
    /// Its identity, once it has joined.
    identity: OnceLock<Identity>,
    /// The encoding of its messages, once that has been agreed on.
    encoding: OnceLock<Encoding>,
    /// The limits of its messages, once they have been agreed on.
    sizes: OnceLock<Sizes>,
    /// The number of its role.
    role: AtomicUsize,
    /// Its session has left the realm.
    has_left: AtomicBool,
    queue: Mutex<Queue>,
}

/// A command of the router to the task of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PeerCommand {
    /// Say GOODBYE with this reason, and this message for people.
    Goodbye(String, Option<String>),
    /// End at once: too much waits for a client that does not read, or it is to be cut off.
    Drop,
}

/// The limits of messages, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Those that carry what other clients say: who is sent more than it takes breaks off.
    pub(super) relayed: usize,
    /// Those of the router itself, WELCOME among them, which can be larger than a small limit.
    pub(super) own: usize,
}

impl Sizes {
    const ANY: Sizes = Sizes { relayed: usize::MAX, own: usize::MAX };
}

#[derive(Debug)]
struct Queue {
    waiting: Waiting,
    progress: Progress,
    command: Option<PeerCommand>,
    /// The time that it may take to answer the GOODBYE.
    goodbye_timeout: Duration,
    /// The router waits until the GOODBYE is in the socket.
    is_awaited: bool,
    /// Nothing is taken any more: too much waited, or nobody is there.
    dropped: bool,
    gone: bool,
}

/// The progress of a client with what it is sent and what it sends, as far as somebody has looked.
#[derive(Debug)]
struct Progress {
    /// The count of bytes that it has taken, as the task has last told it.
    taken: i64,
    /// Grows as it sends bytes of a large message, and with each batch that is written.
    read: i64,
    /// The sum of both at the time of the first look that found it.
    seen: i64,
    since: Instant,
}

impl Peer {
    /// A client for whom up to `limit` bytes may wait. Its id will be the id of its session.
    pub(super) fn new(id: u64, limit: usize, budget: &Arc<Budget>) -> Arc<Peer> {
        Arc::new(Peer {
            id,
            limit: AtomicUsize::new(limit),
            bell: Doorbell::default(),
            budget: budget.clone(),
            identity: OnceLock::new(),
            encoding: OnceLock::new(),
            sizes: OnceLock::new(),
            role: AtomicUsize::new(0),
            has_left: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                waiting: Waiting::new(budget),
                progress: Progress { taken: 0, read: 0, seen: -1, since: Instant::now() },
                command: None,
                goodbye_timeout: CLOSE_TIMEOUT,
                is_awaited: false,
                dropped: false,
                gone: false,
            }),
        })
    }

    /// From now on so many bytes may wait for it.
    pub(super) fn may_keep_waiting(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Says how its messages are encoded; before the first one.
    pub(super) fn speak(&self, encoding: Encoding) {
        self.encoding.get_or_init(|| encoding);
        lock(&self.queue).waiting.speak(encoding);
    }

    /// Says how large its messages may be; before the first one.
    pub(super) fn takes_up_to(&self, sizes: Sizes) {
        self.sizes.get_or_init(|| sizes);
    }

    fn sizes(&self) -> Sizes {
        self.sizes.get().copied().unwrap_or(Sizes::ANY)
    }

    /// The encoding of its messages.
    #[inline]
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding.get().copied().unwrap_or_default()
    }

    /// The id of this client's session.
    #[inline]
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Its identity; nobody's before it has joined.
    #[inline]
    pub(super) fn identity(&self) -> &Identity {
        static NOBODY: LazyLock<Identity> = LazyLock::new(Identity::default);
        self.identity.get().unwrap_or_else(|| &NOBODY)
    }

    /// Says who it is; a client joins once.
    pub(super) fn identify(&self, identity: Identity) {
        self.identity.get_or_init(|| identity);
    }

    /// The number of its role, by which its rights are found.
    #[inline]
    pub(super) fn role_number(&self) -> usize {
        self.role.load(Ordering::Relaxed)
    }

    /// Its role has this number.
    pub(super) fn has_role(&self, number: usize) {
        self.role.store(number, Ordering::Relaxed);
    }

    /// The router's memory.
    #[inline]
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Its session leaves the realm: it hears no more of what others say.
    pub(super) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    /// True if its session has left the realm.
    #[inline]
    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// The most bytes that a message has which carries what others say.
    pub(super) fn takes(&self) -> usize {
        self.sizes().relayed
    }

    /// The bell at which the task of this client sleeps.
    pub(super) fn bell(&self) -> &Doorbell {
        &self.bell
    }

    /// Appends the message that `write` writes, without which a client that does not take it cannot
    /// go on. The client is added to `wakes` unless somebody is
    /// about to ring already: whoever found the outbox empty does.
    #[inline]
    pub(super) fn send(self: &Arc<Self>, wakes: &mut WakeList, write: impl FnOnce(&mut Out<'_>)) {
        if let Err(Unsendable::TooLarge(_)) = self.push(wakes, self.sizes().own, write) {
            self.disconnect();
        }
    }

    /// As [`Peer::send`]; tells if the client cannot be sent the message, because its encoding does
    /// not carry the payload or it takes none as large.
    #[inline]
    pub(super) fn try_send(
        self: &Arc<Self>,
        wakes: &mut WakeList,
        write: impl FnOnce(&mut Out<'_>),
    ) -> Result<(), Unsendable> {
        self.push(wakes, self.sizes().relayed, write)
    }

    #[inline]
    fn push(
        self: &Arc<Self>,
        wakes: &mut WakeList,
        max_message: usize,
        write: impl FnOnce(&mut Out<'_>),
    ) -> Result<(), Unsendable> {
        self.push_by(wakes, max_message, |outbox, limit| outbox.push(limit, write))
    }

    /// As [`Peer::try_send`], of a message that others are sent, too.
    pub(super) fn try_share(
        self: &Arc<Self>,
        wakes: &mut WakeList,
        message: &Bytes,
    ) -> Result<(), Unsendable> {
        let push = |outbox: &mut Outbox, limit| Ok(outbox.push_shared(limit, message)?);
        self.push_by(wakes, self.sizes().relayed, push)
    }

    #[inline]
    fn push_by(
        self: &Arc<Self>,
        wakes: &mut WakeList,
        max_message: usize,
        push: impl FnOnce(&mut Outbox, usize) -> Result<(), Unsendable>,
    ) -> Result<(), Unsendable> {
        let mut queue = lock(&self.queue);
        if queue.dropped || queue.gone {
            return Ok(());
        }
        if queue.waiting.is_empty() {
            wakes.add(self);
        }
        let limit = self.limit.load(Ordering::Relaxed);
        let room = limit.saturating_sub(queue.waiting.in_flight());
        let is_too_much = match queue.waiting.push(|outbox| push(outbox, room.min(max_message))) {
            Ok(is_too_much) => is_too_much || queue.waiting.len() > limit,
            Err(Unsendable::TooLarge(TooLarge { size, .. })) if size > max_message => {
                return Err(TooLarge { size, limit: max_message }.into());
            }
            Err(Unsendable::TooLarge(_)) => true,
            Err(error @ Unsendable::Payload(_)) => return Err(error),
        };
        if is_too_much {
            queue.drop_all();
            wakes.add(self);
        }
        Ok(())
    }

    /// Drops the client, which does not take what waits for it; false if it was dropped before.
    pub(super) fn drop_slow(&self) -> bool {
        let mut queue = lock(&self.queue);
        let is_new = !queue.dropped;
        if is_new {
            queue.drop_all();
        }
        drop(queue);
        self.bell.ring();
        is_new
    }

    /// The number of bytes that wait for it, where it has taken none for so long. Rings, so that
    /// the next look finds what it has taken until then.
    pub(super) fn stalled(&self, patience: Duration, now: Instant) -> Option<usize> {
        let mut queue = lock(&self.queue);
        let waiting = queue.waiting.len_with_partial();
        let Progress { taken, read, seen, since } = &mut queue.progress;
        if waiting < FLAT {
            *seen = -1;
            return None;
        }
        let count = *taken + *read;
        let is_same = count == *seen || patience.is_zero();
        let is_stalled = is_same && now.saturating_duration_since(*since) >= patience;
        if count != *seen {
            (*seen, *since) = (count, now);
        }
        queue.waiting.trim();
        drop(queue);
        self.bell.ring();
        is_stalled.then_some(waiting)
    }

    /// The task has found that the client has taken so many bytes, of those that were written.
    pub(super) fn has_taken(&self, taken: i64) {
        lock(&self.queue).progress.taken = taken;
    }

    /// So many bytes have come of a message that is not there as a whole, and `read` altogether.
    pub(super) fn holds(&self, partial: usize, read: u64) {
        let mut queue = lock(&self.queue);
        queue.progress.read = queue.progress.read.max(read as i64);
        queue.waiting.has_partial(partial);
    }

    /// The router itself reads nothing of it for now: that it does not go on is not its fault.
    pub(super) fn is_paused(&self) {
        lock(&self.queue).progress.read += 1;
    }

    /// Tells the task to say GOODBYE; it need not be in a session.
    pub(super) fn say_goodbye(&self, reason: &str, message: Option<&str>) {
        let command = PeerCommand::Goodbye(reason.to_owned(), message.map(str::to_owned));
        lock(&self.queue).command.get_or_insert(command);
        self.bell.ring();
    }

    /// As [`Peer::say_goodbye`], of a router that closes: it waits for `goodbye_timeout` until the
    /// GOODBYE is answered, and until [`Peer::settle`] for that it is written.
    pub(super) fn part(&self, reason: &str, goodbye_timeout: Duration) {
        let mut queue = lock(&self.queue);
        (queue.goodbye_timeout, queue.is_awaited) = (goodbye_timeout, true);
        drop(queue);
        self.say_goodbye(reason, None);
    }

    /// The time that a GOODBYE may take to be answered.
    pub(super) fn goodbye_timeout(&self) -> Duration {
        lock(&self.queue).goodbye_timeout
    }

    /// The GOODBYE is as far as it goes; true if the router waits for that.
    pub(super) fn settle(&self) -> bool {
        std::mem::take(&mut lock(&self.queue).is_awaited)
    }

    /// Tells the task to drop the connection without a word.
    pub(super) fn disconnect(&self) {
        lock(&self.queue).command = Some(PeerCommand::Drop);
        self.bell.ring();
    }

    /// Takes what the router wants of the task.
    pub(super) fn take_command(&self) -> Option<PeerCommand> {
        lock(&self.queue).command.take()
    }

    /// Takes messages that wait, if any: about as many as are written in one go.
    pub(super) fn take(&self) -> Option<Batch> {
        lock(&self.queue).waiting.take()
    }

    /// The batch is written.
    pub(super) fn written(&self, batch: Batch) {
        let mut queue = lock(&self.queue);
        queue.progress.read += 1;
        queue.waiting.written(batch);
    }

    /// Takes all that waits in full pieces, of a client that has gone.
    pub(super) fn take_full(&self) -> impl Iterator<Item = Batch> + Send + use<> {
        let mut queue = lock(&self.queue);
        queue.gone = true;
        queue.waiting.take_full()
    }

    /// True if the client was dropped because too much waited for it.
    pub(super) fn was_dropped(&self) -> bool {
        lock(&self.queue).dropped
    }

    /// True if the task has something to do that it can do now; `writing` says that a batch is
    /// not yet written, so that no other can be begun.
    pub(super) fn has_work(&self, writing: bool) -> bool {
        let queue = lock(&self.queue);
        queue.command.is_some() || (!writing && !queue.waiting.is_empty())
    }
}

impl Queue {
    fn drop_all(&mut self) {
        self.waiting.clear();
        self.dropped = true;
        self.command = Some(PeerCommand::Drop);
    }
}
