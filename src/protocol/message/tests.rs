//! Every message: its layout on the wire, the way there and back, and what is refused.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::codec::{Out, Rules, transcode};

/// The messages of the specification's layouts, with and without their optional parts.
const SAMPLES: &[&str] = &[
    r#"[1,"realm1",{"roles":{"caller":{}}}]"#,
    r#"[2,9129137332,{"roles":{"broker":{}}}]"#,
    r#"[3,{"message":"no"},"wamp.error.no_such_realm"]"#,
    r#"[3,{},"wamp.error.no_such_realm",[1],{"a":2}]"#,
    r#"[4,"wampcra",{"challenge":"x"}]"#,
    r#"[5,"secret",{}]"#,
    r#"[6,{},"wamp.close.system_shutdown"]"#,
    r#"[8,48,7814135,{},"com.myapp.error",["x"],{"a":1}]"#,
    r#"[16,239714735,{},"com.myapp.mytopic1"]"#,
    r#"[16,239714735,{"acknowledge":true},"com.myapp.mytopic1",[],{"color":"orange"}]"#,
    "[17,239714735,4429313566]",
    r#"[32,713845233,{},"com.myapp.mytopic1"]"#,
    "[33,713845233,5512315355]",
    "[34,85346237,5512315355]",
    "[35,85346237]",
    r#"[35,0,{"subscription":1293722,"reason":"wamp.authentication.lost"}]"#,
    r#"[36,5512315355,4429313566,{},["Hello, world!"]]"#,
    r#"[48,7814135,{},"com.myapp.ping"]"#,
    r#"[49,7814135,{"mode":"kill"}]"#,
    "[50,7814135,{},[30]]",
    r#"[64,25349185,{},"com.myapp.myprocedure1"]"#,
    "[65,25349185,2103333224]",
    "[66,788923562,2103333224]",
    "[67,788923562]",
    r#"[67,0,{"registration":1293722}]"#,
    r#"[68,6131533,9823526,{},["johnny"],{"firstname":"John"}]"#,
    r#"[69,6131533,{"mode":"kill"}]"#,
    "[70,6131533,{},[30]]",
];

fn encode(message: &Message<'_>, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sheet = Out::new(&mut bytes, encoding, Rules::Strict);
    message.write(&mut sheet);
    sheet.finish().unwrap();
    bytes
}

/// The sample in another encoding.
fn in_other(sample: &str, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    transcode(sample.as_bytes(), Encoding::Json, encoding, Rules::Strict, &mut bytes).unwrap();
    bytes
}

/// The result of reading a frame.
fn received<R>(
    frame: &[u8],
    encoding: Encoding,
    read: impl FnOnce(Result<Message<'_>, CodecError>) -> R,
) -> R {
    match Received::new(&Bytes::copy_from_slice(frame), encoding) {
        Ok(frame) => read(Message::from_received(&frame)),
        Err(error) => read(Err(error)),
    }
}

#[test]
fn every_message_survives_the_way_there_and_back() {
    for sample in SAMPLES {
        let message =
            Message::decode(sample.as_bytes()).unwrap_or_else(|e| panic!("{sample}: {e}"));
        assert_eq!(String::from_utf8(encode(&message, Encoding::Json)).unwrap(), *sample);
        for encoding in [Encoding::MsgPack, Encoding::Cbor] {
            let bytes = in_other(sample, encoding);
            assert_eq!(encode(&message, encoding), bytes, "{sample}");
            let (json, again) = received(&bytes, encoding, |message| {
                let message = message.unwrap_or_else(|e| panic!("{sample} in {encoding:?}: {e}"));
                (encode(&message, Encoding::Json), encode(&message, encoding))
            });
            assert_eq!(String::from_utf8(json).unwrap(), *sample);
            assert_eq!(again, bytes);
        }
    }
}

#[test]
fn every_truncated_message_is_refused() {
    for sample in SAMPLES {
        for end in 0..sample.len() {
            assert!(Message::decode(&sample.as_bytes()[..end]).is_err(), "{}", &sample[..end]);
        }
        for encoding in [Encoding::MsgPack, Encoding::Cbor] {
            let bytes = in_other(sample, encoding);
            for end in 0..bytes.len() {
                assert!(received(&bytes[..end], encoding, |m| m.is_err()), "{sample} {end}");
            }
        }
    }
}

#[test]
fn unknown_types_are_told_apart() {
    assert_eq!(Message::decode(b"[1023,1]"), Ok(Message::Extension(1023)));
    for bad in ["[7,1]", "[1024]", "[0]", "[\"16\",1]", "[]", "[-1]", "[true]"] {
        assert!(Message::decode(bad.as_bytes()).is_err(), "{bad} was accepted");
    }
}

#[test]
fn wrong_positional_types_are_refused() {
    for bad in [
        r#"[36,"1",2,{}]"#,
        "[36,1,2,[1]]",
        "[36,1,2,1]",
        r#"[36,1,2,{},{"a":1}]"#,
        "[36,1,2,{},[],[1]]",
        r#"[36,0,2,{}]"#,
        "[50,1]",
        r#"[8,48,1,{},5]"#,
        "[36,1,2,{},[foo]]",
        "[36,1,2,{},[1,2}]",
    ] {
        assert!(Message::decode(bad.as_bytes()).is_err(), "{bad} was accepted");
        for encoding in [Encoding::MsgPack, Encoding::Cbor] {
            if bad.contains("foo") || bad.contains("2}") {
                continue;
            }
            let bytes = in_other(bad, encoding);
            assert!(received(&bytes, encoding, |m| m.is_err()), "{bad} was accepted");
        }
    }
}

#[test]
fn what_only_the_binary_encodings_have_is_read() {
    // Without lengths, tagged as CBOR, with ids as doubles and a binary in place of args.
    let cbor = b"\xd9\xd9\xf7\x9f\x18\x24\xfb\x40\x08\0\0\0\0\0\0\x04\xbf\x65topic\x61a\xff\x42\x01\x02\xff";
    received(cbor, Encoding::Cbor, |message| {
        let Ok(Message::Event(event)) = message else { panic!("{message:?}") };
        assert_eq!((event.subscription, event.publication), (3, 4));
        assert_eq!(event.details.as_bytes(), br#"{"topic":"a"}"#);
        assert_eq!(event.payload.args, Some(&b"\x42\x01\x02"[..]));
        assert_eq!(event.payload.encoding, Encoding::Cbor);
    });
    for bad in
        [&b"\x85\x18\x24\x01\x02\xa1\x61a"[..], b"\x80", b"\xa0", b"\x81\x61a", b"\x82\x11\x20"]
    {
        assert!(received(bad, Encoding::Cbor, |m| m.is_err()), "{bad:x?}");
    }
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Message::decode(&bytes);
        received(&bytes, Encoding::MsgPack, |_| ());
        received(&bytes, Encoding::Cbor, |_| ());
    }

    #[test]
    fn a_damaged_message_never_panics(sample in 0..SAMPLES.len(), at in 0..80usize, byte: u8) {
        let mut bytes = SAMPLES[sample].as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Message::decode(&bytes);
        for encoding in [Encoding::MsgPack, Encoding::Cbor] {
            let mut bytes = in_other(SAMPLES[sample], encoding);
            let at = at % bytes.len();
            bytes[at] = byte;
            received(&bytes, encoding, |_| ());
        }
    }
}
