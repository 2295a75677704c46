//! Listeners with settings of their own: who may join there, as what, and what a reload makes of
//! them.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::HELLO;
use super::hooks::{LOGINS, questions};
use super::sockets::Client;
use super::transports::dial;
use super::wire::{asks, says};
use crate::router::{Router, RouterError};
use crate::transport::testing::soon;
use crate::transport::tls::testing::{Authority, Time};
use crate::transport::{ConnectOptions, connect};

const WRONG: &str = "the authid is not known for this method, or its secret is wrong";
const FAILED: &str = "wamp.error.authentication_failed";
const KILLED: &str = "wamp.close.killed";
const SHUTDOWN: &str = "wamp.close.system_shutdown";

/// The URL with path `path` as it is configured.
fn url(path: &str) -> String {
    format!("ws://127.0.0.1:0/{path}")
}

struct House {
    router: Arc<Router>,
    urls: Vec<String>,
}

/// A router that listens as it is configured.
fn house(config: &Value) -> House {
    let router = Router::new(Some(&config.to_string())).unwrap();
    let urls = router.listen_all(&Handle::current()).unwrap();
    House { router, urls }
}

impl House {
    /// A client that has said HELLO at the listener with this path.
    async fn applicant(&self, path: &str, realm: &str, entries: Value) -> Client {
        let url = self.urls.iter().find(|url| url.ends_with(path)).unwrap();
        let mut client = Client::connect(url).await.unwrap();
        let mut details = json!({"roles": {"caller": {}, "publisher": {}}});
        details.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
        client.says(&json!([1, realm, details]).to_string()).await;
        client
    }

    /// Somebody who has answered with a ticket.
    async fn ticketed(&self, path: &str, authid: &str, ticket: &str) -> Client {
        let hello = json!({"authid": authid, "authmethods": ["ticket"]});
        let mut client = self.applicant(path, "realm1", hello).await;
        assert_eq!(client.hears().await, json!([4, "ticket", {}]));
        client.says(&json!([5, ticket, {}]).to_string()).await;
        client
    }

    fn reload(&self, config: &Value) -> Result<(), RouterError> {
        self.router.reload(Some(&config.to_string()))
    }
}

/// The role of somebody who is let in.
#[track_caller]
fn role(welcome: &Value) -> &str {
    assert_eq!(welcome[0], 2, "{welcome}");
    welcome[2]["authrole"].as_str().unwrap()
}

async fn says_goodbye(client: &mut Client, reason: &str) {
    let goodbye = client.hears().await;
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(6), &json!(reason)));
}

fn two_doors() -> Value {
    json!({
        "realms": ["realm1", "backstage"],
        "auth": {
            "ticket": {"ann": {"ticket": "a", "role": "admin"}, "joe": {"ticket": "j"}},
            "anonymous": {"role": "guest"},
            "failure_delay": {"first": 0, "most": 0},
        },
        "roles": {"admin": [], "user": [], "guest": []},
        "listeners": [
            {"url": url("street"), "realms": ["realm1"], "roles": ["user", "guest"]},
            {"url": url("keys"), "methods": ["ticket"]},
            {"url": url("inside"), "auth": {"anonymous": {"role": "admin"}}},
        ],
    })
}

#[tokio::test]
async fn each_listener_lets_in_whom_it_may() {
    let house = house(&two_doors());
    for (path, realm, told) in [
        ("street", "realm1", Ok("guest")),
        ("street", "backstage", Err("wamp.error.no_such_realm")),
        ("street", "nowhere", Err("wamp.error.no_such_realm")),
        ("keys", "realm1", Err("wamp.error.no_matching_auth_method")),
        ("inside", "backstage", Ok("admin")),
    ] {
        let mut client = house.applicant(path, realm, json!({})).await;
        match told {
            Ok(wanted) => assert_eq!(role(&client.hears().await), wanted, "{path}"),
            Err(reason) => client.hears_abort(reason, "").await,
        }
    }
    for (path, authid, ticket, wanted) in [
        ("street", "joe", "j", Some("user")),
        // Her secret is right: nobody is to find that out from the street.
        ("street", "ann", "a", None),
        ("street", "ann", "x", None),
        ("keys", "ann", "a", Some("admin")),
        ("keys", "ann", "x", None),
    ] {
        let mut client = house.ticketed(path, authid, ticket).await;
        match wanted {
            Some(wanted) => assert_eq!(role(&client.hears().await), wanted, "{path} {authid}"),
            None => client.hears_abort(FAILED, WRONG).await,
        }
    }
    // There are other users behind that door, and no tickets.
    let hello = json!({"authid": "ann", "authmethods": ["ticket"]});
    let client = house.applicant("inside", "realm1", hello).await;
    client.hears_abort("wamp.error.no_matching_auth_method", "none of ticket").await;
}

/// The listener limits the grants of the program, too.
#[tokio::test]
async fn the_program_cannot_open_another_door() {
    let config = json!({"listeners": [
        {"url": url("street"), "roles": ["guest"], "realms": ["realm1"], "methods": ["anonymous"]},
    ]});
    let router = Router::new(Some(&config.to_string())).unwrap();
    let mut asked = questions(&router, LOGINS);
    let urls = router.listen_all(&Handle::current()).unwrap();
    let house = House { router, urls };
    for (grant, told) in [
        (json!({"authrole": "guest"}), None),
        (json!({"authrole": "admin"}), Some(FAILED)),
        (json!({"authrole": "guest", "realm": "realm2"}), Some("wamp.error.no_such_realm")),
    ] {
        let mut client = house.applicant("street", "realm1", json!({})).await;
        let question = soon(asked.recv()).await.unwrap().question.clone();
        question.allow(Some(&grant.to_string())).unwrap();
        match told {
            None => assert_eq!(role(&client.hears().await), "guest"),
            Some(reason) => client.hears_abort(reason, "").await,
        }
    }
    let hello = json!({"authid": "ann", "authmethods": ["ticket"]});
    let client = house.applicant("street", "realm1", hello).await;
    client.hears_abort("wamp.error.no_matching_auth_method", "none of ticket").await;
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn without_users_methods_let_nobody_in_who_is_anonymous() {
    let house = house(&json!({"listeners": [{"url": url("a"), "methods": ["ticket"]}]}));
    for entries in [json!({}), json!({"authmethods": ["ticket"]}), json!({"authmethods": []})] {
        let client = house.applicant("a", "realm1", entries).await;
        client.hears_abort("wamp.error.no_matching_auth_method", "anonymous").await;
    }
}

/// Whoever came by a listener is judged by what it allows now.
#[tokio::test]
async fn a_reload_judges_those_anew_who_came_by_a_listener() {
    let mut config = two_doors();
    let house = house(&config);
    let mut guest = house.applicant("street", "realm1", json!({})).await;
    let mut joe = house.ticketed("street", "joe", "j").await;
    let mut ann = house.ticketed("keys", "ann", "a").await;
    let mut insider = house.applicant("inside", "backstage", json!({})).await;
    for client in [&mut guest, &mut joe, &mut ann, &mut insider] {
        role(&client.hears().await);
    }
    let begun = {
        let hello = json!({"authid": "joe", "authmethods": ["ticket"]});
        let mut client = house.applicant("street", "realm1", hello).await;
        assert_eq!(client.hears().await[0], 4);
        client
    };
    house.reload(&config).unwrap();
    config["listeners"][0]["roles"] = json!(["user"]);
    house.reload(&config).unwrap();
    says_goodbye(&mut guest, KILLED).await;
    config["listeners"][0]["realms"] = json!(["backstage"]);
    house.reload(&config).unwrap();
    says_goodbye(&mut joe, "wamp.close.close_realm").await;
    let mut begun = begun;
    begun.says(r#"[5,"j",{}]"#).await;
    begun.hears_abort("wamp.error.no_such_realm", "realm1").await;
    config["listeners"][2]["auth"] = json!({"anonymous": {"role": "user"}});
    house.reload(&config).unwrap();
    says_goodbye(&mut insider, SHUTDOWN).await;
    // The one who came by the listener that has not changed.
    ann.says(r#"[48,1,{},"wamp.session.count"]"#).await;
    assert_eq!(ann.hears().await[0], 8, "she is there, and may not call that");
    config["listeners"][1]["methods"] = json!(["anonymous"]);
    house.reload(&config).unwrap();
    says_goodbye(&mut ann, KILLED).await;
}

#[tokio::test]
async fn a_listener_that_is_not_listed_any_more_is_closed() {
    let mut config = two_doors();
    let house = house(&config);
    let bare = house.router.listen("ws://127.0.0.1:0/bare", &Handle::current()).unwrap();
    let [street, keys] = [house.urls[0].clone(), house.urls[1].clone()];
    assert_eq!(house.router.url(), Some(street.clone()));
    let mut guest = house.applicant("street", "realm1", json!({})).await;
    role(&guest.hears().await);
    let hello = json!({"authid": "joe", "authmethods": ["ticket"]});
    let mut begun = house.applicant("street", "realm1", hello).await;
    assert_eq!(begun.hears().await[0], 4);

    let port = |url: &str| url.split([':', '/']).nth(4).unwrap().to_owned();
    // In its place another one, at the same port.
    let moved = format!("ws://127.0.0.1:{}/moved", port(&street));
    config["listeners"][0]["url"] = json!(moved);
    let runtime = Handle::current();
    let router = house.router.clone();
    let next = config.clone();
    let reloaded = tokio::task::spawn_blocking(move || router.reload(Some(&next.to_string())));
    // This thread is the one that frees the address.
    soon(reloaded).await.unwrap().unwrap();
    says_goodbye(&mut guest, SHUTDOWN).await;
    begun.says(r#"[5,"j",{}]"#).await;
    begun.hears_abort(FAILED, "").await;
    assert!(Client::connect(&street).await.is_err());
    assert_eq!(house.router.url(), Some(keys));
    assert_eq!(house.router.listen_all(&runtime).unwrap(), std::slice::from_ref(&moved));
    assert_eq!(house.router.listen_all(&runtime).unwrap(), Vec::<String>::new());
    for open in [&moved, &bare] {
        Client::connect(open).await.unwrap();
    }
}

#[tokio::test]
async fn all_listeners_are_opened_or_none() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("rs://{}", held.local_addr().unwrap());
    // The same port of another address of this machine, which nobody else has.
    let free = std::net::SocketAddr::from(([127, 0, 0, 2], held.local_addr().unwrap().port()));
    let config = json!({"listeners": [{"url": format!("rs://{free}")}, {"url": taken}]});
    let router = Router::new(Some(&config.to_string())).unwrap();
    let failed = router.listen_all(&Handle::current()).unwrap_err();
    assert!(matches!(&failed, RouterError::Bind { url, .. } if *url == taken), "{failed}");
    assert_eq!(router.url(), None);
    assert!(std::net::TcpListener::bind(free).is_ok(), "the first one was let go of again");

    let router = Router::new(None).unwrap();
    let Err(RouterError::Url(why)) = router.listen_all(&Handle::current()) else {
        panic!("there is nothing to listen at");
    };
    assert!(why.contains("listeners"), "{why}");
}

/// Pages and proxies are a matter of each listener.
#[tokio::test]
async fn a_listener_has_its_own_pages() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let house = house(&json!({
        "allowed_origins": ["https://all.example.com"],
        "listeners": [
            {"url": url("own"), "allowed_origins": ["https://own.example.com"]},
            {"url": url("all")},
        ],
    }));
    for (path, origin, is_let_in) in [
        ("own", "https://own.example.com", true),
        ("own", "https://all.example.com", false),
        ("all", "https://own.example.com", false),
        ("all", "https://all.example.com", true),
    ] {
        let url = house.urls.iter().find(|url| url.ends_with(path)).unwrap();
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "wamp.2.json".parse().unwrap());
        headers.insert("origin", origin.parse().unwrap());
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let answer = soon(tokio_tungstenite::client_async(request, stream)).await;
        assert_eq!(answer.is_ok(), is_let_in, "{path} {origin}");
    }
}

#[tokio::test]
async fn every_transport_has_its_door() {
    let doors = ["ws://127.0.0.1:0/ws", "rs://127.0.0.1:0", "http://127.0.0.1:0/lp"];
    let listener = |(number, url): (usize, &&str)| json!({"url": url, "auth": {"anonymous": {"role": format!("role{number}")}}});
    let listeners: Vec<_> = doors.iter().enumerate().map(listener).collect();
    let house = house(&json!({"listeners": listeners}));
    for (number, url) in house.urls.iter().enumerate() {
        let mut client = soon(connect(&ConnectOptions::plain(url))).await.unwrap();
        assert_eq!(role(&asks(&mut *client, HELLO).await), format!("role{number}"), "{url}");
    }
}

/// A proxy is believed by the listener that trusts it.
#[tokio::test]
async fn a_listener_has_its_own_proxies() {
    let config = json!({"trusted_proxies": ["192.0.2.1"], "listeners": [
        {"url": url("own"), "trusted_proxies": ["127.0.0.0/8"]},
        {"url": url("all")},
    ]});
    let router = Router::new(Some(&config.to_string())).unwrap();
    let mut asked = questions(&router, LOGINS);
    let urls = router.listen_all(&Handle::current()).unwrap();
    for (url, peer) in urls.iter().zip(["203.0.113.7", "127.0.0.1"]) {
        let headers = vec![("X-Forwarded-For".to_owned(), "203.0.113.7".to_owned())];
        let options = ConnectOptions { headers, ..ConnectOptions::plain(url) };
        let mut client = soon(connect(&options)).await.unwrap();
        says(&mut *client, HELLO).await;
        let question = soon(asked.recv()).await.unwrap().question.clone();
        let details: Value = serde_json::from_str(&question.details).unwrap();
        assert_eq!(details["transport"]["peer"], peer, "{url}");
    }
}

#[tokio::test]
async fn a_listener_has_its_own_certificate() {
    let [common, own, new] = ["common", "own", "new"].map(Authority::new);
    let tls = |authority: &Authority| {
        let pair = authority.sign(&["127.0.0.1"], Time::Now);
        json!({"cert": pair.cert, "key": pair.key})
    };
    let mut config = json!({"tls": tls(&common), "listeners": [
        {"url": "wss://127.0.0.1:0/own", "tls": tls(&own)},
        {"url": "wss://127.0.0.1:0/common"},
    ]});
    let house = house(&config);
    let [at_own, at_common] = [&house.urls[0], &house.urls[1]];
    let trusts = async |url: &str, authority: &Authority| {
        dial(url, json!({"ca": authority.pem()})).await.is_ok()
    };
    assert!(trusts(at_own, &own).await && !trusts(at_own, &common).await);
    assert!(trusts(at_common, &common).await && !trusts(at_common, &own).await);
    config["listeners"][0]["tls"] = tls(&new);
    house.reload(&config).unwrap();
    assert!(trusts(at_own, &new).await && !trusts(at_own, &own).await);
    assert!(trusts(at_common, &common).await);
    // The other one still needs the one of the router.
    config.as_object_mut().unwrap().remove("tls");
    let Err(RouterError::Config(why)) = house.reload(&config) else {
        panic!("a listener has no certificate");
    };
    assert!(why.contains(r#""listeners"[1]: "tls" is missing"#), "{why}");
}
