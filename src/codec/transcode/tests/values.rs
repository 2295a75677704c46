//! Values as tests like them, in and out of each encoding.

use std::borrow::Cow;

use proptest::prelude::*;

use crate::codec::timestamp::Timestamp;
use crate::codec::token::Big;

use super::super::*;

/// A value as test code likes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    Timestamp(Timestamp),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

pub(super) fn encode(value: &Value, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Json => {
            let mut sink = json::Sink::new(&mut out, Rules::Strict);
            feed(value, &mut |token| sink.token(&token).unwrap());
        }
        Encoding::MsgPack => {
            let mut sink = binary::Sink::<MsgPack>::new(&mut out, Rules::Strict);
            feed(value, &mut |token| sink.token(&token).unwrap());
        }
        Encoding::Cbor => {
            let mut sink = binary::Sink::<Cbor>::new(&mut out, Rules::Strict);
            feed(value, &mut |token| sink.token(&token).unwrap());
        }
    }
    out
}

pub(super) fn feed(value: &Value, sink: &mut dyn FnMut(Token<'_>)) {
    match value {
        Value::Null => sink(Token::Null),
        Value::Bool(value) => sink(Token::Bool(*value)),
        Value::Int(value) => sink(Big::from_digits(&value.to_string()).unwrap().token()),
        Value::Float(value) => sink(Token::Float(*value)),
        Value::Text(text) => sink(Token::Text(Cow::Borrowed(text))),
        Value::Binary(bytes) => sink(Token::Binary(Cow::Borrowed(bytes))),
        Value::Timestamp(timestamp) => sink(Token::Timestamp(*timestamp)),
        Value::List(list) => {
            // With and without a length.
            sink(Token::List((list.len() % 2 == 0).then_some(list.len())));
            list.iter().for_each(|entry| feed(entry, sink));
            sink(Token::End);
        }
        Value::Dict(dict) => {
            sink(Token::Dict((dict.len() % 2 == 0).then_some(dict.len())));
            for (key, value) in dict {
                feed(key, sink);
                feed(value, sink);
            }
            sink(Token::End);
        }
    }
}

pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Value {
    let mut source = Source::new(encoding, bytes, Rules::Strict);
    let first = source.next_token().unwrap().unwrap();
    let value = collect(first, &mut source);
    assert_eq!(source.next_token(), Ok(None));
    source.finish().unwrap();
    value
}

pub(super) fn collect(token: Token<'_>, source: &mut Source<'_>) -> Value {
    let number = |big: &Big<'_>| Value::Int(big.digits().unwrap().parse().unwrap());
    match token {
        Token::Null => Value::Null,
        Token::Bool(value) => Value::Bool(value),
        Token::Uint(value) => Value::Int(value.into()),
        Token::Negative(value) => Value::Int(-1 - i128::from(value)),
        Token::Big(big) => number(&big),
        Token::Float(value) => Value::Float(value),
        Token::Text(text) => Value::Text(text.into_owned()),
        Token::Binary(bytes) => Value::Binary(bytes.into_owned()),
        Token::Timestamp(timestamp) => Value::Timestamp(timestamp),
        Token::List(_) => {
            let mut list = Vec::new();
            while let Some(token) = next(source) {
                list.push(collect(token, source));
            }
            Value::List(list)
        }
        Token::Dict(_) => {
            let mut dict = Vec::new();
            while let Some(token) = next(source) {
                let key = collect(token, source);
                let token = next(source).unwrap();
                dict.push((key, collect(token, source)));
            }
            Value::Dict(dict)
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn next<'a>(source: &mut Source<'a>) -> Option<Token<'a>> {
    source.next_token().unwrap().filter(|token| *token != Token::End)
}

/// Values that each encoding can say.
pub(super) fn common(
    leaf: BoxedStrategy<Value>,
    key: BoxedStrategy<Value>,
) -> BoxedStrategy<Value> {
    leaf.prop_recursive(5, 200, 20, move |inner| {
        let entry = (key.clone(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..40).prop_map(Value::List),
            prop::collection::vec(entry, 0..40).prop_map(Value::Dict),
        ]
        .boxed()
    })
    .boxed()
}

pub(super) fn text() -> BoxedStrategy<Value> {
    any::<String>().prop_map(|text| Value::Text(text.trim_start_matches('\0').into())).boxed()
}

pub(super) fn leaf() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Int(number.into())),
        any::<u64>().prop_map(|number| Value::Int(number.into())),
        (-300..300_i128).prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        (-100..100_i32).prop_map(|whole| Value::Float(whole.into())),
        text(),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Binary),
    ]
    .boxed()
}

/// Values that JSON cannot say, or not so that they can be told from other things.
pub(super) fn rich() -> BoxedStrategy<Value> {
    let timestamp = (any::<i32>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| {
        Value::Timestamp(Timestamp { seconds: i64::from(seconds) * 8, nanos })
    });
    let odd = prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0]);
    let any_key = prop_oneof![leaf(), Just(Value::List(vec![Value::Null])), timestamp.clone()];
    common(prop_oneof![leaf(), timestamp, odd.prop_map(Value::Float)].boxed(), any_key.boxed())
}
