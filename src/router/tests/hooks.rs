//! The program is asked who may join, and what clients may do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::HELLO;
use super::sockets::Client;
use crate::router::{AnswerError, Asked, Host, Question, QuestionKind, Router};
use crate::transport::testing::soon;

/// A program that takes questions one by one.
#[derive(Debug)]
struct Program {
    kinds: &'static [QuestionKind],
    questions: UnboundedSender<Asked>,
}

impl Host for Program {
    fn wants(&self, kind: QuestionKind) -> bool {
        self.kinds.contains(&kind)
    }

    fn ask(&self, asked: Asked) {
        let _ = self.questions.send(asked);
    }
}

/// Has the router ask about these things, and gives the questions.
pub(super) fn questions(
    router: &Router,
    kinds: &'static [QuestionKind],
) -> UnboundedReceiver<Asked> {
    let (sender, questions) = unbounded_channel();
    router.set_host(Arc::new(Program { kinds, questions: sender }));
    questions
}

pub(super) const LOGINS: &[QuestionKind] = &[QuestionKind::Login];
const ACTIONS: &[QuestionKind] = &[QuestionKind::Action];

struct Asking {
    router: Arc<Router>,
    questions: UnboundedReceiver<Asked>,
}

impl Asking {
    fn new(config: &str, kinds: &'static [QuestionKind]) -> Asking {
        let router = Router::new(Some(config)).unwrap();
        let questions = questions(&router, kinds);
        router.listen("ws://127.0.0.1:0/ws", &Handle::current()).unwrap();
        Asking { router, questions }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.router.url().unwrap()).await.unwrap()
    }

    /// A client that has said HELLO with these entries beside its roles.
    async fn applicant(&self, entries: Value) -> Client {
        let mut client = self.client().await;
        let mut details = json!({"roles": {"publisher": {}, "subscriber": {}, "caller": {},
            "callee": {}}});
        details.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
        client.says(&json!([1, "realm1", details]).to_string()).await;
        client
    }

    /// The next question, and its details.
    async fn question(&mut self) -> (Arc<Question>, Value) {
        let asked = soon(self.questions.recv()).await.expect("a question");
        let question = asked.question.clone();
        let details = serde_json::from_str(&question.details).unwrap();
        (question, details)
    }

    fn asks_nothing(&mut self) {
        assert!(self.questions.try_recv().is_err(), "nothing is to be asked");
    }
}

const WRONG: &str = "the authid is not known for this method, or its secret is wrong";
const FAILED: &str = "wamp.error.authentication_failed";

#[tokio::test]
async fn the_program_lets_in_and_says_as_whom() {
    let mut asking = Asking::new("{}", LOGINS);
    let hello = json!({"authid": "joe", "authmethods": ["x"], "authextra": {"a": 1}});
    let mut client = asking.applicant(hello).await;
    let (question, details) = asking.question().await;
    assert_eq!((question.kind, &*question.uri), (QuestionKind::Login, "realm1"));
    assert_eq!(details["session"], json!(question.session));
    for (key, value) in [
        ("realm", json!("realm1")),
        ("authid", json!("joe")),
        ("authmethods", json!(["x"])),
        ("authextra", json!({"a": 1})),
        ("transport", json!({"peer": "127.0.0.1", "channel_id": null, "client_cert": null})),
    ] {
        assert_eq!(details[key], value, "{key}");
    }
    for wrong in [
        "[]",
        "{",
        r#"{"athid": "x"}"#,
        r#"{"authid": 1}"#,
        r#"{"authextra": 1}"#,
        r#"{"realm": "a b"}"#,
    ] {
        assert!(matches!(question.allow(Some(wrong)), Err(AnswerError::Wrong(_))), "{wrong}");
    }
    let grant = r#"{"authid": "jim", "authrole": "admin", "authmethod": "badge",
        "authprovider": "door", "authextra": {"b": 2}, "realm": "realm2"}"#;
    assert_eq!(question.allow(Some(grant)), Ok(()));
    assert_eq!(question.allow(None), Err(AnswerError::Answered));
    assert_eq!(question.deny(None, None), Err(AnswerError::Answered));
    let welcome = client.hears().await;
    assert_eq!((&welcome[0], &welcome[1]), (&json!(2), &json!(question.session)));
    for (key, value) in [
        ("authid", json!("jim")),
        ("authrole", json!("admin")),
        ("authmethod", json!("badge")),
        ("authprovider", json!("door")),
        ("authextra", json!({"b": 2})),
        ("realm", json!("realm2")),
    ] {
        assert_eq!(welcome[2][key], value, "{key}");
    }
}

#[tokio::test]
async fn what_the_program_leaves_out_is_as_the_client_claims() {
    let mut asking = Asking::new("{}", LOGINS);
    for (hello, authid, role) in
        [(json!({"authid": "joe"}), Some("joe"), "user"), (json!({}), None, "anonymous")]
    {
        let mut client = asking.applicant(hello).await;
        asking.question().await.0.allow(None).unwrap();
        let welcome = client.hears().await;
        let told = welcome[2]["authid"].as_str().unwrap();
        assert!(authid.map_or(!told.is_empty(), |authid| authid == told), "{welcome}");
        assert_eq!(welcome[2]["authrole"], role);
        assert_eq!(welcome[2]["authprovider"], "dynamic");
    }
    let mut client = asking.applicant(json!({})).await;
    asking.question().await.0.allow(Some(r#"{"authrole": "x", "realm": "realm1"}"#)).unwrap();
    assert_eq!(client.hears().await[2]["authrole"], "x");
}

#[tokio::test]
async fn a_refusal_has_the_usual_words_and_is_slowed() {
    let mut asking = Asking::new("{}", LOGINS);
    let begun = Instant::now();
    let client = asking.applicant(json!({"authid": "joe"})).await;
    asking.question().await.0.deny(None, None).unwrap();
    client.hears_abort(FAILED, WRONG).await;
    assert!(begun.elapsed() >= Duration::from_millis(100));
    // Each of them waits for its turn behind the one before.
    let begun = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(asking.applicant(json!({"authid": "joe"})).await);
    }
    for _ in 0..3 {
        asking.question().await.0.deny(None, None).unwrap();
    }
    for client in clients {
        client.hears_abort(FAILED, WRONG).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(100 + 100 + 200));

    let client = asking.applicant(json!({"authid": "ann"})).await;
    let question = asking.question().await.0;
    assert!(matches!(question.deny(Some("no uri"), None), Err(AnswerError::Uri(_))));
    question.deny(Some("com.app.full"), Some("come back later")).unwrap();
    client.hears_abort("com.app.full", "come back later").await;
}

#[tokio::test]
async fn a_question_without_an_answer_is_a_refusal() {
    let mut asking = Asking::new(r#"{"question_timeout": 0.3}"#, LOGINS);
    let client = asking.applicant(json!({})).await;
    drop(soon(asking.questions.recv()).await);
    client.hears_abort(FAILED, "was not answered").await;

    let client = asking.applicant(json!({})).await;
    let question = asking.question().await.0;
    client.hears_abort(FAILED, "not answered in time").await;
    assert!(question.is_settled());
    assert_eq!(question.allow(None), Err(AnswerError::Late));
}

#[tokio::test]
async fn the_program_challenges_as_often_as_it_likes() {
    let mut asking = Asking::new("{}", LOGINS);
    let mut client = asking.applicant(json!({"authid": "joe"})).await;
    let (mut question, details) = asking.question().await;
    assert_eq!(details.get("signature"), None);
    for round in 0..3 {
        let extra = json!({"round": round}).to_string();
        assert!(question.challenge("ticket", Some("[]")).is_err());
        question.challenge("ticket", Some(&extra)).unwrap();
        assert_eq!(client.hears().await, json!([4, "ticket", {"round": round}]));
        client.says(&json!([5, format!("s{round}"), {"x": round}]).to_string()).await;
        let (next, details) = asking.question().await;
        assert_eq!(details["method"], "ticket");
        assert_eq!(details["challenge"], json!({"round": round}));
        assert_eq!(details["signature"], format!("s{round}"));
        assert_eq!(details["extra"], json!({"x": round}));
        assert_eq!(details["authid"], "joe");
        question = next;
    }
    question.allow(None).unwrap();
    let welcome = client.hears().await;
    assert_eq!(
        (&welcome[2]["authid"], &welcome[2]["authmethod"]),
        (&json!("joe"), &json!("ticket"))
    );
}

#[tokio::test]
async fn who_is_proven_is_asked_about_last() {
    let auth = r#"{"auth": {"ticket": {"joe": {"ticket": "secret", "role": "staff"}}},
        "realms": ["realm1"]}"#;
    let mut asking = Asking::new(auth, LOGINS);
    let hello = json!({"authid": "joe", "authmethods": ["ticket"]});
    let mut client = asking.applicant(hello.clone()).await;
    assert_eq!(client.hears().await[1], "ticket");
    client.says(r#"[5,"wrong",{}]"#).await;
    client.hears_abort(FAILED, WRONG).await;
    asking.asks_nothing();

    for (grant, role) in [(None, "staff"), (Some(r#"{"authrole": "boss"}"#), "boss")] {
        let mut client = asking.applicant(hello.clone()).await;
        client.hears().await;
        client.says(r#"[5,"secret",{}]"#).await;
        let (question, details) = asking.question().await;
        let told = ["authid", "authrole", "authmethod", "authprovider"].map(|key| &details[key]);
        assert_eq!(told, ["joe", "staff", "ticket", "static"]);
        question.allow(grant).unwrap();
        let welcome = client.hears().await;
        assert_eq!(welcome[2]["authrole"], role);
        assert_eq!(welcome[2]["authmethod"], "ticket");
    }
    let mut client = asking.applicant(hello.clone()).await;
    client.hears().await;
    client.says(r#"[5,"secret",{}]"#).await;
    asking.question().await.0.allow(Some(r#"{"realm": "nowhere"}"#)).unwrap();
    client.hears_abort("wamp.error.no_such_realm", "nowhere").await;
    let mut client = asking.applicant(hello).await;
    client.hears().await;
    client.says(r#"[5,"secret",{}]"#).await;
    asking.question().await.0.deny(None, None).unwrap();
    client.hears_abort(FAILED, WRONG).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_harmless() {
    let mut asking = Asking::new("{}", LOGINS);
    let client = asking.applicant(json!({})).await;
    let question = asking.question().await.0;
    assert!(!question.is_settled());
    drop(client);
    while !question.is_settled() {
        tokio::task::yield_now().await;
    }
    assert_eq!(question.deny(None, None), Err(AnswerError::Late));
    // And so is one that says more than it may.
    let mut client = asking.applicant(json!({})).await;
    let question = asking.question().await.0;
    client.says(HELLO).await;
    client.hears_abort("wamp.error.protocol_violation", "instead of AUTHENTICATE").await;
    assert_eq!(question.allow(None), Err(AnswerError::Late));
}

/// The places are those of questions that are open or that nobody has been told of yet.
#[tokio::test]
async fn so_many_questions_are_open_at_a_time() {
    let mut asking = Asking::new(r#"{"max_questions": 2}"#, LOGINS);
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(asking.applicant(json!({})).await);
    }
    let [first, second] = [asking.question().await.0, asking.question().await.0];
    // The third one would have come before this.
    let mut other = asking.client().await;
    other.says(r#"[1,"a b",{"roles":{"caller":{}}}]"#).await;
    assert_eq!(other.hears().await[0], 3);
    asking.asks_nothing();
    first.allow(None).unwrap();
    let third = asking.question().await.0;
    second.allow(None).unwrap();
    third.allow(None).unwrap();
    for mut client in clients {
        assert_eq!(client.hears().await[0], 2);
    }
}

async fn joined(asking: &Asking) -> Client {
    Client::join(&asking.router).await
}

#[tokio::test]
async fn requests_wait_in_order_and_nobody_elses() {
    let mut asking = Asking::new("{}", ACTIONS);
    let mut client = joined(&asking).await;
    let mut other = joined(&asking).await;
    client.says(r#"[32,1,{"match":"prefix","x":1},"com."]"#).await;
    client.says(r#"[16,2,{"acknowledge":true},"com.a"]"#).await;
    client.says(r#"[34,3,1]"#).await;
    client.says(r#"[6,{},"wamp.close.goodbye_and_out"]"#).await;
    let (question, details) = asking.question().await;
    assert_eq!((question.kind, &*question.uri), (QuestionKind::Action, "com."));
    for (key, value) in [
        ("action", json!("subscribe")),
        ("uri", json!("com.")),
        ("match", json!("prefix")),
        ("options", json!({"match": "prefix", "x": 1})),
        ("session", json!(question.session)),
        ("realm", json!("realm1")),
        ("authrole", json!("anonymous")),
        ("authmethod", json!("anonymous")),
    ] {
        assert_eq!(details[key], value, "{key}");
    }
    assert!(matches!(question.challenge("ticket", None), Err(AnswerError::Wrong(_))));
    // Another client goes on meanwhile, in the same realm.
    other.says(r#"[48,1,{},"wamp.session.count"]"#).await;
    let others = asking.question().await.0;
    assert_ne!(others.session, question.session);
    others.allow(None).unwrap();
    assert_eq!(other.hears().await, json!([50, 1, {}, [2]]));
    asking.asks_nothing();

    question.allow(None).unwrap();
    assert_eq!(client.hears().await, json!([33, 1, 1]));
    let (question, details) = asking.question().await;
    assert_eq!((&details["action"], &details["match"]), (&json!("publish"), &json!("exact")));
    question.allow(None).unwrap();
    assert_eq!(client.hears().await[0], 17);
    assert_eq!(client.hears().await, json!([35, 3]));
    assert_eq!(client.hears().await[0], 6);
}

#[tokio::test]
async fn a_denial_answers_the_request_alone() {
    let mut asking = Asking::new("{}", ACTIONS);
    let mut client = joined(&asking).await;
    let denied = "wamp.error.not_authorized";
    let frames = [
        (r#"[48,1,{},"com.a"]"#, 48),
        (r#"[64,2,{},"com.a"]"#, 64),
        (r#"[32,3,{},"com.a"]"#, 32),
        (r#"[16,4,{"acknowledge":true},"com.a"]"#, 16),
    ];
    for (at, (frame, kind)) in frames.into_iter().enumerate() {
        client.says(frame).await;
        asking.question().await.0.deny(None, None).unwrap();
        let error = client.hears().await;
        let told = (&error[0], &error[1], &error[2], &error[4]);
        assert_eq!(told, (&json!(8), &json!(kind), &json!(at + 1), &json!(denied)));
    }
    // A publisher that wants no answer hears nothing.
    client.says(r#"[16,5,{},"com.a"]"#).await;
    asking.question().await.0.deny(None, None).unwrap();
    client.says(r#"[48,6,{},"com.a"]"#).await;
    asking.question().await.0.deny(Some("com.app.no"), Some("because")).unwrap();
    let error = client.hears().await;
    assert_eq!(
        (&error[2], &error[4], &error[5]),
        (&json!(6), &json!("com.app.no"), &json!(["because"]))
    );
    client.says(r#"[48,7,{},"com.a"]"#).await;
    drop(soon(asking.questions.recv()).await);
    assert_eq!(client.hears().await[4], "wamp.error.authorization_failed");
}

#[tokio::test]
async fn an_answer_can_hold_for_the_session() {
    let mut asking = Asking::new("{}", ACTIONS);
    let mut client = joined(&asking).await;
    client.says(r#"[32,1,{},"com.a"]"#).await;
    asking.question().await.0.allow(Some(r#"{"cache": true}"#)).unwrap();
    assert_eq!(client.hears().await[0], 33);
    client.says(r#"[32,2,{},"com.a"]"#).await;
    assert_eq!(client.hears().await[0], 33);
    asking.asks_nothing();
    // Neither for another action, nor another match, nor another session.
    client.says(r#"[16,3,{"acknowledge":true},"com.a"]"#).await;
    asking.question().await.0.allow(None).unwrap();
    assert_eq!(client.hears().await[0], 17);
    client.says(r#"[32,4,{"match":"prefix"},"com.a"]"#).await;
    asking.question().await.0.allow(None).unwrap();
    assert_eq!(client.hears().await[0], 33);
    let mut other = joined(&asking).await;
    other.says(r#"[32,1,{},"com.a"]"#).await;
    asking.question().await.0.deny(None, None).unwrap();
    assert_eq!(other.hears().await[0], 8);
}

#[tokio::test]
async fn the_program_can_have_clients_disclosed() {
    let mut asking = Asking::new("{}", ACTIONS);
    let mut callee = joined(&asking).await;
    let mut caller = joined(&asking).await;
    for (frame, answer) in [(r#"[64,1,{},"com.p"]"#, 65), (r#"[32,2,{},"com.t"]"#, 33)] {
        callee.says(frame).await;
        asking.question().await.0.allow(None).unwrap();
        assert_eq!(callee.hears().await[0], answer);
    }
    caller.says(r#"[48,1,{"disclose_me":false},"com.p"]"#).await;
    let question = asking.question().await.0;
    question.allow(Some(r#"{"disclose": true}"#)).unwrap();
    assert_eq!(callee.hears().await[3]["caller"], json!(question.session));
    caller.says(r#"[16,2,{},"com.t"]"#).await;
    asking.question().await.0.allow(Some(r#"{"disclose": true, "cache": true}"#)).unwrap();
    assert_eq!(callee.hears().await[3]["publisher"], json!(question.session));
    caller.says(r#"[16,3,{},"com.t"]"#).await;
    assert_eq!(callee.hears().await[3]["publisher"], json!(question.session));
}

/// The rights of the role come first, and a testament is the publication that it will be.
#[tokio::test]
async fn what_the_role_may_not_do_is_not_asked_about() {
    let roles = r#"{"roles": {"anonymous": [
        {"uri": "com.", "match": "prefix", "allow": {"publish": true, "subscribe": true}},
        {"uri": "com.secret", "allow": {}},
        {"uri": "wamp.session.add_testament", "allow": {"call": true}}]}}"#;
    let mut asking = Asking::new(roles, ACTIONS);
    let mut client = joined(&asking).await;
    for (at, frame) in [
        r#"[32,#,{},"com.secret"]"#,
        r#"[32,#,{"match":"prefix"},"com."]"#,
        r#"[16,#,{"acknowledge":true},"org.a"]"#,
        r#"[48,#,{},"com.a"]"#,
        r#"[32,#,{"match":"no"},"com.a"]"#,
        r#"[48,#,{},"wamp.session.add_testament",["com.secret"]]"#,
    ]
    .into_iter()
    .enumerate()
    {
        client.says(&frame.replace('#', &(at + 1).to_string())).await;
        assert_eq!(client.hears().await[0], 8, "{frame}");
        asking.asks_nothing();
    }
    client.says(r#"[48,7,{},"wamp.session.add_testament",["com.will"]]"#).await;
    let (question, details) = asking.question().await;
    assert_eq!((&details["action"], &details["uri"]), (&json!("publish"), &json!("com.will")));
    question.deny(None, None).unwrap();
    let error = client.hears().await;
    assert_eq!((&error[1], &error[2]), (&json!(48), &json!(7)));
}

/// More than is read before a decision: it waits in the socket, and all of it comes in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_behind_a_question_is_bounded() {
    const PUBLICATIONS: usize = 2000;
    let mut asking = Asking::new("{}", ACTIONS);
    let mut client = joined(&asking).await;
    let mut subscriber = joined(&asking).await;
    subscriber.says(r#"[32,1,{},"com.a"]"#).await;
    asking.question().await.0.allow(None).unwrap();
    subscriber.hears().await;
    client.says(r#"[16,1,{},"com.a",[1]]"#).await;
    let question = asking.question().await.0;
    let before = asking.router.stats().messages_in;
    let filler = "x".repeat(2000);
    let flood = tokio::spawn(async move {
        for at in 2..=PUBLICATIONS {
            client.says(&json!([16, at, {}, "com.a", [at, filler]]).to_string()).await;
        }
        client
    });
    // What others do meanwhile comes before it.
    subscriber.says(r#"[48,2,{},"wamp.session.count"]"#).await;
    asking.question().await.0.allow(None).unwrap();
    assert_eq!(subscriber.hears().await[0], 50);
    assert_eq!(asking.router.stats().messages_in, before + 1, "nothing is carried out");
    question.allow(Some(r#"{"cache": true}"#)).unwrap();
    for at in 1..=PUBLICATIONS {
        assert_eq!(subscriber.hears().await[4][0], at);
    }
    soon(flood).await.unwrap();
    assert_eq!(asking.router.stats().messages_in - before, PUBLICATIONS as u64);
}

/// Further parts of a call belong to the first one, which was asked about.
#[tokio::test]
async fn a_call_in_parts_is_asked_about_once() {
    for strict in [true, false] {
        let config = json!({"strict_request_ids": strict}).to_string();
        let mut asking = Asking::new(&config, ACTIONS);
        let features = r#"{"features":{"progressive_call_invocations":true}}"#;
        let hello =
            format!(r#"[1,"realm1",{{"roles":{{"caller":{features},"callee":{features}}}}}]"#);
        let mut client = asking.client().await;
        client.says(&hello).await;
        client.hears().await;
        client.says(r#"[64,1,{},"com.p"]"#).await;
        asking.question().await.0.allow(None).unwrap();
        client.hears().await;
        client.says(r#"[48,2,{"progress":true},"com.p",[1]]"#).await;
        asking.question().await.0.allow(None).unwrap();
        assert_eq!(client.hears().await[4], json!([1]));
        client.says(r#"[48,2,{},"com.p",[2]]"#).await;
        assert_eq!(client.hears().await[4], json!([2]));
        asking.asks_nothing();
        // And those of one that was refused are for nobody.
        client.says(r#"[48,3,{"progress":true},"com.p",[1]]"#).await;
        asking.question().await.0.deny(None, None).unwrap();
        assert_eq!(client.hears().await[2], 3);
        client.says(r#"[48,3,{},"com.p",[2]]"#).await;
        client.says(r#"[48,4,{},"com.p",[3]]"#).await;
        asking.question().await.0.allow(None).unwrap();
        assert_eq!(client.hears().await[4], json!([3]), "strict: {strict}");
    }
}
