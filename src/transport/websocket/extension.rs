//! The parameters of permessage-deflate (RFC 7692, section 7.1): what the application sets, what a
//! client offers, and what both sides agree on. How messages are compressed then is
//! [`super::deflate`]'s.

use std::ops::RangeInclusive;

use serde_json::Value;

/// The application's wishes about permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateOptions {
    /// 1, the fastest, to 9, the smallest.
    pub level: u32,
    /// Messages of fewer bytes are sent as they are.
    pub threshold: usize,
    /// Each message that a client sends is compressed for itself: less memory, larger messages.
    pub client_no_context_takeover: bool,
    /// The same of the server.
    pub server_no_context_takeover: bool,
    /// The binary logarithm of the window that a client compresses with, 9 to 15.
    pub client_max_window_bits: u8,
    /// The same of the server.
    pub server_max_window_bits: u8,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        DeflateOptions {
            level: 6,
            threshold: 256,
            client_no_context_takeover: false,
            server_no_context_takeover: false,
            client_max_window_bits: MAX_BITS,
            server_max_window_bits: MAX_BITS,
        }
    }
}

impl DeflateOptions {
    /// Takes the option as it is given, in JSON: a flag, or an object of settings.
    pub fn parse(value: &Value) -> Result<Option<DeflateOptions>, String> {
        let mut options = DeflateOptions::default();
        let object = match value {
            Value::Bool(wanted) => return Ok(wanted.then_some(options)),
            Value::Object(object) => object,
            _ => return Err("must be true, false or an object".to_owned()),
        };
        for (name, value) in object {
            let number = |range: RangeInclusive<u64>| {
                let number = value.as_u64().filter(|number| range.contains(number));
                let (least, most) = (range.start(), range.end());
                number.ok_or_else(|| format!("`{name}`: must be a number from {least} to {most}"))
            };
            let bits = || number(MIN_BITS.into()..=MAX_BITS.into()).map(|bits| bits as u8);
            let flag = || value.as_bool().ok_or_else(|| format!("`{name}`: must be true or false"));
            match name.as_str() {
                "level" => options.level = number(1..=9)? as u32,
                "threshold" => options.threshold = number(0..=1 << 30)? as usize,
                "client_no_context_takeover" => options.client_no_context_takeover = flag()?,
                "server_no_context_takeover" => options.server_no_context_takeover = flag()?,
                "client_max_window_bits" => options.client_max_window_bits = bits()?,
                "server_max_window_bits" => options.server_max_window_bits = bits()?,
                _ => {
                    return Err(format!(
                        "`{name}`: unknown; use level, threshold, client_no_context_takeover, \
                         server_no_context_takeover, client_max_window_bits, \
                         server_max_window_bits"
                    ));
                }
            }
        }
        Ok(Some(options))
    }
}

const NAME: &str = "permessage-deflate";

/// RFC 7692 has 8 too, which zlib cannot do without its own head.
const MIN_BITS: u8 = 9;
const MAX_BITS: u8 = 15;

/// The way that one side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) keeps_context: bool,
    pub(super) bits: u8,
}

/// The parameters that both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) client: Side,
    pub(super) server: Side,
}

// ===== the handshake =====

/// The offer of a client.
pub(super) fn offer(options: &DeflateOptions) -> String {
    let mut offer = NAME.to_owned();
    if options.client_no_context_takeover {
        offer.push_str("; client_no_context_takeover");
    }
    if options.server_no_context_takeover {
        offer.push_str("; server_no_context_takeover");
    }
    if options.server_max_window_bits < MAX_BITS {
        offer.push_str(&format!("; server_max_window_bits={}", options.server_max_window_bits));
    }
    match options.client_max_window_bits {
        // That the server may ask for a smaller one.
        MAX_BITS => offer.push_str("; client_max_window_bits"),
        bits => offer.push_str(&format!("; client_max_window_bits={bits}")),
    }
    offer
}

/// The meaning of a server's answer to [`offer`]; an error, if it was not offered.
pub(super) fn agree(options: &DeflateOptions, answer: &str) -> Result<Agreed, String> {
    let wrong = || format!("it answers \"{answer}\", which was not offered");
    let params = Params::parse(answer).ok_or_else(wrong)?;
    let server = Side {
        keeps_context: !params.server_no_context_takeover,
        bits: params.server_max_window_bits.flatten().unwrap_or(MAX_BITS),
    };
    let client = Side {
        keeps_context: !params.client_no_context_takeover && !options.client_no_context_takeover,
        bits: match params.client_max_window_bits {
            Some(None) => return Err(wrong()),
            Some(Some(bits)) => bits.min(options.client_max_window_bits),
            None => options.client_max_window_bits,
        },
    };
    let ignored = server.keeps_context && options.server_no_context_takeover
        || server.bits > options.server_max_window_bits
        || params.server_max_window_bits == Some(None);
    if ignored {
        return Err(wrong());
    }
    if client.bits < MIN_BITS {
        return Err(format!(
            "it wants \"client_max_window_bits={}\", and the least that is supported is \
             {MIN_BITS}; connect without `permessage_deflate`",
            client.bits
        ));
    }
    Ok(Agreed { client, server })
}

/// The choice of a server among a client's offers, and its answer; `None` where it takes none of
/// them.
pub(super) fn accept(options: &DeflateOptions, offers: &str) -> Option<(Agreed, String)> {
    offers.split(',').filter_map(Params::parse).find_map(|offer| {
        let server = Side {
            keeps_context: !offer.server_no_context_takeover && !options.server_no_context_takeover,
            bits: match offer.server_max_window_bits {
                Some(None) => return None,
                Some(Some(bits)) => bits.min(options.server_max_window_bits),
                None => options.server_max_window_bits,
            },
        };
        let client = Side {
            keeps_context: !offer.client_no_context_takeover && !options.client_no_context_takeover,
            bits: match offer.client_max_window_bits {
                None => MAX_BITS,
                Some(bits) => bits.unwrap_or(MAX_BITS).min(options.client_max_window_bits),
            },
        };
        if server.bits < MIN_BITS {
            return None;
        }
        let mut answer = NAME.to_owned();
        for (side, name, asked) in
            [(server, "server", offer.server_max_window_bits.is_some()), (client, "client", false)]
        {
            if !side.keeps_context {
                answer.push_str(&format!("; {name}_no_context_takeover"));
            }
            if side.bits < MAX_BITS || asked {
                answer.push_str(&format!("; {name}_max_window_bits={}", side.bits));
            }
        }
        Some((Agreed { client, server }, answer))
    })
}

/// The parameters of an offer or an answer.
#[derive(Debug, Default)]
struct Params {
    client_no_context_takeover: bool,
    server_no_context_takeover: bool,
    /// Without a value: `Some(None)`.
    client_max_window_bits: Option<Option<u8>>,
    server_max_window_bits: Option<Option<u8>>,
}

impl Params {
    fn parse(text: &str) -> Option<Params> {
        let mut parts = text.split(';').map(str::trim);
        if parts.next()? != NAME {
            return None;
        }
        let mut params = Params::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                None => (part, None),
                Some((name, value)) => {
                    (name.trim_end(), Some(value.trim_start().trim_matches('"')))
                }
            };
            let flag = match name {
                "client_no_context_takeover" => &mut params.client_no_context_takeover,
                "server_no_context_takeover" => &mut params.server_no_context_takeover,
                "client_max_window_bits" | "server_max_window_bits" => {
                    let bits = match name {
                        "client_max_window_bits" => &mut params.client_max_window_bits,
                        _ => &mut params.server_max_window_bits,
                    };
                    let value = match value {
                        None => None,
                        // No leading zeros.
                        Some(digits) if digits.starts_with('0') => return None,
                        Some(digits) => Some(digits.parse().ok().filter(|n| (8..=15).contains(n))?),
                    };
                    if bits.replace(value).is_some() {
                        return None;
                    }
                    continue;
                }
                _ => return None,
            };
            if std::mem::replace(flag, true) || value.is_some() {
                return None;
            }
        }
        Some(params)
    }
}

// ===== the messages =====

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes() {
        let plain = DeflateOptions::default();
        assert_eq!(offer(&plain), "permessage-deflate; client_max_window_bits");
        let answer = |offers: &str| accept(&plain, offers).map(|(_, answer)| answer);
        assert_eq!(answer("permessage-deflate").as_deref(), Some("permessage-deflate"));
        assert_eq!(
            answer("permessage-deflate; server_max_window_bits=10; client_max_window_bits")
                .unwrap(),
            "permessage-deflate; server_max_window_bits=10"
        );
        assert_eq!(
            answer("permessage-deflate; unheard_of, permessage-deflate").unwrap(),
            "permessage-deflate",
            "the second offer can be taken"
        );
        for unacceptable in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ] {
            assert_eq!(answer(unacceptable), None, "{unacceptable}");
        }

        let strict = DeflateOptions {
            server_no_context_takeover: true,
            server_max_window_bits: 10,
            ..plain
        };
        let good = "permessage-deflate; server_no_context_takeover; server_max_window_bits=\"10\"";
        let agreed = agree(&strict, good).unwrap();
        assert_eq!(agreed.server, Side { keeps_context: false, bits: 10 });
        for bad in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10, x",
            "x-webkit-deflate-frame",
        ] {
            assert!(agree(&strict, bad).is_err(), "{bad}");
        }
        let narrow = agree(&plain, "permessage-deflate; client_max_window_bits=8").unwrap_err();
        assert!(narrow.contains("the least that is supported is 9"), "{narrow}");
    }
}
