//! Encoded args and kwargs: bytes plus their encoding, lent or owned, never parsed here.

use bytes::Bytes;

use super::{CodecError, Copies, Dict, Encoding, Rules, transcode};

/// A lent payload: slices of somebody's buffer. Absent and empty are different: `[]` is a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadRef<'a> {
    /// One encoded list.
    pub args: Option<&'a [u8]>,
    /// One encoded dict.
    pub kwargs: Option<&'a [u8]>,
    /// The encoding of both.
    pub encoding: Encoding,
}

impl<'a> PayloadRef<'a> {
    /// No args and no kwargs.
    pub const NONE: PayloadRef<'static> =
        PayloadRef { args: None, kwargs: None, encoding: Encoding::Json };

    /// A payload of JSON args alone.
    pub fn args(args: &'a str) -> Self {
        PayloadRef { args: Some(args.as_bytes()), ..PayloadRef::NONE }
    }

    /// The number of encoded bytes.
    pub fn len(&self) -> usize {
        self.args.map_or(0, <[u8]>::len) + self.kwargs.map_or(0, <[u8]>::len)
    }

    /// True without args and kwargs.
    pub fn is_empty(&self) -> bool {
        self.args.is_none() && self.kwargs.is_none()
    }
}

/// The place of a slice in its frame; `start == end` stands for "absent" (no encoded value is
/// empty).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The place of `part`, which must be a slice of `frame`; absent otherwise.
    pub fn new(frame: &[u8], part: Option<&[u8]>) -> Span {
        let Some(part) = part else {
            return Span::default();
        };
        let start = (part.as_ptr() as usize).wrapping_sub(frame.as_ptr() as usize);
        match start.checked_add(part.len()) {
            Some(end) if end <= frame.len() && end <= u32::MAX as usize => {
                Span { start: start as u32, end: end as u32 }
            }
            _ => Span::default(),
        }
    }

    /// The place of a dict: one without entries need not stand in the frame.
    pub fn from_dict(frame: &[u8], dict: Dict<'_>) -> Span {
        match Span::new(frame, Some(dict.as_bytes())) {
            absent if absent.start == absent.end => Span::EMPTY_DICT,
            span => span,
        }
    }

    const EMPTY_DICT: Span = Span { start: u32::MAX, end: 0 };

    /// The bytes of this span in `frame`; `None` for an absent one.
    #[inline]
    pub fn slice(self, frame: &[u8]) -> Option<&[u8]> {
        if self.start >= self.end {
            return (self == Span::EMPTY_DICT).then_some(Dict::EMPTY.as_bytes());
        }
        frame.get(self.start as usize..self.end as usize)
    }
}

/// An owned payload. Shares the frame it was received in by reference count: nothing is copied.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    frame: Bytes,
    args: Span,
    /// With the encoding of both, so that a payload is no larger for it: events are moved a lot.
    kwargs: Tagged,
}

/// A span and an encoding, which is in the two uppermost bits of the end.
#[derive(Debug, Clone, Copy, Default)]
struct Tagged(Span);

impl Tagged {
    const SHIFT: u32 = 30;
    const REST: u32 = (1 << Tagged::SHIFT) - 1;

    /// Absent for what ends beyond a gigabyte, the most that a message can have.
    fn new(span: Span, encoding: Encoding) -> Tagged {
        let Span { start, end } = if span.end > Tagged::REST { Span::default() } else { span };
        Tagged(Span { start, end: end | (encoding as u32) << Tagged::SHIFT })
    }

    fn span(self) -> Span {
        Span { start: self.0.start, end: self.0.end & Tagged::REST }
    }

    #[inline]
    fn encoding(self) -> Encoding {
        match self.0.end >> Tagged::SHIFT {
            1 => Encoding::MsgPack,
            2 => Encoding::Cbor,
            _ => Encoding::Json,
        }
    }
}

impl Payload {
    /// Keeps `payload`, whose slices lie in `frame`, alive together with the frame.
    pub fn from_frame(frame: &Bytes, payload: PayloadRef<'_>) -> Payload {
        Payload {
            args: Span::new(frame, payload.args),
            kwargs: Tagged::new(Span::new(frame, payload.kwargs), payload.encoding),
            frame: frame.clone(),
        }
    }

    /// A copy of `payload`, in a frame of its own.
    pub fn copied(payload: PayloadRef<'_>) -> Payload {
        let parts = [payload.args, payload.kwargs];
        let frame: Bytes = parts.into_iter().flatten().collect::<Vec<_>>().concat().into();
        let (args, kwargs) = frame.split_at(payload.args.map_or(0, <[u8]>::len));
        let args = payload.args.map(|_| args);
        let kwargs = payload.kwargs.map(|_| kwargs);
        let lent = PayloadRef { args, kwargs, encoding: payload.encoding };
        Payload::from_frame(&frame, lent)
    }

    /// Copies a frame of up to `limit` bytes, so as not to keep the block alive that it is a part
    /// of.
    pub fn detach(&mut self, limit: usize) {
        if self.frame.len() <= limit {
            self.frame = Bytes::copy_from_slice(&self.frame);
        }
    }

    /// As [`Payload::detach`], for one of many that came together.
    pub fn detach_into(&mut self, copies: &mut Copies, limit: usize) {
        if self.frame.len() <= limit {
            self.frame = copies.copy(&self.frame);
        }
    }

    /// The same payload in another encoding, together with the details that stand in its frame:
    /// where they are then, and both. Nothing is refused but what nests too deep, and in JSON keys
    /// that are lists or dicts.
    pub fn transcoded(
        &self,
        details: Span,
        encoding: Encoding,
    ) -> Result<(Span, Payload), CodecError> {
        let details = details.slice(&self.frame).unwrap_or_default();
        Payload::transcoded_behind(details, self.as_ref(), encoding)
    }

    /// `payload` in another encoding.
    pub fn transcoded_from(
        payload: PayloadRef<'_>,
        encoding: Encoding,
    ) -> Result<Payload, CodecError> {
        Payload::transcoded_behind(&[], payload, encoding).map(|(_, payload)| payload)
    }

    fn transcoded_behind(
        details: &[u8],
        lent: PayloadRef<'_>,
        encoding: Encoding,
    ) -> Result<(Span, Payload), CodecError> {
        let mut all = Vec::with_capacity(details.len() + lent.len() * 3 / 2);
        all.extend_from_slice(details);
        let mut part = |bytes: Option<&[u8]>| {
            let start = all.len();
            if let Some(bytes) = bytes {
                transcode(bytes, lent.encoding, encoding, Rules::Tolerant, &mut all)?;
            }
            Ok(Span { start: start as u32, end: all.len() as u32 })
        };
        let (args, kwargs) = (part(lent.args)?, part(lent.kwargs)?);
        let details = match details.len() {
            0 => Span::default(),
            len => Span { start: 0, end: len as u32 },
        };
        if all.len() > Tagged::REST as usize {
            return Err(CodecError { at: 0, what: "the payload is too large" });
        }
        let kwargs = Tagged::new(kwargs, encoding);
        Ok((details, Payload { frame: all.into(), args, kwargs }))
    }

    /// The encoding of both.
    #[inline]
    pub fn encoding(&self) -> Encoding {
        self.kwargs.encoding()
    }

    /// Lends args and kwargs.
    pub fn as_ref(&self) -> PayloadRef<'_> {
        PayloadRef { args: self.args(), kwargs: self.kwargs(), encoding: self.encoding() }
    }

    /// The args.
    #[inline]
    pub fn args(&self) -> Option<&[u8]> {
        self.args.slice(&self.frame)
    }

    /// The kwargs.
    #[inline]
    pub fn kwargs(&self) -> Option<&[u8]> {
        self.kwargs.span().slice(&self.frame)
    }

    /// The frame that this payload keeps alive.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_shares_its_frame() {
        let frame = Bytes::from_static(br#"[36,1,2,{},[1],{"a":2}]"#);
        let payload = PayloadRef {
            args: Some(&frame[11..14]),
            kwargs: Some(&frame[15..22]),
            encoding: Encoding::Json,
        };
        let owned = Payload::from_frame(&frame, payload);
        assert_eq!(owned.as_ref(), payload);
        assert_eq!(owned.as_ref().args, Some(&b"[1]"[..]));
    }

    #[test]
    fn a_copy_is_the_same() {
        for args in [None, Some(&b"[1]"[..])] {
            for kwargs in [None, Some(&b"{\"a\":2}"[..])] {
                let payload = PayloadRef { args, kwargs, encoding: Encoding::Json };
                assert_eq!(Payload::copied(payload).as_ref(), payload);
            }
        }
    }

    #[test]
    fn the_encoding_takes_no_room() {
        assert_eq!(size_of::<Payload>(), size_of::<Bytes>() + 2 * size_of::<Span>());
        for encoding in Encoding::ALL {
            for span in
                [Span::default(), Span { start: 1, end: 5 }, Span { start: 0, end: 1 << 29 }]
            {
                let tagged = Tagged::new(span, encoding);
                assert_eq!((tagged.span(), tagged.encoding()), (span, encoding));
            }
        }
    }

    #[test]
    fn a_payload_that_is_detached_keeps_no_block_alive() {
        let block = Bytes::from(b"[1][2]".to_vec());
        let mut copies = Copies::of([3, 3].into_iter());
        let mut payloads = [0, 3].map(|at| {
            let frame = block.slice(at..at + 3);
            let args = PayloadRef { args: Some(&frame), ..PayloadRef::NONE };
            Payload::from_frame(&frame, args)
        });
        payloads.iter_mut().for_each(|payload| payload.detach_into(&mut copies, 2));
        assert!(!block.is_unique(), "they are too large");
        payloads.iter_mut().for_each(|payload| payload.detach_into(&mut copies, 3));
        assert!(block.is_unique());
        assert_eq!(payloads.each_ref().map(|it| it.args().unwrap()), [b"[1]", b"[2]"]);
    }

    #[test]
    fn a_foreign_slice_is_absent() {
        assert_eq!(Span::new(b"abc", Some(b"x")), Span::default());
        assert_eq!(Span::new(b"abc", None).slice(b"abc"), None);
    }
}
