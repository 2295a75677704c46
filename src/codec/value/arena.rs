//! Texts that are lent to C: each is followed by a NUL, and none moves while there are others.

/// The least room that is made at once; and the most, but for a text that needs more.
const CHUNK: usize = 256;
const LARGEST: usize = 16 * 1024;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Each has its capacity for life: what is in it never moves.
    chunks: Vec<Vec<u8>>,
}

/// The place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    chunk: u32,
    start: u32,
    len: u32,
}

impl Arena {
    /// Keeps a text.
    pub(super) fn push(&mut self, text: &[u8]) -> Place {
        let need = text.len() + 1;
        if self.chunks.last().is_none_or(|last| last.capacity() - last.len() < need) {
            let twice =
                self.chunks.last().map_or(CHUNK, |last| 2 * last.capacity().min(LARGEST / 2));
            self.chunks.push(Vec::with_capacity(need.max(twice)));
        }
        let chunk = self.chunks.len() - 1;
        let last = &mut self.chunks[chunk];
        let place = Place { chunk: chunk as u32, start: last.len() as u32, len: text.len() as u32 };
        last.extend_from_slice(text);
        last.push(0);
        place
    }

    /// The text at `place`, with the NUL that follows it.
    pub(super) fn text(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        let chunk = self.chunks.get(place.chunk as usize);
        chunk.and_then(|chunk| chunk.get(start..=start + place.len as usize)).unwrap_or(b"\0")
    }

    /// The bytes of room that it has.
    pub(super) fn room(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Throws all texts away, and their room but for one chunk of up to `kept` bytes.
    pub(super) fn clear(&mut self, kept: usize) {
        if let [only] = &mut self.chunks[..]
            && only.capacity() <= kept
        {
            return only.clear();
        }
        let fitting = self.chunks.drain(..).filter(|chunk| chunk.capacity() <= kept);
        let largest = fitting.max_by_key(Vec::capacity);
        self.chunks.extend(largest);
        self.chunks.iter_mut().for_each(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_where_they_are() {
        let mut arena = Arena::default();
        let texts: Vec<Vec<u8>> = (0..100).map(|n| vec![b'a' + n % 26; n as usize * 7]).collect();
        let places: Vec<(Place, *const u8)> = texts
            .iter()
            .map(|text| {
                let place = arena.push(text);
                (place, arena.text(place).as_ptr())
            })
            .collect();
        for (text, (place, address)) in texts.iter().zip(places) {
            let kept = arena.text(place);
            assert_eq!(kept.as_ptr(), address);
            assert_eq!(kept.split_last(), Some((&0, &text[..])));
        }
    }

    #[test]
    fn no_more_room_is_kept_than_allowed() {
        let mut arena = Arena::default();
        arena.push(b"short");
        arena.clear(CHUNK);
        assert_eq!(arena.chunks[0].capacity(), CHUNK);
        arena.push(&[b'x'; 2 * CHUNK]);
        arena.clear(CHUNK);
        assert_eq!(arena.chunks.len(), 1);
        arena.clear(CHUNK - 1);
        assert!(arena.chunks.is_empty());
    }
}
