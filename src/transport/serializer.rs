//! Serializers: how messages are encoded, and whether a transport carries them one by one.

use crate::codec::Encoding;

/// An encoding, and whether what a transport carries at once is a message or a batch of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Serializer {
    /// The encoding of each message.
    pub encoding: Encoding,
    /// True if messages travel in batches (advanced profile, "Batched WebSocket").
    pub batched: bool,
}

impl Serializer {
    /// All of them.
    pub const ALL: [Serializer; 6] = [
        Serializer::plain(Encoding::Json),
        Serializer::plain(Encoding::MsgPack),
        Serializer::plain(Encoding::Cbor),
        Serializer::batched(Encoding::Json),
        Serializer::batched(Encoding::MsgPack),
        Serializer::batched(Encoding::Cbor),
    ];

    /// One message at a time.
    pub const fn plain(encoding: Encoding) -> Serializer {
        Serializer { encoding, batched: false }
    }

    /// Messages in batches.
    pub const fn batched(encoding: Encoding) -> Serializer {
        Serializer { encoding, batched: true }
    }

    /// Its name in WAMP.
    pub fn name(self) -> &'static str {
        // All names of subprotocols begin alike.
        &self.subprotocol()["wamp.2.".len()..]
    }

    /// The serializer of this name.
    pub fn parse(name: &str) -> Option<Serializer> {
        Serializer::ALL.into_iter().find(|serializer| serializer.name() == name)
    }

    /// The name under which WebSocket and HTTP agree on it.
    pub fn subprotocol(self) -> &'static str {
        match (self.encoding, self.batched) {
            (Encoding::Json, false) => "wamp.2.json",
            (Encoding::MsgPack, false) => "wamp.2.msgpack",
            (Encoding::Cbor, false) => "wamp.2.cbor",
            (Encoding::Json, true) => "wamp.2.json.batched",
            (Encoding::MsgPack, true) => "wamp.2.msgpack.batched",
            (Encoding::Cbor, true) => "wamp.2.cbor.batched",
        }
    }

    /// The serializer of this subprotocol.
    pub fn from_subprotocol(name: &str) -> Option<Serializer> {
        Serializer::ALL.into_iter().find(|serializer| serializer.subprotocol() == name)
    }
}

impl From<Encoding> for Serializer {
    fn from(encoding: Encoding) -> Self {
        Serializer::plain(encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_subprotocols() {
        assert_eq!(Serializer::parse("json"), Some(Encoding::Json.into()));
        assert_eq!(Serializer::parse("cbor.batched"), Some(Serializer::batched(Encoding::Cbor)));
        assert_eq!(Serializer::parse("ubjson"), None);
        for serializer in Serializer::ALL {
            assert_eq!(Serializer::parse(serializer.name()), Some(serializer));
            assert_eq!(Serializer::from_subprotocol(serializer.subprotocol()), Some(serializer));
            assert_eq!(serializer.name().contains("batched"), serializer.batched);
            assert!(serializer.name().starts_with(serializer.encoding.name()));
        }
    }
}
