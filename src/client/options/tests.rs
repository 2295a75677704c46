//! Options as applications give them, and what is made of the table.

use super::transports::Kind;
use super::*;

fn told(json: &str) -> String {
    let failure = Options::parse(json).unwrap_err();
    assert_eq!(failure.status, Status::Option);
    failure.text
}

#[test]
fn options_are_parsed() {
    let options = Options::parse(
        r#"{"url": "ws://h/ws", "realm": "r", "dispatch": "manual", "connect_timeout": 0.5,
            "headers": {"X-A": "b"}, "autoping_interval": 0}"#,
    )
    .unwrap();
    let transport = &options.transports[0];
    assert_eq!((transport.url(), options.realm.as_str()), ("ws://h/ws", "r"));
    assert_eq!(options.dispatch, Mode::Manual);
    assert_eq!(options.connect_timeout, Duration::from_millis(500));
    assert_eq!(options.headers, [("X-A".to_owned(), "b".to_owned())]);
    assert_eq!(options.autoping_interval, None);
}

#[test]
fn mistakes_are_told() {
    let with = |option: &str| told(&format!(r#"{{"url":"ws://h","realm":"r",{option}}}"#));
    assert!(told("").contains("not JSON"));
    assert!(told("[]").contains("must be a JSON object"));
    assert!(told(r#"{"realm":"r"}"#).contains("`url` is missing"));
    assert!(told(r#"{"url":"ws://h"}"#).contains("`realm` is missing"));
    assert!(with(r#""realmm":"x""#).contains("did you mean `realm`?"));
    assert!(with(r#""xyzzy_plugh":1"#).contains("unknown; see"));
    assert!(with(r#""connect_timeout":"5""#).contains("`connect_timeout`: must be a number"));
    assert!(with(r#""connect_timeout":-1"#).contains("0 to 1000000"));
    assert!(with(r#""dispatch":"threads""#).contains("must be \"thread\""));
    assert!(with(r#""max_message_size":1.5"#).contains("number of bytes"));
    assert!(with(r#""headers":{"a b":"c"}"#).contains("not an HTTP header name"));
    assert!(with(r#""headers":{"Upgrade":"c"}"#).contains("set by the transport itself"));
    assert!(with(r#""autoping_timeout":0"#).contains("set `autoping_interval` to 0"));
    assert!(with(r#""max_retries":-2"#).contains("-1 (no limit)"));
    assert!(with(r#""retry_delay_jitter":"x""#).contains("must be a number"));
    let refused = with(r#""retry_reasons":["wamp.error.not_authorized"]"#);
    assert!(refused.contains("never retried"), "{refused}");
    assert!(with(r#""authmethods":"ticket""#).contains("must be a list"));
    assert!(with(r#""ticket":5"#).contains("must be a string"));
    assert!(with(r#""privkey":"not a key""#).contains("option `privkey`"));
    assert!(with(r#""router_key":"abc""#).contains("64 hex digits"));
    assert!(with(r#""channel_binding":"tls-unique""#).contains("must be \"tls-exporter\""));
    assert!(with(r#""trace":1"#).contains("must be true or false"));
    assert!(with(r#""transports":[{"url":"ws://h"}]"#).contains("not both"));
    let several = |list: &str| told(&format!(r#"{{"realm":"r","transports":{list}}}"#));
    assert!(several("[]").contains("not an empty one"));
    assert!(several(r#"[{"type":"websocket"}]"#).contains("needs a `url`"));
    assert!(several(r#"[{"type":"carrier pigeon","url":"x"}]"#).contains("must be \"websocket"));
    assert!(several(r#"[{"url":"ws://h","header":{}}]"#).contains("did you mean `headers`?"));
    assert!(several(r#"[{"url":"tcp://h"}]"#).contains("use ws://, wss://"));
    assert!(told(r#"{"url":"ws://h","realm":"a b"}"#).contains("white space"));
    assert!(told(r#"{"url":"tcp://h","realm":"r"}"#).contains("use ws://, wss://"));
    assert!(with(r#""proxy":true"#).contains("`proxy`: must be a URL, or false"));
    assert!(with(r#""proxy":"ftp://h""#).contains("not supported; write http://"));
    let refused = with(r#""tlsConfiguration":{"verfy":false}"#);
    assert!(refused.contains("`tlsConfiguration`: `verfy`: unknown; did you mean `verify`?"));
}

#[test]
fn each_transport_has_an_endpoint() {
    let parse = |entry: &str| {
        Options::parse(&format!(r#"{{"realm": "r", "transports": [{entry}]}}"#))
            .map(|options| options.transports[0].clone())
    };
    for (entry, kind, url) in [
        (r#""url": "wss://h/ws""#, Kind::WebSocket, "wss://h/ws"),
        (r#""type": "websocket", "url": "ws://h/ws""#, Kind::WebSocket, "ws://h/ws"),
        (r#""url": "rss://h:1""#, Kind::RawSocket, "rss://h:1"),
        (r#""type": "rawsocket", "host": "h", "port": 8000"#, Kind::RawSocket, "rs://h:8000"),
        (r#""type": "rawsocket", "host": "::1", "port": 1"#, Kind::RawSocket, "rs://[::1]:1"),
        (r#""type": "rawsocket", "host": "[::1]", "port": 1"#, Kind::RawSocket, "rs://[::1]:1"),
        (
            r#""type": "rawsocket", "host": "h", "port": 1, "tlsConfiguration": {}"#,
            Kind::RawSocket,
            "rss://h:1",
        ),
        (r#""type": "rawsocket", "path": "/a.sock""#, Kind::RawSocket, "rs+unix:///a.sock"),
        (r#""type": "longpoll", "url": "https://h/lp""#, Kind::LongPoll, "https://h/lp"),
    ] {
        let transport = parse(&format!("{{{entry}}}")).unwrap();
        assert_eq!((transport.kind(), transport.url()), (kind, url));
    }
    let tls = parse(r#"{"url": "wss://h", "tlsConfiguration": {"verify": false}}"#).unwrap();
    assert!(tls.tls.unwrap().warning().is_some());
    for (entry, told) in [
        (r#""type": "websocket""#, "needs a `url`"),
        (r#""type": "websocket", "host": "h", "port": 1"#, "needs a `url`"),
        (r#""type": "rawsocket", "host": "h""#, "needs a `url`"),
        (r#""type": "rawsocket", "host": "h", "port": 65536"#, "1 to 65535"),
        (r#""type": "rawsocket", "path": "a.sock""#, "no absolute path"),
        (r#""type": "rawsocket", "url": "ws://h""#, "not a URL for the type \"rawsocket\""),
        (r#""type": "websocket", "url": "rs://h:1""#, "not a URL for the type \"websocket\""),
        (r#""url": "ws://h", "prot": 1"#, "did you mean `port`?"),
        (r#""url": "wss://h", "tlsConfiguration": {"key": 1}"#, "`key`: must be a string"),
        (r#""url": "ws://h", "tlsConfiguration": {}"#, "\"ws://h\" is not encrypted"),
        (r#""type": "rawsocket", "path": "/a", "tlsConfiguration": {}"#, "is not encrypted"),
    ] {
        let error = parse(&format!("{{{entry}}}")).unwrap_err().text;
        assert!(error.contains(told), "{entry}: {error}");
    }
}

#[test]
fn headers_of_an_entry_come_on_top() {
    let options = Options::parse(
        r#"{"realm": "r", "headers": {"Authorization": "a"},
            "transports": [{"url": "ws://h", "headers": {"X-Own": "b"}}, {"url": "ws://i"}]}"#,
    )
    .unwrap();
    let sent = |options: &Options, index: usize| {
        let headers = options.headers_for(&options.transports[index]);
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    assert_eq!(sent(&options, 0), ["Authorization: a", "X-Own: b"]);
    assert_eq!(sent(&options, 1), ["Authorization: a"]);

    // Changes before an attempt are of what they name, and of nothing else.
    let changed = options.changed(r#"{"headers": {"Authorization": "c"}}"#).unwrap();
    assert_eq!(sent(&changed, 0), ["Authorization: c", "X-Own: b"]);
    let changed = options.changed(r#"{"headers": {"x-own": "d"}}"#).unwrap();
    assert_eq!(sent(&changed, 0), ["x-own: d"], "what is said last counts");
    let changed = options.changed(r#"{"transports": [{"url": "ws://j"}]}"#).unwrap();
    assert_eq!(sent(&changed, 0), ["Authorization: a"]);
    let changed = options.changed(r#"{"url": "ws://k"}"#).unwrap();
    assert_eq!(sent(&changed, 0), ["Authorization: a"]);
    assert_eq!(changed.transports.len(), 1);
}

#[test]
fn the_header_lists_all_options() {
    let header = include_str!("../../../include/concepts.txt");
    let (_, listed) = header.split_once("OPTIONS OF A CONNECTION").unwrap();
    for spec in TABLE {
        let line = format!("\n *   {} ", spec.name);
        assert!(listed.contains(&line), "`{}` is not in include/concepts.txt", spec.name);
    }
}

/// `docs/OPTIONS.md` is made of the table: WAMP_UPDATE_DOCS=1 writes it.
#[test]
fn the_documentation_is_made_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPTIONS.md");
    let head = include_str!("options.md");
    let mut page = head.to_owned();
    for Spec { name, kind, default, text, .. } in TABLE {
        let cell = |text: &str| text.replace('|', "\\|");
        let changeable = if CHANGEABLE.contains(name) { "yes" } else { "" };
        page += &format!(
            "| `{name}` | {} | {} | {changeable} | {} |\n",
            cell(kind),
            cell(default),
            cell(text)
        );
    }
    if std::env::var_os("WAMP_UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/OPTIONS.md is stale: WAMP_UPDATE_DOCS=1 cargo test options");
}

/// On systems of 32 bits, too.
#[test]
fn queues_may_be_larger_than_all_that_can_be() {
    for name in ["send_queue_bytes", "receive_queue_bytes"] {
        let spec = TABLE.iter().find(|spec| spec.name == name).unwrap();
        (spec.set)(&mut Options::default(), &Value::from(1_u64 << 40)).unwrap();
        assert!((spec.set)(&mut Options::default(), &Value::from((1_u64 << 40) + 1)).is_err());
    }
}

#[test]
fn defaults_are_what_the_table_says() {
    let mut options = Options::default();
    for spec in TABLE {
        let Ok(value) = serde_json::from_str::<Value>(spec.default) else {
            continue;
        };
        let before = format!("{options:?}");
        (spec.set)(&mut options, &value).unwrap();
        assert_eq!(format!("{options:?}"), before, "the default of `{}`", spec.name);
    }
}
