//! Values on their way between the encodings.

mod values;

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use values::*;

fn over(value: &Value, route: &[Encoding]) -> Value {
    let mut encoding = route[0];
    let mut bytes = encode(value, encoding);
    for to in &route[1..] {
        let mut out = Vec::new();
        transcode(&bytes, encoding, *to, Rules::Strict, &mut out).unwrap();
        (bytes, encoding) = (out, *to);
    }
    decode(&bytes, encoding)
}

const JSON: Encoding = Encoding::Json;
const MSGPACK: Encoding = Encoding::MsgPack;
const CBOR: Encoding = Encoding::Cbor;

proptest! {
    #[test]
    fn common_values_survive_all_ways(value in common(leaf(), text())) {
        for a in Encoding::ALL {
            for b in Encoding::ALL {
                prop_assert_eq!(&over(&value, &[a, b]), &value);
                for c in Encoding::ALL {
                    prop_assert_eq!(&over(&value, &[a, b, c]), &value);
                }
            }
        }
    }

    #[test]
    fn the_binary_encodings_say_more(value in rich()) {
        prop_assert_eq!(&over(&value, &[MSGPACK, CBOR, MSGPACK]), &value);
        prop_assert_eq!(&over(&value, &[CBOR, MSGPACK, CBOR]), &value);
    }

    #[test]
    fn json_agrees_with_serde(value in common(leaf(), text())) {
        let mut out = Vec::new();
        transcode(&encode(&value, MSGPACK), MSGPACK, JSON, Rules::Strict, &mut out).unwrap();
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    }

    #[test]
    fn the_scanner_agrees_with_the_source(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            // Little but what the two have to see in the same way.
            prop::collection::vec(prop::sample::select(&b"\x9f\xbf\xc0\xc1\xc2\xc4\xc6\xd8\x20\xff\x01\x61\x41\x5f\x82\x81"[..]), 0..20),
        ],
    ) {
        let msgpack = binary::Scanner::<MsgPack>::new(&bytes).skip_value().map(<[u8]>::len);
        if let Ok(len) = msgpack {
            prop_assert_eq!(check(&bytes[..len], MSGPACK), Ok(()));
        } else {
            prop_assert!(check(&bytes, MSGPACK).is_err());
        }
        let cbor = binary::Scanner::<Cbor>::new(&bytes).skip_value().map(<[u8]>::len);
        if let Ok(len) = cbor {
            prop_assert_eq!(check(&bytes[..len], CBOR), Ok(()));
        } else {
            prop_assert!(check(&bytes, CBOR).is_err());
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for from in Encoding::ALL {
            for to in Encoding::ALL {
                for rules in [Rules::Strict, Rules::Tolerant] {
                    let mut out = Vec::new();
                    let done = transcode(&bytes, from, to, rules, &mut out);
                    if done.is_ok() && from != to {
                        check(&out, to).unwrap();
                    }
                }
            }
        }
    }

    #[test]
    fn damage_never_panics(value in rich(), at: usize, byte: u8) {
        for from in [MSGPACK, CBOR] {
            let mut bytes = encode(&value, from);
            let at = at % bytes.len();
            bytes[at] = byte;
            for to in Encoding::ALL {
                let _ = transcode(&bytes, from, to, Rules::Tolerant, &mut Vec::new());
                let _ = transcode(&bytes[..at], from, to, Rules::Tolerant, &mut Vec::new());
            }
        }
    }
}

/// From hex digits or JSON text to hex digits or JSON text. `None`: refused.
fn change(from: Encoding, value: &str, to: Encoding, rules: Rules) -> Option<String> {
    let bytes = match from {
        JSON => value.as_bytes().to_vec(),
        _ => (0..value.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&value[at..at + 2], 16).unwrap())
            .collect(),
    };
    let mut out = Vec::new();
    transcode(&bytes, from, to, rules, &mut out).ok()?;
    Some(match to {
        JSON => String::from_utf8(out).unwrap(),
        _ => out.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

#[test]
fn the_table_of_rules_holds() {
    const REFUSED: Option<&str> = None;
    for (from, value, to, strict, tolerant) in [
        // Whole numbers.
        (JSON, "18446744073709551615", CBOR, Some("1bffffffffffffffff"), "1bffffffffffffffff"),
        (JSON, "-18446744073709551616", CBOR, Some("3bffffffffffffffff"), "3bffffffffffffffff"),
        (
            JSON,
            "18446744073709551616",
            CBOR,
            Some("c249010000000000000000"),
            "c249010000000000000000",
        ),
        (JSON, "18446744073709551616", MSGPACK, REFUSED, "cb43f0000000000000"),
        (JSON, "-9223372036854775809", MSGPACK, REFUSED, "cbc3e0000000000000"),
        (JSON, "-9223372036854775808", MSGPACK, Some("d38000000000000000"), "d38000000000000000"),
        (
            CBOR,
            "c249010000000000000000",
            JSON,
            Some("18446744073709551616"),
            "18446744073709551616",
        ),
        (
            CBOR,
            "c349010000000000000000",
            JSON,
            Some("-18446744073709551617"),
            "-18446744073709551617",
        ),
        (CBOR, "c24101", MSGPACK, Some("01"), "01"),
        // Other numbers.
        (JSON, "1.0", MSGPACK, Some("cb3ff0000000000000"), "cb3ff0000000000000"),
        (MSGPACK, "cb3ff0000000000000", JSON, Some("1.0"), "1.0"),
        (MSGPACK, "ca3fc00000", CBOR, Some("fb3ff8000000000000"), "fb3ff8000000000000"),
        (CBOR, "f93e00", JSON, Some("1.5"), "1.5"),
        (CBOR, "f97e00", JSON, REFUSED, "null"),
        (CBOR, "f97c00", MSGPACK, Some("cb7ff0000000000000"), "cb7ff0000000000000"),
        (JSON, "1e400", CBOR, REFUSED, "fb7ff0000000000000"),
        (CBOR, "c48221196ab3", JSON, Some("27315e-2"), "27315e-2"),
        (CBOR, "c49f21196ab3ff", JSON, Some("27315e-2"), "27315e-2"),
        (CBOR, "c49f2105ff", JSON, Some("5e-2"), "5e-2"),
        (CBOR, "c49f210505ff", JSON, None, "[-2,5,5]"),
        (CBOR, "c49f21ff", JSON, None, "[-2]"),
        (CBOR, "c49fff", JSON, None, "[]"),
        (CBOR, "c482000b", JSON, Some("11e0"), "11e0"),
        (CBOR, "c482611c01", JSON, REFUSED, r#"["\u001c",1]"#),
        (CBOR, "c482411900", JSON, REFUSED, r#"["\u0000GQ==",0]"#),
        (CBOR, "c482000b", MSGPACK, Some("cb4026000000000000"), "cb4026000000000000"),
        (CBOR, "c48221196ab3", MSGPACK, Some("cb4071126666666666"), "cb4071126666666666"),
        // Text, binary, keys.
        (JSON, r#""\u0000AAEC""#, MSGPACK, Some("c403000102"), "c403000102"),
        (CBOR, "43000102", JSON, Some(r#""\u0000AAEC""#), r#""\u0000AAEC""#),
        (JSON, r#""\u0000?""#, CBOR, Some("62003f"), "62003f"),
        (CBOR, "62003f", JSON, REFUSED, r#""\u0000?""#),
        (JSON, r#""\ud83d\ude00""#, CBOR, Some("64f09f9880"), "64f09f9880"),
        (JSON, r#""\ud800""#, CBOR, REFUSED, "63efbfbd"),
        (JSON, r#"["a\ude00\ud83d"]"#, MSGPACK, REFUSED, "91a761efbfbdefbfbd"),
        (JSON, r#"{"\ud800":1}"#, MSGPACK, REFUSED, "81a3efbfbd01"),
        (CBOR, "a101f5", JSON, REFUSED, r#"{"1":true}"#),
        (CBOR, "a14100f5", JSON, REFUSED, r#"{"\u0000AA==":true}"#),
        (CBOR, "a101f5", MSGPACK, Some("8101c3"), "8101c3"),
        (JSON, r#"{"a":1,"a":2}"#, MSGPACK, Some("82a16101a16102"), "82a16101a16102"),
        (MSGPACK, "82a16101a16102", JSON, Some(r#"{"a":1,"a":2}"#), r#"{"a":1,"a":2}"#),
        // Without a length.
        (CBOR, "9f018202039f0405ffff", JSON, Some("[1,[2,3],[4,5]]"), "[1,[2,3],[4,5]]"),
        (
            CBOR,
            "bf6346756ef563416d7421ff",
            MSGPACK,
            Some("82a346756ec3a3416d74fe"),
            "82a346756ec3a3416d74fe",
        ),
        (CBOR, "7f657374726561646d696e67ff", JSON, Some(r#""streaming""#), r#""streaming""#),
        (CBOR, "5f42010243030405ff", MSGPACK, Some("c4050102030405"), "c4050102030405"),
        // Time.
        (CBOR, "c11a514b67b0", MSGPACK, Some("d6ff514b67b0"), "d6ff514b67b0"),
        (
            CBOR,
            "c11a514b67b0",
            JSON,
            Some(r#""2013-03-21T20:04:00Z""#),
            r#""2013-03-21T20:04:00Z""#,
        ),
        (
            CBOR,
            "c074323031332d30332d32315432303a30343a30305a",
            MSGPACK,
            Some("d6ff514b67b0"),
            "d6ff514b67b0",
        ),
        (
            CBOR,
            "c1fb41d452d9ec200000",
            MSGPACK,
            Some("d7ff77359400514b67b0"),
            "d7ff77359400514b67b0",
        ),
        (MSGPACK, "d6ff514b67b0", CBOR, Some("c11a514b67b0"), "c11a514b67b0"),
        // Before the year 0 and after 9999, where RFC 3339 has no text.
        (
            CBOR,
            "c13b0000000e79747bff",
            JSON,
            Some(r#""0000-01-01T00:00:00Z""#),
            r#""0000-01-01T00:00:00Z""#,
        ),
        (CBOR, "c13b0000000e79747c00", JSON, REFUSED, "-62167219201"),
        (CBOR, "c11b0000003afff44180", JSON, REFUSED, "253402300800"),
        (
            CBOR,
            "c11b0000003afff44180",
            MSGPACK,
            Some("c70cff000000000000003afff44180"),
            "c70cff000000000000003afff44180",
        ),
        (
            MSGPACK,
            "c70cff000000000000003afff44180",
            CBOR,
            Some("c11b0000003afff44180"),
            "c11b0000003afff44180",
        ),
        (MSGPACK, "c70cff000000010000003afff44180", CBOR, REFUSED, "c1fb424d7ffa20c00000"),
        // 30 February, and an offset of more than a day.
        (
            CBOR,
            "c074323031332d30322d33305432303a30343a30305a",
            MSGPACK,
            REFUSED,
            "b4323031332d30322d33305432303a30343a30305a",
        ),
        (
            CBOR,
            "c07819323031332d30322d32385432303a30343a30302b32343a3030",
            JSON,
            REFUSED,
            r#""2013-02-28T20:04:00+24:00""#,
        ),
        // A leap second, and more digits than a timestamp has.
        (
            CBOR,
            "c074323031362d31322d33315432333a35393a36305a",
            JSON,
            REFUSED,
            r#""2016-12-31T23:59:60Z""#,
        ),
        (
            CBOR,
            "c0781f323031332d30332d32315432303a30343a30302e303030303030303030315a",
            JSON,
            REFUSED,
            r#""2013-03-21T20:04:00.0000000001Z""#,
        ),
        // What only one of them has.
        (CBOR, "f7", JSON, Some("null"), "null"),
        (CBOR, "f0", MSGPACK, Some("c0"), "c0"),
        (CBOR, "d818420102", JSON, REFUSED, r#""\u0000AQI=""#),
        (CBOR, "82d8184101f5", MSGPACK, REFUSED, "92c40101c3"),
        (CBOR, "9fd81841011bffffffffffffffffff", MSGPACK, REFUSED, "92c40101cfffffffffffffffff"),
        (CBOR, "d9d9f78101", JSON, Some("[1]"), "[1]"),
        (MSGPACK, "d40507", CBOR, REFUSED, "4107"),
        (MSGPACK, "d40507", JSON, REFUSED, r#""\u0000Bw==""#),
    ] {
        let told = change(from, value, to, Rules::Strict);
        assert_eq!(told.as_deref(), strict, "{value} to {to:?}");
        let told = change(from, value, to, Rules::Tolerant);
        assert_eq!(told.as_deref(), Some(tolerant), "{value} to {to:?}");
    }
    // In any case.
    assert_eq!(change(CBOR, "a180f5", JSON, Rules::Tolerant), None);
    assert_eq!(change(CBOR, "a180f5", MSGPACK, Rules::Strict).as_deref(), Some("8190c3"));
}

#[test]
fn depth_is_limited() {
    let deep = |open: &str, inner: &str, close: &str, levels: usize| {
        open.repeat(levels) + inner + &close.repeat(levels)
    };
    for (from, open, inner, close) in [
        (JSON, "[", "", "]"),
        (MSGPACK, "91", "01", ""),
        (CBOR, "81", "01", ""),
        (CBOR, "9f", "", "ff"),
    ] {
        let to = if from == CBOR { MSGPACK } else { CBOR };
        assert!(change(from, &deep(open, inner, close, 128), to, Rules::Tolerant).is_some());
        assert!(change(from, &deep(open, inner, close, 129), to, Rules::Tolerant).is_none());
    }
    // The scanner neither recurses nor grows.
    let deep = vec![0x91; 1_000_000];
    assert!(binary::Scanner::<MsgPack>::new(&deep).skip_value().is_err());
    assert!(binary::Scanner::<MsgPack>::new(&[deep, vec![0]].concat()).skip_value().is_ok());
    assert!(binary::Scanner::<Cbor>::new(&vec![0x9f; 1_000_000]).skip_value().is_err());
    assert!(binary::Scanner::<Cbor>::new(&vec![0xc1; 1_000_000]).skip_value().is_err());
}

/// The beginning of a decimal fraction is not read further than it takes to see that it is none:
/// what stands in a text may look like a mantissa with all the rest in it.
#[test]
fn a_value_is_not_read_over_and_over() {
    let takes = |times: usize| {
        let each = 11;
        let mut bytes = vec![0x9f];
        for number in 1..=times {
            let rest = (times - number) * each + 2;
            bytes.extend([0xc4, 0x82, 0x47, 0xc2, 0x5f, 0x5a]);
            bytes.extend((rest as u32).to_be_bytes());
            bytes.push(0);
        }
        bytes.extend([0x41, 0xff, 0xff]);
        let begun = Instant::now();
        let mut out = Vec::new();
        transcode(&bytes, CBOR, JSON, Rules::Tolerant, &mut out).unwrap();
        assert!(out.starts_with(br#"[["\u0000"#));
        begun.elapsed()
    };
    // In a moment, rather than in the half minute and more that copying the rest each time takes.
    // An emulated processor takes longer, but for ten times as much not a hundred times as long.
    let limit = Duration::from_secs(15).max(30 * takes(40_000));
    let took = takes(400_000);
    assert!(took < limit, "{took:?} of {limit:?}");
}

#[test]
fn lengths_are_not_believed() {
    for huge in ["ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff00"] {
        assert_eq!(change(MSGPACK, huge, CBOR, Rules::Tolerant), None, "{huge}");
    }
    for huge in
        ["9bffffffffffffffff", "bb8000000000000000", "7bffffffffffffffff", "5bffffffffffffffff"]
    {
        assert_eq!(change(CBOR, huge, MSGPACK, Rules::Tolerant), None, "{huge}");
    }
    for bad in
        ["ff", "82", "8201", "bf01ff", "7f4101ff", "5f6161ff", "1f", "1c", "f800", "61ff", "0001"]
    {
        assert_eq!(change(CBOR, bad, MSGPACK, Rules::Tolerant), None, "{bad}");
    }
    // A tag, and nothing that has it.
    for bad in ["9fc6ff", "bfc6ff", "9f01d820ff", "9f01c6c7ff", "9fd9d9f7ff", "bf01c6ff", "c6"] {
        assert_eq!(change(CBOR, bad, MSGPACK, Rules::Tolerant), None, "{bad}");
    }
    for bad in ["c1", "92", "9201", "a1ff", "0001", "", "81"] {
        assert_eq!(change(MSGPACK, bad, CBOR, Rules::Tolerant), None, "{bad}");
    }
}
