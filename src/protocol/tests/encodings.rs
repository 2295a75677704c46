//! Sessions whose wire is not JSON.

use super::*;
use crate::codec::{Encoding, Rules, transcode};

fn to(encoding: Encoding, json: &str) -> Bytes {
    let mut bytes = Vec::new();
    transcode(json.as_bytes(), Encoding::Json, encoding, Rules::Strict, &mut bytes).unwrap();
    bytes.into()
}

/// An open session, whose HELLO has been taken.
fn joined(encoding: Encoding) -> Session<&'static str> {
    let mut session = Session::new(Config {
        realm: "realm1".to_owned(),
        hello: br#"{"roles":{}}"#.to_vec(),
        encoding,
        max_message_size: 1000,
        ids_above: 0,
        gate: None,
    });
    assert_eq!(session.take_outbox().message(0), to(encoding, r#"[1,"realm1",{"roles":{}}]"#));
    session.receive(&to(encoding, r#"[2,1,{"roles":{"broker":{},"dealer":{}}}]"#));
    assert_eq!(session.phase(), Phase::Open);
    session
}

#[test]
fn what_is_malformed_ends_the_session() {
    for encoding in [Encoding::MsgPack, Encoding::Cbor] {
        let event = to(encoding, r#"[36,1,2,{"topic":"a"},["x"]]"#);
        let mut bad: Vec<Bytes> = (0..event.len()).map(|end| event.slice(..end)).collect();
        bad.push([&event[..], b"\0"].concat().into());
        bad.push(to(encoding, r#"[36,1,2,[1],["x"]]"#));
        bad.push(to(encoding, r#"[36,"1",2,{}]"#));
        bad.push(to(encoding, r#"{"36":1}"#));
        bad.push(Bytes::from_static(b"\xdd\xff\xff\xff\xff\x24"));
        bad.push(Bytes::from_static(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x24"));
        bad.push(Bytes::from(vec![0x91; 100_000]));
        bad.push(Bytes::from(vec![0x9f; 100_000]));
        bad.push(Bytes::from_static(b"[36,1,2,{}]"));
        for bad in bad {
            let mut session = joined(encoding);
            session.receive(&bad);
            assert!(matches!(session.take_ended(), Some(SessionEnd::Violation { .. })), "{bad:x?}");
            let abort = session.take_outbox().message(0);
            let text = crate::codec::reader::message_text(&abort, encoding);
            assert!(text.starts_with("[3,") && text.contains("protocol_violation"), "{text}");
        }
    }
}

#[test]
fn details_are_json_and_payloads_are_as_they_came() {
    for encoding in [Encoding::MsgPack, Encoding::Cbor] {
        let mut session = joined(encoding);
        session.subscribe("a", Dict::EMPTY, "topic").unwrap();
        session.receive(&to(encoding, "[33,1,7]"));
        drop(session.take_events());
        for details in [r#"{}"#, r#"{"publisher":5}"#] {
            session.receive(&to(encoding, &format!(r#"[36,7,2,{details},["x",1]]"#)));
            let event = session.take_events().next().unwrap();
            assert_eq!(event.details(), Some(details.as_bytes()));
            assert_eq!(event.payload.as_ref().encoding, encoding);
            assert_eq!(event.payload.as_ref().args, Some(&*to(encoding, r#"["x",1]"#)));
        }
    }
}
