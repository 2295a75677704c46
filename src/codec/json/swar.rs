//! Eight characters at a time, in one register. The first is the lowest byte.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// Marks of the quotes, backslashes and control characters in `eight`: the top bits of their bytes.
/// Behind the first mark there may be wrong ones; 0: there is none.
#[inline]
pub(super) fn specials(eight: u64) -> u64 {
    let below = |limit: u8| eight.wrapping_sub(ONES * u64::from(limit)) & !eight;
    let equal = |byte: u8| {
        let difference = eight ^ (ONES * u64::from(byte));
        difference.wrapping_sub(ONES) & !difference
    };
    (below(0x20) | equal(b'"') | equal(b'\\')) & TOPS
}

/// The number that eight digits write; `None` if they are not all digits.
#[inline]
pub(super) fn eight_digits(eight: u64) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const HIGH_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    let above_nine = eight.wrapping_add(0x0606_0606_0606_0606);
    if eight & HIGH_HALVES != ZEROS || above_nine & HIGH_HALVES != ZEROS {
        return None;
    }
    // Pairs of digits, then of pairs, then of these.
    let digits = eight - ZEROS;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    #[test]
    fn every_byte_is_told_in_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut eight = *b"a~\xff 5z\x80\x7f";
                eight[at] = byte;
                let marks = specials(u64::from_le_bytes(eight));
                let found = (marks != 0).then(|| marks.trailing_zeros() as usize / 8);
                assert_eq!(found, is_special(byte).then_some(at), "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_special_is_found(eight in any::<[u8; 8]>()) {
            let marks = specials(u64::from_le_bytes(eight));
            let found = (marks != 0).then(|| marks.trailing_zeros() as usize / 8);
            prop_assert_eq!(found, eight.iter().position(|byte| is_special(*byte)));
        }

        #[test]
        fn digits_are_read(text in "[0-9:/ a]{8}|[0-9]{8}") {
            let eight: [u8; 8] = text.as_bytes().try_into().unwrap();
            let read = eight_digits(u64::from_le_bytes(eight));
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(read, is_number.then(|| text.parse().unwrap()));
        }
    }
}
