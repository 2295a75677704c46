//! Options as users give them, and what is made of the table.

use std::time::Duration;

use super::reloads::{RELOADS, reload};
use super::table::Spec;
use super::*;
use crate::transport::DeflateOptions;

#[test]
fn every_key_is_read() {
    let config = Config::parse(Some(
        r#"{"realms": ["realm1"], "hello_timeout": 0.5, "max_message_size": 2048,
            "send_queue_bytes": 4096, "disclose": {"caller": true, "publisher": false},
                "permessage_deflate": {"level": 1}, "event_history": 10, "memory_limit": 2097152,
                "message_timeout": 7, "max_unjoined_size": 1024, "max_connections": 5,
                "max_connections_per_address": 3, "max_handshakes": 4,
                "trusted_proxies": ["10.0.0.0/8"], "allowed_origins": ["*"],
                "log_format": "json",
                "strict_request_ids": false, "max_subscriptions": 1, "max_patterns": 2,
                "max_registrations": 3, "max_pending_calls": 4, "max_testament_bytes": 5,
                "max_retained_topics": 6, "max_retained_bytes": 7, "max_history_bytes": 8,
                "max_realms": 9, "max_options_size": 100, "dispatch": "inline", "question_timeout": 2.5,
                "max_questions": 7}"#,
    ));
    let mut limits = Limits::default();
    limits.max_subscriptions.set(1);
    limits.max_patterns.set(2);
    limits.max_registrations.set(3);
    limits.max_pending_calls.set(4);
    limits.max_testament_bytes.set(5);
    limits.max_retained_topics.set(6);
    limits.max_retained_bytes.set(7);
    limits.max_history_bytes.set(8);
    limits.max_realms.set(9);
    limits.max_options_size.set(100);
    let expected = Config {
        listeners: Vec::new(),
        former: None,
        realms: Some(vec!["realm1".to_owned()]),
        hello_timeout: Duration::from_millis(500),
        max_message_size: 2048,
        send_queue_bytes: 4096,
        budget: Budget::new(2_097_152),
        message_timeout: Duration::from_secs(7),
        max_unjoined_size: 1024,
        connection_limits: ConnectionLimits { connections: 5, per_address: 3, handshakes: 4 },
        trusted_proxies: Networks::parse(["10.0.0.0/8"].into_iter()).unwrap(),
        allowed_origins: AllowedOrigins::parse(&serde_json::json!(["*"])).unwrap(),
        log_format: LogFormat::Json,
        write_timeout: Duration::from_secs(60),
        disclose_caller: true,
        disclose_publisher: false,
        tls: None,
        deflate: Some(DeflateOptions { level: 1, ..DeflateOptions::default() }),
        event_history: 10,
        strict_request_ids: false,
        limits,
        dispatch: Dispatch::Inline,
        question_timeout: Duration::from_millis(2500),
        max_questions: 7,
        auth: None,
        roles: None,
    };
    assert_eq!(format!("{:?}", config.unwrap()), format!("{expected:?}"));
    for empty in [None, Some("{}")] {
        let config = Config::parse(empty).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }
}

#[test]
fn an_error_tells_what_to_change() {
    for (json, told) in [
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
        (r#"{"relams": []}"#, r#""relams": unknown; did you mean "realms"?"#),
        (r#"{"completely_else": 1}"#, "the keys are realms, hello_timeout"),
        (r#"{"realms": "realm1"}"#, "must be a list"),
        (r#"{"realms": []}"#, "admits no client"),
        (
            r#"{"realms": ["a", "a b"]}"#,
            r#""realms"[1]: "a b": a URI contains neither white space"#,
        ),
        (r#"{"hello_timeout": 0}"#, "above 0"),
        (r#"{"dispatch": "threads"}"#, r#""dispatch": must be "thread", "manual" or "inline""#),
        (r#"{"max_questions": 0}"#, "1 or more"),
        (r#"{"auth": {"ticket": {"authenticator": "a b"}}}"#, r#""ticket"."authenticator": "a b""#),
        (
            r#"{"auth": {"ticket": {"authenticator": "a", "real": "x"}}}"#,
            r#""auth"."ticket"."real": unknown; did you mean "realm"?"#,
        ),
        (r#"{"roles": {"user": {"authorizer": 1}}}"#, r#""authorizer": must be a string"#),
        (r#"{"roles": {"user": {}}}"#, r#""permissions" is missing"#),
        (
            r#"{"roles": {"user": {"authorizer": "a", "permissions": [{}]}}}"#,
            r#""user"."permissions"[0]"#,
        ),
        (r#"{"max_message_size": -1}"#, "1024 or more"),
        (r#"{"disclose": true}"#, "\"caller\": true or false"),
        (
            r#"{"disclose": {"callee": true}}"#,
            r#""disclose"."callee": unknown; did you mean "caller""#,
        ),
        (r#"{"disclose": {"caller": 1}}"#, r#""disclose"."caller": must be true or false"#),
        (r#"{"max_connections": 0}"#, "must be a number of connections, 1 or more"),
        (r#"{"memory_limit": 1000}"#, "must be a number of bytes, 1048576 or more"),
        (r#"{"allowed_origins": ["*", "a.b"]}"#, r#""allowed_origins"[1]: must be a list"#),
        (r#"{"log_format": "xml"}"#, "must be \"text\" or \"json\""),
        (r#"{"trusted_proxies": "::1"}"#, "must be a list of addresses"),
        (r#"{"trusted_proxies": ["::1", "a"]}"#, r#""trusted_proxies"[1]: must be an address"#),
        (r#"{"max_conections": 1}"#, r#"did you mean "max_connections"?"#),
        (r#"{"tls": 1}"#, r#"an object with "cert" and "key""#),
        (r#"{"tls": {"cert": "a.pem"}}"#, r#""tls": "key" is missing"#),
        (r#"{"tls": {"key": "a.pem"}}"#, r#""tls": "cert" is missing"#),
        (r#"{"tls": {"cert": 1, "key": ""}}"#, r#""tls"."cert": must be a PEM text or a path"#),
        (r#"{"tls": {"crt": ""}}"#, r#""tls"."crt": unknown; did you mean "cert"?"#),
        (r#"{"tls": {"cert": "/nowhere", "key": ""}}"#, r#""tls"."cert": cannot read the file"#),
        (r#"{"permessage_deflate": 1}"#, "true, false or an object"),
        (
            r#"{"permessage_deflate": {"level": 0}}"#,
            r#""permessage_deflate"."level": must be a number from 1 to 9"#,
        ),
        (r#"{"event_history": -1}"#, "0 or more"),
        (r#"{"strict_request_ids": 0}"#, "true or false"),
        (r#"{"auth": {"kerberos": {}}}"#, "the keys are ticket, wampcra"),
        (
            r#"{"auth": {"ticket": {"joe": {"tickt": "x"}}}}"#,
            r#""auth"."ticket"."joe"."tickt": unknown; did you mean "ticket"?"#,
        ),
        (r#"{"auth": {"ticket": {"file": "/nowhere"}}}"#, "cannot read the file \"/nowhere\""),
        (r#"{"auth": {"ticket": {"file": "/nowhere", "joe": {}}}}"#, "stands alone"),
        (
            r#"{"auth": {"ticket": {"joe": {"ticket": "x", "ticket_hash": "x"}}}}"#,
            r#""auth"."ticket"."joe"."ticket_hash": replaces "ticket""#,
        ),
        (r#"{"auth": {"ticket": {"joe": {"ticket": "x", "salt": "x"}}}}"#, "only for those"),
        (r#"{"auth": {"ticket": {"joe": {"ticket_hash": "x"}}}}"#, "must be 32 bytes"),
        (r#"{"auth": {"wampcra": {"joe": {"derived_key": "x"}}}}"#, "only for those"),
        (
            r#"{"auth": {"wampcra": {"joe": {"derived_key": "AAAA", "salt": "s"}}}}"#,
            "base64 of \"keylen\" (32) bytes",
        ),
        (r#"{"auth": {"ticket": {"joe": {}}}}"#, "\"ticket\" is missing"),
        (r#"{"auth": {"wampcra": {"joe": {"secret": 1}}}}"#, "must be a string"),
        (r#"{"auth": {"scram": {"joe": {"password": "x", "iterations": 1}}}}"#, "at least 4096"),
        (r#"{"auth": {"scram": {"joe": {}}}}"#, "\"password\" is missing"),
        (r#"{"auth": {"cryptosign": {"joe": {"pubkey": "00"}}}}"#, "64 hexadecimal digits"),
        (r#"{"auth": {"factors": ["ticket"]}}"#, "ticket is not configured"),
        (r#"{"auth": {"failure_delay": 1}}"#, "must be {\"first\": seconds"),
        (r#"{"auth": {"failure_delay": {"fist": 1}}}"#, r#""failure_delay"."fist": unknown; did"#),
        (r#"{"auth": {"factors": ["wampcar"]}}"#, r#""factors"[0]: "wampcar" is no such method"#),
        (r#"{"auth": {"tiket": {}}}"#, r#""auth"."tiket": unknown; did you mean "ticket"?"#),
        (r#"{"auth": {"anonymous": {"rol": ""}}}"#, r#""anonymous"."rol": unknown; did you mean"#),
        (r#"{"auth": {"decoy_key": "00"}}"#, "\"decoy_key\": must be a key of 64"),
        (r#"{"roles": {"user": [{"uri": "a..b", "allow": {}}]}}"#, "\"a..b\""),
        (
            r#"{"roles": {"user": [{"uri": "a", "allow": {"cal": true}}]}}"#,
            r#""roles"."user"[0]."allow"."cal": unknown; did you mean "call"?"#,
        ),
        (
            r#"{"roles": {"a": [{"uri": "a", "match": "prefx", "allow": {}}]}}"#,
            r#""roles"."a"[0]."match": "prefx" is no way of matching; did you mean "prefix"?"#,
        ),
        (r#"{"roles": {"a": [{"urn": "a"}]}}"#, r#""roles"."a"[0]."urn": unknown; did you"#),
        (r#"{"roles": {"a": [{"uri": "a"}]}}"#, r#""roles"."a"[0]: "allow" is missing"#),
        (r#"{"listeners": {}}"#, r#""listeners": must be a list of"#),
        (r#"{"listeners": [{}]}"#, r#""listeners"[0]: "url" is missing"#),
        (
            r#"{"listeners": [{"url": "ws://a:b"}]}"#,
            r#""listeners"[0]."url": "ws://a:b" has the port"#,
        ),
        (r#"{"listeners": [{"url": "ws://a/?b"}]}"#, r#""url": "ws://a/?b": leave out"#),
        (
            r#"{"listeners": [{"url": "ws://a", "role": []}]}"#,
            r#""listeners"[0]."role": unknown; did you mean "roles"?"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a"}, {"url": "ws://A:80/"}]}"#,
            r#""listeners"[1]."url": "ws://A:80/" is listed twice"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "roles": []}]}"#,
            r#""listeners"[0]."roles": must be a list of roles, of which"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "roles": ["gest"]}], "roles": {"guest": []}}"#,
            r#""listeners"[0]."roles"[0]: there is no role "gest"; did you mean "guest"?"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "realms": ["relm1"]}], "realms": ["realm1"]}"#,
            r#""realms"[0]: there is no realm "relm1"; did you mean "realm1"?"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "methods": ["tiket"]}]}"#,
            r#""methods"[0]: "tiket" is no such method; did you mean "ticket"?"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "methods": ["ticket"], "auth": {"anonymous": {}}}]}"#,
            r#""listeners"[0]."methods"[0]: ticket is not configured in "auth""#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "auth": {"tickt": {}}}]}"#,
            r#""listeners"[0]."auth"."tickt": unknown; did you mean "ticket"?"#,
        ),
        (
            r#"{"listeners": [{"url": "wss://a"}]}"#,
            r#""listeners"[0]: "tls" is missing, which is needed to listen on wss://a"#,
        ),
        (
            r#"{"listeners": [{"url": "ws://a", "auth": {"tls": {"a": {"common_name": "a"}}}}]}"#,
            r#""listeners"[0]."auth"."tls": needs "client_ca" in "tls""#,
        ),
        (
            r#"{"auth": {"tls": {"a": {"common_name": "a"}}}}"#,
            r#""auth"."tls": needs "client_ca" in "tls""#,
        ),
        (
            r#"{"auth": {"tls": {"a": {"fingerprnt": "a"}}}}"#,
            r#""auth"."tls"."a"."fingerprnt": unknown; did you mean "fingerprint"?"#,
        ),
        (
            r#"{"tls": {"cert": "a", "key": "b", "client_cert": "optional"}}"#,
            r#""tls"."client_cert": is only for those with "client_ca""#,
        ),
    ] {
        let error = Config::parse(Some(json)).unwrap_err().to_string();
        assert!(error.contains(told), "{json}: {error}");
    }
}

/// The table in `docs/ROUTER.md` is made of that here: WAMP_UPDATE_DOCS=1 writes it.
#[test]
fn the_documentation_is_made_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ROUTER.md");
    let written = std::fs::read_to_string(path).unwrap();
    let begin = "<!-- options: made of src/router/config/table.rs -->\n";
    let (head, rest) = written.split_once(begin).unwrap();
    let (_, tail) = rest.split_once("<!-- end of options -->").unwrap();
    let mut page = format!("{head}{begin}");
    page += "| option | type | default | meaning | reload |\n|---|---|---|---|---|\n";
    for Spec { name, kind, default, text, .. } in TABLE {
        let cell = |text: &str| text.replace('|', "\\|");
        let [kind, default, text] = [kind, default, text].map(|text| cell(text));
        page += &format!("| `{name}` | {kind} | {default} | {text} | {} |\n", reload(name));
    }
    page += &format!("<!-- end of options -->{tail}");
    if std::env::var_os("WAMP_UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == page,
        "docs/ROUTER.md is stale: WAMP_UPDATE_DOCS=1 cargo test router::config"
    );
}

/// Whoever adds an option decides from when on it holds if it is changed.
#[test]
fn every_option_says_what_a_reload_makes_of_it() {
    let mut listed: Vec<_> = RELOADS.iter().flat_map(|(_, options)| *options).collect();
    listed.sort();
    let mut all: Vec<_> = TABLE.iter().map(|spec| &spec.name).collect();
    all.sort();
    assert_eq!(listed, all);
}

/// Whoever has nothing but the header finds them all.
#[test]
fn the_header_lists_all_options() {
    let header = include_str!("../../ffi/router.rs");
    for Spec { name, .. } in TABLE {
        assert!(
            header.contains(&format!("\n/// | `{name}`")),
            "`{name}` is not in wamp_router_new"
        );
    }
}

#[test]
fn defaults_are_what_the_table_says() {
    let mut config = Config::default();
    for spec in TABLE {
        let mib = spec.default.strip_suffix(" MiB").map(|mib| mib.parse::<usize>().unwrap() << 20);
        let default = mib.map_or(spec.default.to_owned(), |bytes| bytes.to_string());
        let Ok(value) = serde_json::from_str::<Value>(&default) else {
            continue;
        };
        let before = format!("{config:?}");
        assert!((spec.set)(&mut config, &value).is_ok(), "`{}`", spec.name);
        assert_eq!(format!("{config:?}"), before, "the default of `{}`", spec.name);
    }
}

/// Also on systems of 32 bits, where a limit of 1 TiB is never met.
#[test]
fn limits_above_all_that_can_be_are_taken() {
    for limit in [1_u64 << 40, u64::MAX] {
        let text = format!(
            r#"{{"max_message_size": {limit}, "send_queue_bytes": {limit}, "memory_limit": {limit},
                "max_connections": {limit}}}"#
        );
        let config = Config::parse(Some(&text)).unwrap();
        let limits = [config.max_message_size, config.send_queue_bytes, config.budget.limit()];
        assert!(limits.iter().all(|limit| *limit <= isize::MAX as usize), "{limits:?}");
        assert!(!config.budget.is_full(1 << 30));
    }
}

#[test]
fn a_small_machine_has_less_memory_to_give() {
    for (memory, limit) in [
        (None, 1 << 30),
        (Some(64 << 20), 16 << 20),
        (Some(4 << 30), 1 << 30),
        (Some(64 << 30), 1 << 30),
        (Some(1 << 20), 1 << 20),
    ] {
        assert_eq!(memory_limit(memory), limit, "{memory:?}");
    }
}

#[test]
fn each_place_is_judged_by_its_own_settings() {
    use crate::router::Router;
    use crate::transport::Endpoint;

    let all = r#"{"call": true, "register": true, "publish": true, "subscribe": true}"#;
    let config = format!(
        r#"{{"auth": {{"ticket": {{"joe": {{"ticket": "secret"}}}}, "anonymous": {{}}}},
            "roles": {{"anonymous": [{{"uri": "", "match": "prefix", "allow": {all}}}],
                "user": [], "guest": []}},
            "listeners": [
                {{"url": "ws://a/open"}},
                {{"url": "ws://a/methods", "methods": ["ticket"]}},
                {{"url": "ws://a/roles", "roles": ["user"]}},
                {{"url": "ws://a/guests", "auth": {{"anonymous": {{"role": "guest"}}}}}},
                {{"url": "ws://a/users", "auth": {{"ticket": {{"ann": {{"ticket": "s"}}}}}}}}
            ]}}"#
    );
    let checked = Router::check(Some(&config)).unwrap();
    let place = |url: &str| Endpoint::parse(url).unwrap();
    let urls: Vec<_> = checked.places().map(Endpoint::url).collect();
    assert_eq!(urls.len(), 5);
    assert!(urls.iter().all(|url| checked.lists(&place(url))));
    let open: Vec<_> = urls.iter().filter(|url| checked.is_open_at(&place(url))).collect();
    assert_eq!(open, [&"ws://a/open"]);
    // Whatever is not listed is as the router is.
    let other = place("wss://a/other");
    assert!(checked.is_open_at(&other) && !checked.lists(&other) && !checked.has_tls_at(&other));
}
