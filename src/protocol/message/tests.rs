//! Every message: its layout on the wire, the way there and back, and what is refused.

use proptest::prelude::*;

use super::*;

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

fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Hello(m) => m.write(&mut out),
        Message::Welcome(m) => m.write(&mut out),
        Message::Abort(m) => m.write(&mut out),
        Message::Challenge(m) => m.write(&mut out),
        Message::Authenticate(m) => m.write(&mut out),
        Message::Goodbye(m) => m.write(&mut out),
        Message::Error(m) => m.write(&mut out),
        Message::Publish(m) => m.write(&mut out),
        Message::Published(m) => m.write(&mut out),
        Message::Subscribe(m) => m.write(&mut out),
        Message::Subscribed(m) => m.write(&mut out),
        Message::Unsubscribe(m) => m.write(&mut out),
        Message::Unsubscribed(m) => m.write(&mut out),
        Message::Event(m) => m.write(&mut out),
        Message::Call(m) => m.write(&mut out),
        Message::Cancel(m) => m.write(&mut out),
        Message::Result(m) => m.write(&mut out),
        Message::Register(m) => m.write(&mut out),
        Message::Registered(m) => m.write(&mut out),
        Message::Unregister(m) => m.write(&mut out),
        Message::Unregistered(m) => m.write(&mut out),
        Message::Invocation(m) => m.write(&mut out),
        Message::Interrupt(m) => m.write(&mut out),
        Message::Yield(m) => m.write(&mut out),
        Message::Extension(_) => {}
    }
    out
}

#[test]
fn every_message_survives_the_way_there_and_back() {
    for sample in SAMPLES {
        let message =
            Message::decode(sample.as_bytes()).unwrap_or_else(|e| panic!("{sample}: {e}"));
        assert_eq!(String::from_utf8(encode(&message)).unwrap(), *sample);
    }
}

#[test]
fn every_truncated_message_is_refused() {
    for sample in SAMPLES {
        for end in 0..sample.len() {
            assert!(Message::decode(&sample.as_bytes()[..end]).is_err(), "{}", &sample[..end]);
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
        "[36,1,2,[]]",
        r#"[36,1,2,{},{"a":1}]"#,
        "[36,1,2,{},[],[]]",
        r#"[36,0,2,{}]"#,
        "[50,1]",
        r#"[8,48,1,{},5]"#,
        "[36,1,2,{},[foo]]",
        "[36,1,2,{},[1,2}]",
    ] {
        assert!(Message::decode(bad.as_bytes()).is_err(), "{bad} was accepted");
    }
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Message::decode(&bytes);
    }

    #[test]
    fn a_damaged_message_never_panics(sample in 0..SAMPLES.len(), at in 0..80usize, byte: u8) {
        let mut bytes = SAMPLES[sample].as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Message::decode(&bytes);
    }
}
