use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::testing::{Authority, Pair, Time, self_signed};
use super::*;
use crate::transport::Stream;

fn parse(value: Value) -> Result<TlsOptions, String> {
    TlsOptions::parse(value.as_object().unwrap())
}

/// A connection over TLS, both ends.
async fn connected(acceptor: &Acceptor, options: &TlsOptions) -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async { acceptor.accept(listener.accept().await.unwrap().0).await.unwrap() };
    let client = async {
        let tcp = TcpStream::connect(address).await.unwrap();
        connect(options, "127.0.0.1", tcp).await.unwrap()
    };
    tokio::join!(client, server)
}

fn acceptor(pair: &Pair, client_ca: Option<&str>) -> Acceptor {
    Acceptor::new(&pair.cert, &pair.key, client_ca.map(ClientCa::from)).unwrap()
}

#[tokio::test]
async fn both_ends_know_the_same_channel() {
    let pair = self_signed(&["127.0.0.1"], false);
    let acceptor = acceptor(&pair, None);
    let options = parse(json!({"ca": pair.cert})).unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (mut client, mut server) = connected(&acceptor, &options).await;
        client.write_all(b"hello").await.unwrap();
        client.flush().await.unwrap();
        let mut read = [0; 5];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
        // The tickets of the session come with the first answer.
        server.write_all(b"hello").await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(client.channel_id(), server.channel_id());
        ids.push((client.channel_id().unwrap(), client.is_resumed()));
    }
    let [(one, first), (other, second)] = ids[..] else { panic!() };
    assert_ne!(one, other, "every connection has its own");
    assert_eq!((first, second), (false, true), "the second resumes the session of the first");
}

#[tokio::test]
async fn a_client_with_a_certificate() {
    let ca = Authority::new("ours");
    let pair = ca.sign(&["127.0.0.1"], Time::Now);
    let client = ca.sign(&["client"], Time::Now);
    let acceptor = acceptor(&pair, Some(&ca.pem()));
    let options = json!({"ca": ca.pem(), "cert": client.cert, "key": client.key});
    let (client, server) = connected(&acceptor, &parse(options).unwrap()).await;
    assert_eq!(client.channel_id(), server.channel_id());
}

#[test]
fn files_are_as_good_as_texts() {
    let directory = std::env::temp_dir().join(format!("wamp-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let pair = self_signed(&["localhost"], false);
    let file = |name: &str, content: &str| {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = (file("cert.pem", &pair.cert), file("key.pem", &pair.key));
    let options = json!({"ca": cert, "cert": cert, "key": key, "server_name": "::1"});
    let options = parse(options).unwrap();
    assert!(options.warning().is_none());
    assert!(Acceptor::new(&cert, &key, Some((&*cert).into())).is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
    let gone = parse(json!({ "ca": cert })).unwrap_err();
    assert!(gone.contains("`ca`: cannot read the file") && gone.contains("cert.pem"), "{gone}");
}

#[test]
fn mistakes_are_told_without_the_key() {
    let (pair, other) = (self_signed(&["a"], false), self_signed(&["b"], false));
    let secret = &pair.key.lines().nth(1).unwrap()[..20].to_owned();
    let without_end = pair.key.replace("-----END PRIVATE KEY-----", "");
    let broken = pair.key.replacen(&secret[..4], "!!!!", 1);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    let only_middle = pair.key.lines().nth(1).unwrap().to_owned() + "\n";
    let (cert, key) = (&pair.cert, &pair.key);
    for (options, told) in [
        (json!({"verfy": false}), "`verfy`: unknown; did you mean `verify`?"),
        (json!({"something else": 1}), "the keys are ca, cert"),
        (json!({"ca": 1}), "`ca`: must be a string"),
        (json!({"ca": key}), "`ca`: there is no \"BEGIN CERTIFICATE\""),
        (json!({"ca": "/nowhere/ca.pem"}), "cannot read the file \"/nowhere/ca.pem\""),
        (json!({"cert": cert}), "`key`, which is missing"),
        (json!({"key": key}), "`cert`, which is missing"),
        (json!({"cert": cert, "key": cert}), "`key`: there is no \"BEGIN PRIVATE KEY\""),
        (json!({"cert": cert, "key": without_end}), "its END line is missing"),
        (json!({"cert": cert, "key": broken}), "not base64"),
        (json!({"cert": cert, "key": encrypted}), "it is encrypted"),
        (json!({"cert": cert, "key": only_middle}), "neither a PEM text nor the path"),
        (json!({"cert": other.cert, "key": key}), "do not go together"),
        (json!({"server_name": "a b"}), "not a name or an address"),
        (json!({"min_version": "1.1"}), "must be \"1.2\" or \"1.3\""),
        (json!({"min_version": 1.3}), "`min_version`: must be a string"),
        (json!({"pins": []}), "must be a list"),
        (json!({"pins": "sha256/"}), "must be a list"),
        (json!({"pins": ["sha256/AAAA"]}), "\"sha256/AAAA\" is not a pin"),
        (json!({"pins": ["sha1/AAAA"]}), "is not a pin"),
        (json!({"verify": "no"}), "must be true or false"),
    ] {
        let error = parse(options.clone()).unwrap_err();
        assert!(error.contains(told), "{options}: {error}");
        assert!(!error.contains(secret.as_str()), "{error}");
    }
    assert!(Acceptor::new(&other.cert, key, None).unwrap_err().contains("do not go together"));
    assert!(Acceptor::new(cert, key, Some("x".into())).unwrap_err().contains("`client_ca`"));
}

#[test]
fn nothing_secret_is_shown() {
    let pair = self_signed(&["a"], false);
    let options = parse(json!({"cert": pair.cert, "key": pair.key, "verify": false})).unwrap();
    let acceptor = Acceptor::new(&pair.cert, &pair.key, None).unwrap();
    let shown = format!("{options:?} {acceptor:?}");
    assert!(shown.len() < 300 && shown.contains("verify: false"), "{shown}");
}

#[test]
fn only_who_is_not_verified_at_all_is_warned_of() {
    let warns = |options: Value| parse(options).unwrap().warning().is_some();
    let pins = json!([format!("sha256/{}=", "A".repeat(43))]);
    assert!(warns(json!({"verify": false})));
    assert!(!warns(json!({"verify": false, "pins": pins})));
    assert!(!warns(json!({"verify": true})));
    assert!(!warns(json!({})));
}
