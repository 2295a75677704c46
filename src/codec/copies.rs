//! Copies of frames that came together, so that those that are kept do not keep alive the large
//! blocks that they were read into. Which are kept is left to the caller.

use bytes::{Bytes, BytesMut};

/// The bytes of a block that small copies share: an allocation for each of them would cost more
/// than the copying.
const BLOCK: usize = 8 * 1024;
/// Frames beyond this size get a block of their own: others are not to be kept alive by them.
const SMALL: usize = 512;

/// Copies of the frames of one batch.
#[derive(Debug)]
pub struct Copies {
    block: BytesMut,
    /// The bytes of the small ones that are still to be copied, at most.
    left: usize,
    /// The place and size of the last frame, and its copy.
    former: (usize, usize),
    copy: Bytes,
}

impl Copies {
    /// For a batch of frames of these sizes.
    pub fn of(sizes: impl Iterator<Item = usize>) -> Copies {
        let left = sizes.filter(|size| *size <= SMALL).sum();
        Copies { block: BytesMut::new(), left, former: (0, 0), copy: Bytes::new() }
    }

    /// A copy of the next frame; one that is the same as that before it shares its copy. All
    /// frames of the batch are alive, or were replaced by their copies.
    pub fn copy(&mut self, frame: &Bytes) -> Bytes {
        let place = (frame.as_ptr().addr(), frame.len());
        if place != self.former {
            self.former = place;
            self.copy = match frame.len() {
                ..=SMALL => self.small(frame),
                _ => Bytes::copy_from_slice(frame),
            };
        }
        if frame.len() <= SMALL {
            self.left = self.left.saturating_sub(frame.len());
        }
        self.copy.clone()
    }

    fn small(&mut self, frame: &[u8]) -> Bytes {
        if self.block.capacity() < frame.len() {
            self.block = BytesMut::with_capacity(self.left.clamp(frame.len(), BLOCK));
        }
        self.block.extend_from_slice(frame);
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of these sizes, one behind the other in a block.
    fn frames(sizes: &[usize]) -> Vec<Bytes> {
        let all: usize = sizes.iter().sum();
        let mut block = Bytes::from_iter((0..all).map(|byte| byte as u8));
        sizes.iter().map(|size| block.split_to(*size)).collect()
    }

    fn copied(frames: &[Bytes]) -> Vec<Bytes> {
        let mut copies = Copies::of(frames.iter().map(Bytes::len));
        frames.iter().map(|frame| copies.copy(frame)).collect()
    }

    #[test]
    fn small_frames_share_a_block_that_is_as_large_as_they_are() {
        let frames = frames(&[3, 0, SMALL, 5]);
        let mut copies = copied(&frames);
        assert_eq!(copies, frames);
        let begin = copies[0].as_ptr();
        assert_ne!(begin, frames[0].as_ptr());
        assert_eq!(copies[3].as_ptr(), begin.wrapping_add(3 + SMALL));
        let last = copies.pop().unwrap();
        drop(copies);
        // Whoever is the only one can have all of the block that is behind its beginning.
        assert_eq!(last.try_into_mut().unwrap().capacity(), 5);
    }

    #[test]
    fn blocks_are_small_and_large_frames_have_their_own() {
        let sizes: Vec<_> = (0..100).map(|number| number % 3 * SMALL + SMALL / 2).collect();
        let frames = frames(&sizes);
        let mut copies = copied(&frames);
        assert_eq!(copies, frames);
        while let Some(copy) = copies.pop() {
            let room = BytesMut::from(copy).capacity();
            assert!(room <= BLOCK, "{room}");
        }
    }

    #[test]
    fn the_same_frame_has_one_copy() {
        let frames = frames(&[3, 700]);
        let [small, large] = [0, 1].map(|at| frames[at].clone());
        let copies = copied(&[small.clone(), small, large.clone(), large]);
        assert_eq!(copies[0].as_ptr(), copies[1].as_ptr());
        assert_eq!(copies[2].as_ptr(), copies[3].as_ptr());
        assert_eq!(copies[3], frames[1]);
    }
}
