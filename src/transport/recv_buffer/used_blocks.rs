//! Blocks that are full, to be used again once nobody has a part of them any more.
//!
//! Allocators give large blocks back to the system, which clears every page anew when it is touched
//! again: of messages of 64 KiB that takes half of the time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;

/// The number of blocks that a thread keeps.
const BLOCKS: usize = 16;
/// Blocks that are smaller or larger are not kept. Those of small messages, of 32 KiB, allocators
/// keep by themselves, and better, as they know who has freed what last.
const LEAST: usize = 48 * 1024;
const MOST: usize = 80 * 1024;
/// The number that is kept where nothing comes, and the time in which half of the others are let
/// go.
const FEW: usize = 2;
const HALF_LIFE: Duration = Duration::from_secs(1);

thread_local! {
    static USED: RefCell<UsedBlocks> = const { RefCell::new(UsedBlocks::NONE) };
}

/// Those of a thread.
struct UsedBlocks {
    blocks: VecDeque<BytesMut>,
    /// The last time that some were let go.
    shrunk: Option<Instant>,
}

/// A block with so much room, a used one if there is one that nobody has.
pub(super) fn take(room: usize) -> BytesMut {
    let used = with(|used| used.take(room)).flatten();
    used.unwrap_or_else(|| BytesMut::with_capacity(room))
}

/// Keeps what is left of a block that had so much room.
pub(super) fn keep(block: BytesMut, room: usize) {
    with(|used| used.keep(block, room));
}

/// Lets some go, as nothing comes now.
pub(super) fn shrink() {
    with(|used| {
        if used.blocks.len() > FEW {
            used.shrink(Instant::now());
        }
    });
}

/// The number of those that are kept on this thread.
#[cfg(test)]
pub(super) fn kept() -> usize {
    with(|used| used.blocks.len()).unwrap_or_default()
}

/// `None` on a thread that is about to end.
fn with<T>(run: impl FnOnce(&mut UsedBlocks) -> T) -> Option<T> {
    USED.try_with(|used| run(&mut used.borrow_mut())).ok()
}

impl UsedBlocks {
    const NONE: UsedBlocks = UsedBlocks { blocks: VecDeque::new(), shrunk: None };

    fn take(&mut self, room: usize) -> Option<BytesMut> {
        let is_free = |block: &mut BytesMut| block.try_reclaim(room);
        // The last one is the most likely to be in a cache of the processor.
        let free = self.blocks.iter_mut().rposition(is_free)?;
        self.blocks.remove(free)
    }

    fn keep(&mut self, mut block: BytesMut, room: usize) {
        if !(LEAST..=MOST).contains(&room) {
            return;
        }
        if self.blocks.len() >= BLOCKS {
            self.blocks.pop_front();
        }
        block.clear();
        self.blocks.push_back(block);
    }

    fn shrink(&mut self, now: Instant) {
        let since = *self.shrunk.get_or_insert(now);
        if now.saturating_duration_since(since) >= HALF_LIFE {
            self.shrunk = Some(now);
            let left = FEW.max(self.blocks.len() / 2);
            self.blocks.drain(..self.blocks.len() - left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block that is full, and a part of it.
    fn full(size: usize) -> (BytesMut, BytesMut) {
        let mut block = BytesMut::with_capacity(size);
        block.resize(size, 7);
        let part = block.split_to(size - 1);
        (block, part)
    }

    #[test]
    fn a_block_is_used_again_once_nobody_has_a_part_of_it() {
        let mut used = UsedBlocks::NONE;
        let (block, part) = full(MOST);
        let begin = part.as_ptr();
        used.keep(block, MOST);
        assert!(used.take(1000).is_none());
        drop(part);
        assert!(used.take(MOST + 1).is_none(), "it is too small");
        let again = used.take(MOST).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (begin, 0));
        assert!(again.capacity() >= MOST && used.blocks.is_empty());
    }

    #[test]
    fn few_blocks_are_kept_and_no_large_ones() {
        let mut used = UsedBlocks::NONE;
        used.keep(full(MOST + 1).0, MOST + 1);
        used.keep(full(LEAST - 1).0, LEAST - 1);
        assert!(used.blocks.is_empty());
        let parts: Vec<_> = (0..BLOCKS + 3)
            .map(|_| {
                let (block, part) = full(LEAST);
                used.keep(block, LEAST);
                part
            })
            .collect();
        assert_eq!(used.blocks.len(), BLOCKS);
        drop(parts);
        assert!((0..BLOCKS).all(|_| used.take(LEAST).is_some()));
    }

    #[test]
    fn what_is_kept_goes_with_time() {
        let mut used = UsedBlocks::NONE;
        (0..BLOCKS).for_each(|_| used.keep(full(LEAST).0, LEAST));
        let now = Instant::now();
        let left = [0, 1, 1, 2, 3, 4, 5].map(|second| {
            used.shrink(now + second * HALF_LIFE);
            used.blocks.len()
        });
        assert_eq!(left, [16, 8, 8, 4, 2, 2, 2]);
    }
}
