//! The heads of frames, and their masks (RFC 6455, section 5).
//!
//! ```text
//!   fin, rsv1, rsv2, rsv3, opcode | mask bit, size | size: 0, 2 or 8 bytes | mask: 0 or 4 bytes
//! ```

use super::Broken;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The most bytes that stand before a payload.
pub(super) const MAX_HEAD: usize = 14;

/// The largest payload of a control frame.
pub(super) const MAX_CONTROL: usize = 125;

/// The head before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Its own bytes.
    pub(super) len: usize,
    pub(super) opcode: Opcode,
    /// The last frame of its message.
    pub(super) fin: bool,
    /// Rsv1: the message is compressed, where that was agreed on.
    pub(super) compressed: bool,
    pub(super) mask: Option<[u8; 4]>,
    /// The bytes of the payload.
    pub(super) size: u64,
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// Reads a head; `None` if there is not all of it.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, Broken> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & RSV2_RSV3 != 0 {
        return Err(Broken::Protocol("a frame with reserved bits set"));
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(Broken::Protocol("a frame of an unknown kind")),
    };
    let (size, extended) = match second & !MASKED {
        126 => match rest.first_chunk() {
            Some(size) => (u64::from(u16::from_be_bytes(*size)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(size) => (u64::from_be_bytes(*size), 8),
            None => return Ok(None),
        },
        size => (u64::from(size), 0),
    };
    if size > u64::MAX >> 1 {
        return Err(Broken::Protocol("a frame whose size has its highest bit set"));
    }
    let mask = match second & MASKED {
        0 => None,
        _ => match rest[extended..].first_chunk() {
            Some(mask) => Some(*mask),
            None => return Ok(None),
        },
    };
    let (fin, compressed) = (first & FIN != 0, first & RSV1 != 0);
    if opcode.is_control() {
        if !fin || size > MAX_CONTROL as u64 {
            return Err(Broken::Protocol("a control frame that is too large or in parts"));
        }
        if compressed {
            return Err(Broken::Protocol("a control frame that is compressed"));
        }
    }
    let len = 2 + extended + if mask.is_some() { 4 } else { 0 };
    Ok(Some(Head { len, opcode, fin, compressed, mask, size }))
}

/// True if a closing frame begins here, whatever else may be wrong with it.
pub(super) fn is_close(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x0f == Opcode::Close as u8)
}

/// Appends a frame, which is the only one of its message.
#[inline]
pub(super) fn put(
    out: &mut Vec<u8>,
    opcode: Opcode,
    compressed: bool,
    mask: Option<[u8; 4]>,
    payload: &[u8],
) {
    let bit = if mask.is_some() { MASKED } else { 0 };
    out.reserve(MAX_HEAD + payload.len());
    out.push(FIN | if compressed { RSV1 } else { 0 } | opcode as u8);
    match payload.len() {
        size @ 0..126 => out.push(bit | size as u8),
        size @ 126..0x1_0000 => {
            out.push(bit | 126);
            out.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            out.push(bit | 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend_from_slice(&mask);
            let start = out.len();
            out.extend_from_slice(payload);
            apply(&mut out[start..], mask);
        }
    }
}

/// Masks a payload, or takes its mask away.
#[inline]
pub(super) fn apply(payload: &mut [u8], mask: [u8; 4]) {
    let word = u32::from_ne_bytes(mask);
    let long = u64::from(word) << 32 | u64::from(word);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ long).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_can_be_parsed() {
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
            for mask in [None, Some([1, 2, 3, 0xff])] {
                let mut bytes = Vec::new();
                put(&mut bytes, Opcode::Binary, size % 2 == 0, mask, &payload);
                let head = parse(&bytes).unwrap().unwrap();
                assert_eq!((head.opcode, head.fin, head.mask), (Opcode::Binary, true, mask));
                assert_eq!((head.size, head.compressed), (size as u64, size % 2 == 0));
                let mut rest = bytes[head.len..].to_vec();
                if let Some(mask) = mask {
                    assert!(size < 8 || rest != payload);
                    apply(&mut rest, mask);
                }
                assert_eq!(rest, payload);
                for cut in 0..head.len {
                    assert_eq!(parse(&bytes[..cut]).unwrap(), None, "{cut} bytes");
                }
            }
        }
    }

    #[test]
    fn masks_go_round() {
        let mut payload = [0; 11];
        apply(&mut payload, [1, 2, 3, 4]);
        assert_eq!(payload, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3]);
    }

    #[test]
    fn broken_heads() {
        let eight = [&[0x82, 127, 0x80][..], &[0; 7]].concat();
        for bad in [
            &[0xa1, 0][..], // rsv2
            &[0x91, 0],     // rsv3
            &[0x83, 0],     // an opcode that there is not
            &[0x8b, 0],     // and one among the control frames
            &[0x09, 0],     // a ping in parts
            &[0x89, 126, 0, 126],
            &[0xc9, 0], // a compressed ping
            &eight,
        ] {
            assert!(matches!(parse(bad), Err(Broken::Protocol(_))), "{bad:x?}");
        }
    }
}
