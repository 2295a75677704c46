//! Messages as a client reads them: decoded, looked at, written and read again.

use bytes::Bytes;

use wamp::codec::reader::{message_code, message_text};
use wamp::codec::{
    CodecError, Dict, Encoding, Out, Payload, PayloadRef, Received, Rules, Span, json, transcode,
};
use wamp::protocol::Message;

use super::{encoding, tree};

/// What the library asks details for, each by several types.
const KEYS: [&str; 12] = [
    "topic",
    "procedure",
    "progress",
    "receive_progress",
    "reason",
    "message",
    "mode",
    "roles",
    "realm",
    "subscription",
    "registration",
    "timeout",
];

/// The first byte is the encoding, the rest a message.
pub fn run(data: &[u8]) {
    let Some((encoding, frame)) = encoding(data) else {
        return;
    };
    message_code(frame, encoding);
    message_text(frame, encoding);
    // The transports let no other JSON pass.
    if encoding == Encoding::Json && std::str::from_utf8(frame).is_err() {
        let _ = Message::decode(frame);
        return;
    }
    let Ok(received) = Received::new(&Bytes::copy_from_slice(frame), encoding) else {
        return;
    };
    let Ok(message) = Message::from_received(&received) else {
        return;
    };
    assert_eq!(message_code(frame, encoding), Some(message.code() as usize));
    let (dict, payload) = parts(&message);
    if let Some(dict) = dict {
        look_at_dict(dict);
        let span = Span::from_dict(received.frame(), dict);
        assert_eq!(span.slice(received.frame()), Some(dict.as_bytes()));
    }
    look_at_payload(received.frame(), dict.unwrap_or(Dict::EMPTY), payload);
    if !matches!(message, Message::Extension(_)) {
        write_again(&message, encoding);
    }
}

/// Written in its own encoding, it is the same message. In another one it is one, too.
fn write_again(message: &Message<'_>, encoding: Encoding) {
    let second = written(message, encoding, Rules::Strict).expect("what was read can be written");
    with(&second, encoding, |again| {
        assert_eq!((again.code(), parts(again).1), (message.code(), as_written(parts(message).1)));
        assert_eq!(
            without_dict(again, encoding),
            without_dict(message, encoding),
            "ids and texts of {message:?}"
        );
        same_dict(parts(message).0, parts(again).0);
        let third = written(again, encoding, Rules::Strict).expect("what was written");
        // A number that only JSON can hold becomes infinity, and then there is none.
        let same = parts(message).0 == parts(again).0;
        assert!(!same || third == second, "{third:?} and {second:?}");
        with(&third, encoding, |again| {
            assert_eq!(written(again, encoding, Rules::Strict).as_ref(), Ok(&third));
        });
    });
    for other in Encoding::ALL {
        let passed_on = written(message, other, Rules::Tolerant);
        if let Some(passed_on) = tree::within_limits(passed_on) {
            with(&passed_on, other, |again| assert_eq!(again.code(), message.code()));
        }
    }
}

/// Reads what we have written.
fn with(frame: &[u8], encoding: Encoding, look: impl FnOnce(&Message<'_>)) {
    let received = Received::new(&Bytes::copy_from_slice(frame), encoding);
    let received = received.expect("a message of ours");
    look(&Message::from_received(&received).expect("a message of ours"));
}

/// Before kwargs there are always args.
fn as_written(payload: PayloadRef<'_>) -> PayloadRef<'_> {
    let empty: &[u8] = match payload.encoding {
        Encoding::Json => b"[]",
        Encoding::MsgPack => b"\x90",
        Encoding::Cbor => b"\x80",
    };
    PayloadRef { args: payload.args.or(payload.kwargs.map(|_| empty)), ..payload }
}

/// The message with neither dict nor payload, to compare the rest of it.
fn without_dict(message: &Message<'_>, encoding: Encoding) -> Vec<u8> {
    let mut bare = message.clone();
    let (dict, payload) = parts_mut(&mut bare);
    if let Some(dict) = dict {
        *dict = Dict::EMPTY;
    }
    if let Some(payload) = payload {
        *payload = PayloadRef::NONE;
    }
    written(&bare, encoding, Rules::Strict).expect("nothing that could be refused")
}

/// A double may be written in another way; and one that JSON alone can write is null then.
fn same_dict(one: Option<Dict<'_>>, other: Option<Dict<'_>>) {
    let tree = |dict: Dict<'_>| tree::look(Encoding::Json, dict.as_bytes());
    let (Some(one), Some(other)) = (one, other) else {
        assert_eq!(one, other);
        return;
    };
    if one == other {
        return;
    }
    let mut cbor = Vec::new();
    transcode(one.as_bytes(), Encoding::Json, Encoding::Cbor, Rules::Tolerant, &mut cbor)
        .expect("a dict that was written");
    let mut plain = Vec::new();
    transcode(&cbor, Encoding::Cbor, Encoding::Json, Rules::Tolerant, &mut plain)
        .expect("a dict that was read");
    let (plain, other) = (tree(Dict::from_checked(&plain)), tree(other));
    let (plain, other) = plain.zip(other).expect("dicts that are not too deep");
    assert!(tree::same((&plain, 0), (&other, 0)), "{plain:?} and {other:?}");
}

fn look_at_dict(dict: Dict<'_>) {
    tree::look(Encoding::Json, dict.as_bytes());
    let checked = json::check_dict(dict.as_bytes(), Rules::Tolerant);
    assert_eq!(checked, Ok(dict.as_bytes()));
    let entries = dict.entries().count();
    assert_eq!(entries == 0, dict.is_empty());
    for (key, value) in dict.entries().take(8) {
        json::check_value(value, Rules::Tolerant).expect("a value");
        let key = std::str::from_utf8(key).expect("UTF-8");
        assert!(dict.get(key).is_some());
    }
    for key in KEYS {
        let _ = (dict.bool(key), dict.uint(key));
        if let Ok(Some(id)) = dict.id(key) {
            assert!((1..=1 << 53).contains(&id));
        }
        let is_text = dict.text(key).is_ok_and(|text| text.is_some());
        assert_eq!(is_text, dict.get(key).is_some_and(|value| value[0] == b'"'));
        if let Ok(Some(inner)) = dict.dict(key) {
            for (key, _) in inner.entries().take(8) {
                inner.get(std::str::from_utf8(key).expect("UTF-8")).expect("a value");
            }
        }
    }
}

fn look_at_payload(frame: &Bytes, dict: Dict<'_>, payload: PayloadRef<'_>) {
    let kept = Payload::from_frame(frame, payload);
    if !payload.is_empty() {
        assert_eq!(kept.as_ref(), payload);
    }
    for part in [payload.args, payload.kwargs].into_iter().flatten() {
        tree::look(payload.encoding, part);
    }
    let details = Span::from_dict(frame, dict);
    for encoding in Encoding::ALL {
        let Some((details, other)) = tree::within_limits(kept.transcoded(details, encoding)) else {
            continue;
        };
        let lent = other.as_ref();
        assert_eq!(details.slice(other.frame()), Some(dict.as_bytes()));
        assert_eq!(lent.args.is_some(), payload.args.is_some());
        assert_eq!(lent.kwargs.is_some(), payload.kwargs.is_some());
        for part in [lent.args, lent.kwargs].into_iter().flatten() {
            tree::look(encoding, part);
        }
    }
}

/// Dict and payload of a message.
fn parts<'a>(message: &Message<'a>) -> (Option<Dict<'a>>, PayloadRef<'a>) {
    let mut message = message.clone();
    let (dict, payload) = parts_mut(&mut message);
    (dict.copied(), payload.copied().unwrap_or(PayloadRef::NONE))
}

type Parts<'m, 'a> = (Option<&'m mut Dict<'a>>, Option<&'m mut PayloadRef<'a>>);

fn parts_mut<'m, 'a>(message: &'m mut Message<'a>) -> Parts<'m, 'a> {
    match message {
        Message::Hello(m) => (Some(&mut m.details), None),
        Message::Welcome(m) => (Some(&mut m.details), None),
        Message::Abort(m) => (Some(&mut m.details), Some(&mut m.payload)),
        Message::Challenge(m) => (Some(&mut m.extra), None),
        Message::Authenticate(m) => (Some(&mut m.extra), None),
        Message::Goodbye(m) => (Some(&mut m.details), None),
        Message::Error(m) => (Some(&mut m.details), Some(&mut m.payload)),
        Message::Publish(m) => (Some(&mut m.options), Some(&mut m.payload)),
        Message::Subscribe(m) => (Some(&mut m.options), None),
        Message::Unsubscribed(m) => (m.details.as_mut(), None),
        Message::Event(m) => (Some(&mut m.details), Some(&mut m.payload)),
        Message::Call(m) => (Some(&mut m.options), Some(&mut m.payload)),
        Message::Cancel(m) => (Some(&mut m.options), None),
        Message::Result(m) => (Some(&mut m.details), Some(&mut m.payload)),
        Message::Register(m) => (Some(&mut m.options), None),
        Message::Unregistered(m) => (m.details.as_mut(), None),
        Message::Invocation(m) => (Some(&mut m.details), Some(&mut m.payload)),
        Message::Interrupt(m) => (Some(&mut m.options), None),
        Message::Yield(m) => (Some(&mut m.options), Some(&mut m.payload)),
        Message::Published(_)
        | Message::Subscribed(_)
        | Message::Unsubscribe(_)
        | Message::Registered(_)
        | Message::Unregister(_)
        | Message::Extension(_) => (None, None),
    }
}

fn written(message: &Message<'_>, encoding: Encoding, rules: Rules) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    let mut sheet = Out::new(&mut bytes, encoding, rules);
    message.write(&mut sheet);
    sheet.finish()?;
    Ok(bytes)
}
