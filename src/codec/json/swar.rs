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

/// The number that the digits at the start of `eight` write, and how many there are.
#[inline]
pub(super) fn leading_digits(eight: u64) -> (u64, usize) {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // Behind the first mark there may be wrong ones.
    let values = eight ^ ZEROS;
    let marks = (values.wrapping_add(0x7676_7676_7676_7676) | values) & TOPS;
    let count = marks.trailing_zeros() / 8;
    // As if zeros stood before them.
    let digits = values.checked_shl(64 - 8 * count).unwrap_or(0);
    // Pairs of digits, then of pairs, then of these.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff, count as usize)
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
        fn digits_are_read(text in "[0-9]{0,8}[0-9:/ a\u{0}]{0,8}|[0-9]{8}") {
            let mut eight = *b"........";
            let text: Vec<u8> = text.bytes().take(8).collect();
            eight[..text.len()].copy_from_slice(&text);
            let count = eight.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = str::from_utf8(&eight[..count]).unwrap().parse().unwrap_or(0);
            prop_assert_eq!(leading_digits(u64::from_le_bytes(eight)), (number, count));
        }

        #[test]
        fn digits_end_at_any_byte(eight in any::<[u8; 8]>()) {
            let count = eight.iter().take_while(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(leading_digits(u64::from_le_bytes(eight)).1, count);
        }
    }
}
