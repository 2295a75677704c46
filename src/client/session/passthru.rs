//! Payload passthru: payloads that routers carry without a look inside (advanced profile, "Payload
//! Passthru Mode"), and the older form of Autobahn and Crossbar.io ("payload transparency").
//!
//! | options | on the wire | the one binary holds |
//! |---|---|---|
//! | `ppt_scheme`, `ppt_serializer`, `ppt_cipher`, `ppt_keyid` | `[binary]` as args | `{"args": [..], "kwargs": {..}}` |
//! | `enc_algo`, `enc_serializer`, `enc_key` | the binary instead of args | the same |
//!
//! The binary is made and read by the application's [`Codec`](crate::client::payload_codec::Codec).
//! Without one, `ppt_serializer` `json` or `native`, which is the encoding of the connection,
//! without a cipher is done by ourselves; everything else must be given, and is delivered, as the
//! binary that it is on the wire.

use bytes::Bytes;

use crate::client::status::{Failure, Status};
use crate::client::sync::lock;
use crate::codec::check::is_bare;
use crate::codec::json::{Rules, check_dict, check_list, text};
use crate::codec::transcode::Source;
use crate::codec::{CodecError, Dict, Encoding, Payload, PayloadRef, Span, Token, transcode};
use crate::protocol::event::c_text;
use crate::protocol::uri;
use crate::protocol::{Cause, EventKind};

use super::callbacks::Slot;
use super::notice::{Notice, NoticeKind};
use super::shared::Shared;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Ppt,
    Enc,
}

impl Form {
    fn of(options: Dict<'_>) -> Option<Form> {
        if options.is_empty() {
            return None;
        }
        options.entries().find_map(|(key, _)| match key {
            b"ppt_scheme" => Some(Form::Ppt),
            b"enc_algo" => Some(Form::Enc),
            _ => None,
        })
    }
}

/// A payload as it goes out: as given, or wrapped.
pub(super) enum Outgoing<'a> {
    Given(PayloadRef<'a>),
    Wrapped(Vec<u8>),
}

impl Outgoing<'_> {
    pub(super) fn as_ref(&self) -> PayloadRef<'_> {
        match self {
            Outgoing::Given(payload) => *payload,
            Outgoing::Wrapped(args) => PayloadRef { args: Some(args), ..PayloadRef::NONE },
        }
    }
}

/// Wraps a payload as `options` want it.
#[inline]
pub(super) fn encode_payload<'a>(
    shared: &Shared,
    options: Dict<'_>,
    payload: PayloadRef<'a>,
    wire: Encoding,
) -> Result<Outgoing<'a>, Failure> {
    let form = Form::of(options);
    if form != Some(Form::Enc) {
        refuse_bare(payload)?;
    }
    let Some(form) = form else {
        return Ok(Outgoing::Given(payload));
    };
    let codec = lock(&shared.codec).clone();
    let bytes = match codec {
        Some(codec) => {
            let refused = || Failure::new(Status::Payload, "the codec refused the payload");
            codec.encode(options.as_bytes(), &plain(payload)?).ok_or_else(refused)?
        }
        None if let Some(encoding) = own_encoding(form, options, wire) => {
            let mut bytes = Vec::new();
            let json = plain(payload)?;
            transcode(&json, Encoding::Json, encoding, Rules::Strict, &mut bytes)
                .map_err(uncarried)?;
            bytes
        }
        // The application has made the binary itself.
        None if is_wrapped(form, payload) => return Ok(Outgoing::Given(payload)),
        None => {
            let text = "options of payload passthru: without a codec (see \
                        wamp_connection_set_codec) the args must be the one binary value \
                        itself, and kwargs absent";
            return Err(Failure::new(Status::Payload, text));
        }
    };
    let mut args = Vec::with_capacity(bytes.len() * 4 / 3 + 16);
    if form == Form::Ppt {
        args.push(b'[');
    }
    text::write_binary(&mut args, &bytes);
    if form == Form::Ppt {
        args.push(b']');
    }
    Ok(Outgoing::Wrapped(args))
}

/// Takes a received payload out of its wrapping, and brings it into the encoding in which the
/// application wants it. False if that fails: then the notice has become a failure, or, of what
/// is not the end of a request, is not for its receiver any more.
pub(super) fn decode_payload(shared: &Shared, notice: &mut Notice) -> bool {
    if !decode_passthru(shared, notice) {
        return false;
    }
    let payload = &notice.event.payload;
    let wanted = match &notice.session {
        Some(session) => session.options().payload_encoding,
        None => shared.options().payload_encoding,
    };
    let Some(wanted) = wanted else {
        return true;
    };
    if payload.encoding() == wanted || payload.as_ref().is_empty() {
        return true;
    }
    match payload.transcoded(notice.event.details, wanted) {
        Ok((details, payload)) => {
            (notice.event.details, notice.event.payload) = (details, payload);
            true
        }
        Err(_) => unreadable(shared, notice),
    }
}

fn decode_passthru(shared: &Shared, notice: &mut Notice) -> bool {
    let NoticeKind::Session(
        EventKind::Event | EventKind::Invocation | EventKind::Result | EventKind::Error,
    ) = notice.kind
    else {
        return true;
    };
    let Some(details) = notice.event.details().filter(|details| details.len() > 2) else {
        return true;
    };
    let details = Dict::from_checked(details);
    let Some(form) = Form::of(details) else {
        return true;
    };
    let codec = lock(&shared.codec).clone();
    let payload = notice.event.payload.as_ref();
    let own = own_encoding(form, details, payload.encoding);
    if codec.is_none() && own.is_none() {
        return true;
    }
    let plain = unwrapped(form, payload).and_then(|bytes| match codec {
        Some(codec) => codec.decode(details.as_bytes(), &bytes),
        None => {
            let mut json = Vec::new();
            transcode(&bytes, own?, Encoding::Json, Rules::Tolerant, &mut json).ok()?;
            Some(json)
        }
    });
    match plain.and_then(|plain| frame(details, &plain)) {
        Some((details, payload)) => {
            (notice.event.payload, notice.event.details) = (payload, details);
            true
        }
        None => unreadable(shared, notice),
    }
}

/// Makes a failure of a notice whose payload cannot be read.
fn unreadable(shared: &Shared, notice: &mut Notice) -> bool {
    const TEXT: &str = "the payload cannot be decoded: it does not match its details";
    if notice.kind == NoticeKind::Session(EventKind::Invocation)
        && let Some(session) = &notice.session
    {
        let args = PayloadRef::args("[\"the payload cannot be decoded\"]");
        session.release_invocation(notice.event.wamp_id, uri::INVALID_ARGUMENT, args);
    }
    (notice.status, notice.text) = (Status::Payload, Some(c_text(TEXT)));
    match notice.kind {
        // Of a progressive one no more than that: the call goes on, and ends once.
        NoticeKind::Session(EventKind::Result) if !notice.event.progress => {
            notice.kind = NoticeKind::Session(EventKind::Error);
            notice.event.kind = EventKind::Error;
            notice.event.cause = Some(Cause::Remote);
            notice.event.uri = Some(c_text(uri::INVALID_ARGUMENT));
            true
        }
        NoticeKind::Session(EventKind::Error) => true,
        _ => {
            notice.kind = NoticeKind::UserError;
            notice.event.target = shared.callbacks.receiver(Slot::UserError);
            false
        }
    }
}

/// On the wire args are a list, but in Autobahn's form.
pub(super) fn refuse_bare(payload: PayloadRef<'_>) -> Result<(), Failure> {
    match is_bare(payload) {
        true => {
            let text = "args: must be a list; a binary value by itself needs the option `enc_algo`";
            Err(Failure::new(Status::Payload, text))
        }
        false => Ok(()),
    }
}

/// The encoding, where nothing is wanted but one that we can do alone.
fn own_encoding(form: Form, options: Dict<'_>, wire: Encoding) -> Option<Encoding> {
    if form != Form::Ppt || options.get("ppt_cipher").is_some() {
        return None;
    }
    match options.text("ppt_serializer").ok().flatten().as_deref() {
        Some("json") => Some(Encoding::Json),
        Some("native") => Some(wire),
        _ => None,
    }
}

/// The payload as one JSON object.
fn plain(payload: PayloadRef<'_>) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(payload.len() + 32);
    let mut part = |key: &str, part: Option<&[u8]>, empty: &[u8]| {
        out.extend_from_slice(key.as_bytes());
        match part {
            Some(part) => {
                transcode(part, payload.encoding, Encoding::Json, Rules::Strict, &mut out)
            }
            None => {
                out.extend_from_slice(empty);
                Ok(())
            }
        }
    };
    part("{\"args\":", payload.args, b"[]").map_err(uncarried)?;
    part(",\"kwargs\":", payload.kwargs, b"{}").map_err(uncarried)?;
    out.push(b'}');
    Ok(out)
}

fn uncarried(error: CodecError) -> Failure {
    Failure::new(Status::Payload, format!("the payload cannot be wrapped: {error}"))
}

fn is_wrapped(form: Form, payload: PayloadRef<'_>) -> bool {
    payload.kwargs.is_none() && unwrapped(form, payload).is_some()
}

/// The bytes of the one binary value.
fn unwrapped(form: Form, payload: PayloadRef<'_>) -> Option<Vec<u8>> {
    let args = payload.args?;
    let mut source = Source::new(payload.encoding, args, Rules::Tolerant);
    let mut next = || source.next_token().ok().flatten();
    if form == Form::Ppt && !matches!(next()?, Token::List(_)) {
        return None;
    }
    let Token::Binary(bytes) = next()? else {
        return None;
    };
    let ends = form == Form::Enc || next()? == Token::End;
    (ends && next().is_none()).then(|| bytes.into_owned())
}

/// A frame of details and payload, made of the details and of the plain JSON object.
fn frame(details: Dict<'_>, plain: &[u8]) -> Option<(Span, Payload)> {
    let plain = Dict::from_checked(check_dict(plain, Rules::Tolerant).ok()?);
    let part = |key| plain.get(key).filter(|value| *value != b"null");
    let args = part("args").map(|args| check_list(args, Rules::Tolerant)).transpose().ok()?;
    let kwargs =
        part("kwargs").map(|kwargs| check_dict(kwargs, Rules::Tolerant)).transpose().ok()?;
    let (args, kwargs) = (args.unwrap_or_default(), kwargs.unwrap_or_default());
    let frame = Bytes::from([details.as_bytes(), args, kwargs].concat());
    let (first, rest) = frame.split_at(details.as_bytes().len());
    let (second, third) = rest.split_at(args.len());
    let span = Span::new(&frame, Some(first));
    let lent = PayloadRef {
        args: (!second.is_empty()).then_some(second),
        kwargs: (third.len() > 2).then_some(third),
        ..PayloadRef::NONE
    };
    let payload = Payload::from_frame(&frame, lent);
    Some((span, payload))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::Options;
    use crate::client::payload_codec::Codec;

    /// Turns bytes around, and refuses what holds an X.
    struct Reversed;

    impl Codec for Reversed {
        fn encode(&self, _: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
            (!plain.contains(&b'X')).then(|| plain.iter().rev().copied().collect())
        }

        fn decode(&self, _: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
            self.encode(b"", bytes)
        }
    }

    fn shared(codec: Option<Arc<dyn Codec>>) -> Arc<Shared> {
        let options = Options::parse(r#"{"url": "ws://h/", "realm": "r"}"#).unwrap();
        let shared = Shared::without_host(options);
        *lock(&shared.codec) = codec;
        shared
    }

    fn received(shared: &Shared, kind: EventKind, details: &str, args: &str) -> Notice {
        let frame = Bytes::from(format!("{details}{args}"));
        let mut event = crate::protocol::Event::new(kind, 1, None);
        event.details = Span::new(&frame, Some(&frame[..details.len()]));
        let args = PayloadRef { args: Some(&frame[details.len()..]), ..PayloadRef::NONE };
        event.payload = Payload::from_frame(&frame, args);
        shared.notice(NoticeKind::Session(kind), event)
    }

    /// The payload as the other side has it.
    fn there_and_back(shared: &Shared, options: &str) -> Notice {
        let payload = PayloadRef {
            args: Some(b"[1,\"two\"]"),
            kwargs: Some(b"{\"three\":3}"),
            ..PayloadRef::NONE
        };
        let options = Dict::from_checked(options.as_bytes());
        let sent = encode_payload(shared, options, payload, Encoding::Json).unwrap();
        let wire = String::from_utf8(sent.as_ref().args.unwrap().to_vec()).unwrap();
        assert!(sent.as_ref().kwargs.is_none() && wire.contains("\"\\u0000"), "{wire}");
        let details = std::str::from_utf8(options.as_bytes()).unwrap();
        let mut notice = received(shared, EventKind::Event, details, &wire);
        assert!(decode_payload(shared, &mut notice));
        notice
    }

    #[test]
    fn json_needs_no_codec() {
        let shared = &shared(None);
        for serializer in ["json", "native"] {
            let options = format!(r#"{{"ppt_scheme":"x_own","ppt_serializer":"{serializer}"}}"#);
            let notice = there_and_back(shared, &options);
            let payload = notice.event.payload.as_ref();
            assert_eq!(payload.args, Some(&b"[1,\"two\"]"[..]));
            assert_eq!(payload.kwargs, Some(&b"{\"three\":3}"[..]));
            assert_eq!(notice.event.details(), Some(options.as_bytes()));
        }
    }

    #[test]
    fn a_codec_serves_both_forms() {
        let shared = &shared(Some(Arc::new(Reversed)));
        for options in [
            r#"{"ppt_scheme":"x_own","ppt_serializer":"cbor","ppt_cipher":"aes256gcm"}"#,
            r#"{"enc_algo":"cryptobox","enc_serializer":"json"}"#,
        ] {
            let notice = there_and_back(shared, options);
            assert_eq!(notice.event.payload.as_ref().args, Some(&b"[1,\"two\"]"[..]), "{options}");
        }
    }

    #[test]
    fn without_a_codec_the_binary_is_passed_on_as_it_is() {
        let shared = &shared(None);
        let ppt = Dict::from_checked(br#"{"ppt_scheme":"x_own","ppt_serializer":"cbor"}"#);
        let binary = PayloadRef::args(r#"["\u0000AAEC"]"#);
        assert_eq!(encode_payload(shared, ppt, binary, Encoding::Json).unwrap().as_ref(), binary);
        let refused = encode_payload(shared, ppt, PayloadRef::args("[1]"), Encoding::Json);
        assert!(matches!(refused, Err(failure) if failure.status == Status::Payload));
        let enc = Dict::from_checked(br#"{"enc_algo":"x_own"}"#);
        let bare = PayloadRef::args(r#""\u0000AAEC""#);
        assert_eq!(encode_payload(shared, enc, bare, Encoding::Json).unwrap().as_ref(), bare);
        assert!(encode_payload(shared, enc, binary, Encoding::Json).is_err());
        let details = r#"{"ppt_scheme":"x_own","ppt_serializer":"cbor"}"#;
        let mut notice = received(shared, EventKind::Event, details, r#"["\u0000AAEC"]"#);
        assert!(decode_payload(shared, &mut notice));
        assert_eq!(notice.event.payload.as_ref(), binary);
    }

    #[test]
    fn what_cannot_be_read_is_a_failure() {
        let shared = &shared(Some(Arc::new(Reversed)));
        let details = r#"{"ppt_scheme":"x_own"}"#;
        for bad in [r#"["\u0000WA=="]"#, "[1]", "[]", r#"["no binary"]"#, r#"["\u0000AAEC"]"#] {
            let mut event = received(shared, EventKind::Event, details, bad);
            assert!(!decode_payload(shared, &mut event), "{bad}");
            assert_eq!((event.kind, event.status), (NoticeKind::UserError, Status::Payload));
            let mut result = received(shared, EventKind::Result, details, bad);
            assert!(decode_payload(shared, &mut result));
            assert_eq!(result.kind, NoticeKind::Session(EventKind::Error));
            assert_eq!(result.status, Status::Payload);
            let mut part = received(shared, EventKind::Result, details, bad);
            part.event.progress = true;
            assert!(!decode_payload(shared, &mut part), "the call goes on");
            assert_eq!((part.kind, part.status), (NoticeKind::UserError, Status::Payload));
        }
    }

    #[test]
    fn other_payloads_are_left_alone() {
        let shared = &shared(Some(Arc::new(Reversed)));
        let args = PayloadRef::args("[1]");
        let options = Dict::from_checked(br#"{"exclude_me":false}"#);
        assert_eq!(encode_payload(shared, options, args, Encoding::Json).unwrap().as_ref(), args);
        let bare = PayloadRef::args(r#""\u0000AAEC""#);
        for options in [r#"{"exclude_me":false}"#, r#"{"ppt_scheme":"x_own"}"#] {
            let refused = encode_payload(
                shared,
                Dict::from_checked(options.as_bytes()),
                bare,
                Encoding::Json,
            );
            assert!(matches!(refused, Err(failure) if failure.status == Status::Payload));
        }
        let mut notice = received(shared, EventKind::Event, r#"{"topic":"a"}"#, "[1]");
        assert!(decode_payload(shared, &mut notice));
        assert_eq!(notice.event.payload.as_ref(), args);
    }
}
