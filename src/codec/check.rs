//! Checks payloads that the application gives, before anything is made of them.

use super::binary::Cbor;
use super::binary::MsgPack;
use super::binary::{Format, Head, Scanner};
use super::json::{check_dict, check_list, check_value, is_binary};
use super::{CodecError, Dict, Encoding, PayloadRef, Rules, transcode};

/// Makes a payload of its parts. Empty parts are left out, since some peers refuse them: empty
/// kwargs always, empty args where no kwargs follow. By tolerant rules, which are for what a peer
/// has sent, it may nest as deep as it likes.
///
/// # Errors
/// The name of the wrong part, and what is wrong.
#[inline]
pub fn check_payload<'a>(
    args: Option<&'a [u8]>,
    kwargs: Option<&'a [u8]>,
    encoding: Encoding,
    rules: Rules,
) -> Result<PayloadRef<'a>, (&'static str, CodecError)> {
    let check = |part: Part, bytes: &'a [u8]| {
        let checked = match encoding {
            Encoding::Json => part.check_json(bytes, rules),
            Encoding::MsgPack => part.check::<MsgPack>(bytes, rules),
            Encoding::Cbor => part.check::<Cbor>(bytes, rules),
        };
        checked.map_err(|error| (part.name(), error))
    };
    let mut payload = PayloadRef { args: None, kwargs: None, encoding };
    if let Some(kwargs) = kwargs {
        let (kwargs, empty) = check(Part::Kwargs, kwargs)?;
        payload.kwargs = (!empty).then_some(kwargs);
    }
    if let Some(args) = args {
        let (args, empty) = check(Part::Args, args)?;
        payload.args = (payload.kwargs.is_some() || !empty).then_some(args);
    }
    Ok(payload)
}

/// True if a binary stands in place of args, as Autobahn's payload transparency has it.
#[inline]
pub fn is_bare(payload: PayloadRef<'_>) -> bool {
    let is_bare = |head: Result<Head, CodecError>| matches!(head, Ok(Head::Binary(_)));
    payload.args.is_some_and(|args| match payload.encoding {
        Encoding::Json => is_binary(args),
        Encoding::MsgPack => is_bare(MsgPack::head(args, &mut 0)),
        Encoding::Cbor => is_bare(Cbor::head(args, &mut 0)),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Args,
    Kwargs,
}

/// A part, and whether it is empty.
type Checked<'a> = Result<(&'a [u8], bool), CodecError>;

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Args => "args",
            Part::Kwargs => "kwargs",
        }
    }

    #[inline]
    fn check_json(self, text: &[u8], rules: Rules) -> Checked<'_> {
        match self {
            // A bare binary, as Autobahn's payload transparency has it.
            Part::Args if is_binary(text.trim_ascii()) => Ok((check_value(text, rules)?, false)),
            Part::Args => {
                let args = check_list(text, rules)?;
                Ok((args, args[1..].trim_ascii_start() == b"]"))
            }
            Part::Kwargs => {
                let kwargs = check_dict(text, rules)?;
                Ok((kwargs, Dict::from_checked(kwargs).is_empty()))
            }
        }
    }

    fn check<F: Format>(self, bytes: &[u8], rules: Rules) -> Checked<'_> {
        let mut scan = Scanner::<F>::new(bytes);
        let empty = match (self, scan.peek()?) {
            (Part::Args, Head::List(len)) | (Part::Kwargs, Head::Dict(len)) => {
                // Or without a length, and nothing but its end.
                len == Some(0) || len.is_none() && bytes.len() == 2
            }
            (Part::Args, Head::Binary(_)) => false,
            (Part::Args, _) => return Err(scan.error("expected an encoded list")),
            (Part::Kwargs, _) => return Err(scan.error("expected an encoded dict")),
        };
        if rules == Rules::Strict {
            transcode::check(bytes, F::ENCODING)?;
        } else {
            scan.skip_value()?;
            if !scan.is_at_end() {
                return Err(scan.error("something follows the end of the value"));
            }
        }
        Ok((bytes, empty))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_parts_are_named() {
        fn told<'a>(
            args: Option<&'a [u8]>,
            kwargs: Option<&'a [u8]>,
            encoding: Encoding,
        ) -> Result<PayloadRef<'a>, &'static str> {
            check_payload(args, kwargs, encoding, Rules::Strict).map_err(|(name, _)| name)
        }
        for (encoding, list, dict, binary) in [
            (Encoding::Json, &b"[1]"[..], &b"{\"a\":1}"[..], &b"\"\\u0000AA==\""[..]),
            (Encoding::MsgPack, b"\x91\x01", b"\x81\xa1a\x01", b"\xc4\x01\x00"),
            (Encoding::Cbor, b"\x81\x01", b"\xa1\x61a\x01", b"\x41\x00"),
        ] {
            let whole = PayloadRef { args: Some(list), kwargs: Some(dict), encoding };
            assert_eq!(told(Some(list), Some(dict), encoding), Ok(whole));
            let twice = [list, list].concat();
            assert!(told(Some(binary), None, encoding).is_ok_and(is_bare));
            assert!(!is_bare(whole));
            assert_eq!(told(Some(dict), None, encoding), Err("args"));
            assert_eq!(told(None, Some(list), encoding), Err("kwargs"));
            assert_eq!(told(Some(&list[..1]), None, encoding), Err("args"));
            assert_eq!(told(Some(&twice), None, encoding), Err("args"));
            assert_eq!(told(Some(b""), None, encoding), Err("args"));
        }
        let text: &[u8] = br#""\u0000no base64""#;
        assert_eq!(told(Some(text), None, Encoding::Json), Err("args"));
        let escaped = "\"\\u0000\\é\"".as_bytes();
        assert_eq!(told(Some(escaped), None, Encoding::Json), Err("args"));
        let untold: &[u8] = b"\x9f\xc6\xff";
        assert_eq!(told(Some(untold), None, Encoding::Cbor), Err("args"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in r#" *"?(\\\\u0000)?\PC*"?"#) {
            for rules in [Rules::Strict, Rules::Tolerant] {
                let _ = check_payload(Some(text.as_bytes()), None, Encoding::Json, rules);
            }
        }
    }

    #[test]
    fn empty_parts_are_left_out() {
        for (encoding, list, dict) in [
            (Encoding::Json, &b"[]"[..], &b"{}"[..]),
            (Encoding::MsgPack, b"\x90", b"\x80"),
            (Encoding::Cbor, b"\x80", b"\xa0"),
            (Encoding::Json, b"[ ]", b"{ }"),
            (Encoding::Cbor, b"\x9f\xff", b"\xbf\xff"),
        ] {
            let payload = check_payload(Some(list), Some(dict), encoding, Rules::Strict).unwrap();
            assert!(payload.is_empty());
        }
    }
}
