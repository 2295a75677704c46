//! The client's side: an open transport as a [`Transport`].
//!
//! Two connections are enough: one for what is received, one for all else, so that what is sent
//! stays in order. The latter also asks a router that is silent for a sign of life: a receive that
//! hangs looks alike whether the router has nothing to say or is frozen.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::codec::Batch;
use crate::transport::framing::Framing;
use crate::transport::http;
use crate::transport::{
    ConnectError, Incoming, Keepalive, Serializer, Target, Transport, TransportError,
};

use super::lane::{Answer, Gauge, Lane, LaneError, Parts};
use super::{MAX_OPENED, Opened, check_text, content_type, unit};

/// From a receive to the next, where the first brings nothing: a router that does not wait would be
/// asked thousands of times in a second.
const REST: Duration = Duration::from_millis(100);

/// How long the last words of a router may take that has ended the transport already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request on its way; gives back what it goes over.
type Request = Pin<Box<dyn Future<Output = (Lane, Result<Answer, TransportError>)> + Send>>;

/// A question for a sign of life; fails where none comes.
type Probe = Pin<Box<dyn Future<Output = (Lane, Result<(), TransportError>)> + Send>>;

/// Where one kind of requests stands.
enum Station {
    Idle(Lane),
    Busy(Request),
    Probing(Probe),
    /// Nothing more comes of it.
    Over,
}

/// An open long-poll transport.
pub struct LongPoll {
    framing: Framing,
    /// The path of the transport, without a slash at its end.
    path: String,
    max_message_size: usize,
    /// When a silent router counts as lost; `None` for never.
    keepalive: Option<Keepalive>,
    /// When the router was heard last.
    heard: Instant,
    /// When to ask it for a sign of life.
    silence: Pin<Box<Sleep>>,
    receiving: Station,
    /// How much has come there, and at the last look had.
    received: (Gauge, u64),
    /// When the last receive began.
    asked: Instant,
    /// Before the next one.
    rest: Option<Pin<Box<Sleep>>>,
    sending: Station,
    /// The router knows nothing of us any more; why may still come on the other connection.
    forgotten: Option<Pin<Box<Sleep>>>,
    close_sent: bool,
}

/// Opens a transport.
pub(in crate::transport) async fn connect(target: &Target) -> Result<LongPoll, ConnectError> {
    let url = || target.endpoint.to_string();
    let target = Arc::new(target.clone());
    let names: Vec<_> = target.serializers.iter().map(|wanted| wanted.subprotocol()).collect();
    let offered = names.join(", ");
    let path = target.endpoint.path();
    let body = Bytes::from(json!({ "protocols": names }).to_string());
    let mut lane = Lane::new(target.clone());
    let open = Parts {
        method: Method::POST,
        path: &format!("{path}/open"),
        content_type: "application/json",
        body,
        patience: None,
        limit: MAX_OPENED,
    };
    let answer = match lane.ask(&open).await {
        Ok(answer) => answer,
        Err(LaneError::Connect(error)) => return Err(error),
        Err(LaneError::Http(error, clues)) => return Err(http::failed(&target, &error, &clues)),
        Err(error @ (LaneError::TooLarge | LaneError::Late)) => {
            let what = if matches!(error, LaneError::Late) { "too late" } else { "too large" };
            let reason = format!("its answer is {what}");
            return Err(ConnectError::LongPoll { url: url(), reason });
        }
    };
    if !answer.status.is_success() {
        let hint = "is this the URL of a WAMP router's long-poll transport, and does it offer one of \
                    the `serializers`?";
        return Err(http::refused(url(), answer.status, &answer.headers, hint));
    }
    let opened: Opened = serde_json::from_slice(&answer.body).map_err(|error| {
        let what = if answer.is_page() { "a web page".to_owned() } else { error.to_string() };
        ConnectError::LongPoll {
            url: url(),
            reason: format!("its answer is not understood: {what}"),
        }
    })?;
    let serializer = Serializer::of_subprotocol(&opened.protocol)
        .filter(|agreed| target.serializers.contains(agreed))
        .ok_or_else(|| ConnectError::Subprotocol { url: url(), offered })?;
    let id = &opened.transport;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+=:@!$&'()*,;%".contains(&byte);
    if id.is_empty() || id.len() > 1024 || !id.bytes().all(is_plain) {
        let reason = "it names its transport so that no URL can be made of it".to_owned();
        return Err(ConnectError::LongPoll { url: url(), reason });
    }
    let receiving = Lane::new(target.clone());
    let now = Instant::now();
    Ok(LongPoll {
        path: format!("{path}/{id}"),
        framing: Framing::new(serializer, target.json_batch_separator, target.max_message_size),
        max_message_size: target.max_message_size,
        keepalive: target.keepalive,
        heard: now,
        silence: Box::pin(sleep_until(now)),
        received: (receiving.gauge(), 0),
        receiving: Station::Idle(receiving),
        asked: now,
        rest: None,
        sending: Station::Idle(lane),
        forgotten: None,
        close_sent: false,
    })
}

impl LongPoll {
    /// Begins a request that is to be answered soon.
    fn post(&self, lane: Lane, what: &str, body: Bytes) -> Request {
        let patience = self.keepalive.map(|Keepalive { idle, timeout }| idle + timeout);
        self.begin(lane, what, body, patience, MAX_OPENED)
    }

    /// Begins the request that hangs.
    fn ask(&self, lane: Lane) -> Request {
        self.begin(lane, "receive", Bytes::new(), None, self.framing.max_unit())
    }

    fn begin(
        &self,
        mut lane: Lane,
        what: &str,
        body: Bytes,
        patience: Option<Duration>,
        limit: usize,
    ) -> Request {
        let path = format!("{}/{what}", self.path);
        let content_type = content_type(self.serializer());
        Box::pin(async move {
            let method = Method::POST;
            let parts = Parts { method, path: &path, content_type, body, patience, limit };
            let answer = lane.ask(&parts).await;
            (lane, answer.map_err(|error| failed(error, limit)))
        })
    }

    /// Begins to ask for a sign of life, which is what HTTP has OPTIONS for (RFC 9110, section 9.3.7).
    /// Whatever the answer says, there is somebody who gives it.
    fn probe(&self, mut lane: Lane, patience: Duration) -> Probe {
        let path = format!("{}/receive", self.path);
        let gauge = self.received.0.clone();
        Box::pin(async move {
            let parts = Parts {
                method: Method::OPTIONS,
                path: &path,
                content_type: "",
                body: Bytes::new(),
                patience: None,
                limit: MAX_OPENED,
            };
            let before = gauge.read();
            let answer = timeout(patience, lane.ask(&parts)).await;
            let alive = match answer {
                Ok(Err(LaneError::Connect(error))) => Err(TransportError::Lost(error.to_string())),
                // To close the connection is an answer, too.
                Ok(_) => Ok(()),
                // A long answer to the receive may leave no room for this one.
                Err(_) if gauge.read() != before => Ok(()),
                Err(_) => Err(silent()),
            };
            (lane, alive)
        })
    }

    /// Ready when somebody was asked who has been silent for long, and has given a sign of life.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        let Some(Keepalive { idle, timeout }) = self.keepalive else {
            return Poll::Pending;
        };
        loop {
            if let Station::Probing(_) = self.sending {
                ready!(self.poll_sent(cx))?;
                return Poll::Ready(Ok(Incoming::Alive));
            }
            let read = self.received.0.read();
            if read != self.received.1 {
                self.received.1 = read;
                self.heard = Instant::now();
            }
            let due = self.heard + idle;
            if self.silence.deadline() != due {
                self.silence.as_mut().reset(due);
            }
            ready!(self.silence.as_mut().poll(cx));
            if self.forgotten.is_some() || self.close_sent {
                return Poll::Pending;
            }
            self.sending = match std::mem::replace(&mut self.sending, Station::Over) {
                Station::Idle(lane) => Station::Probing(self.probe(lane, timeout)),
                // What is sent has its own time to be answered.
                station => {
                    self.heard = Instant::now();
                    station
                }
            };
        }
    }

    /// Ready when no request of ours but the one that hangs is on its way.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if let Some(last_words) = &mut self.forgotten {
            ready!(last_words.as_mut().poll(cx));
            return Poll::Ready(Err(forgotten()));
        }
        let (lane, answer) = match &mut self.sending {
            Station::Idle(_) | Station::Over => return Poll::Ready(Ok(())),
            Station::Busy(request) => ready!(request.as_mut().poll(cx)),
            Station::Probing(probe) => {
                let (lane, alive) = ready!(probe.as_mut().poll(cx));
                self.heard = Instant::now();
                self.sending = Station::Idle(lane);
                return Poll::Ready(alive);
            }
        };
        self.sending = Station::Over;
        let answer = answer?;
        self.heard = Instant::now();
        // After a refusal too, for what closes.
        self.sending = Station::Idle(lane);
        if answer.is_forgotten() && !self.close_sent {
            self.forgotten = Some(Box::pin(sleep_until(Instant::now() + LAST_WORDS)));
            return self.poll_sent(cx);
        }
        Poll::Ready(match answer.status.is_success() {
            // Some servers call an empty answer a page.
            true if answer.is_page() && !answer.body.is_empty() => Err(page()),
            true => Ok(()),
            false => Err(unexpected(&answer)),
        })
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, TransportError>> {
        loop {
            match std::mem::replace(&mut self.receiving, Station::Over) {
                Station::Idle(lane) => {
                    if let Some(rest) = &mut self.rest
                        && rest.as_mut().poll(cx).is_pending()
                    {
                        self.receiving = Station::Idle(lane);
                        return Poll::Pending;
                    }
                    self.rest = None;
                    self.asked = Instant::now();
                    self.receiving = Station::Busy(self.ask(lane));
                }
                Station::Busy(mut request) => match request.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.receiving = Station::Busy(request);
                        return Poll::Pending;
                    }
                    Poll::Ready((lane, answer)) => {
                        if answer.is_ok() {
                            self.receiving = Station::Idle(lane);
                        }
                        return Poll::Ready(answer);
                    }
                },
                Station::Probing(_) | Station::Over => {
                    return Poll::Ready(Err(TransportError::Lost("closed".to_owned())));
                }
            }
        }
    }
}

impl Transport for LongPoll {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        if let Some(message) = self.framing.next()? {
            return Poll::Ready(Ok(Incoming::Message(message)));
        }
        let answer = match self.poll_answer(cx) {
            Poll::Ready(answer) => answer?,
            Poll::Pending => return self.poll_silence(cx),
        };
        self.heard = Instant::now();
        // Some routers say so from time to time that there is nothing.
        if answer.status == StatusCode::NO_CONTENT {
            self.rest = Some(Box::pin(sleep_until(self.asked + REST)));
            return Poll::Ready(Ok(Incoming::Alive));
        }
        let is_end = answer.status.is_success() && answer.body.is_empty();
        if is_end || answer.is_forgotten() && self.close_sent {
            self.receiving = Station::Over;
            return Poll::Ready(Ok(Incoming::End { code: None, reason: String::new() }));
        }
        if !answer.status.is_success() {
            self.receiving = Station::Over;
            return Poll::Ready(Err(unexpected(&answer)));
        }
        if answer.is_page() {
            return Poll::Ready(Err(page()));
        }
        check_text(self.serializer(), &answer.body)?;
        Poll::Ready(self.framing.open(answer.body).map(Incoming::Message))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        loop {
            ready!(self.poll_sent(cx))?;
            if *next == batch.count() {
                return Poll::Ready(Ok(()));
            }
            let Station::Idle(lane) = std::mem::replace(&mut self.sending, Station::Over) else {
                return Poll::Ready(Err(TransportError::Lost("closed".to_owned())));
            };
            let body = unit(&self.framing, batch, next, self.max_message_size);
            self.sending = Station::Busy(self.post(lane, "send", body));
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.poll_sent(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_sent(cx))?;
        if !self.close_sent
            && let Station::Idle(lane) = std::mem::replace(&mut self.sending, Station::Over)
        {
            self.close_sent = true;
            self.sending = Station::Busy(self.post(lane, "close", Bytes::new()));
        }
        self.poll_sent(cx)
    }

    fn serializer(&self) -> Serializer {
        self.framing.serializer()
    }

    fn max_send(&self) -> usize {
        self.framing.max_send()
    }
}

/// Somebody in between answers, such as a network that wants a login first.
fn page() -> TransportError {
    TransportError::Lost("it answered a web page".to_owned())
}

fn silent() -> TransportError {
    TransportError::Lost("no answer to an HTTP OPTIONS within `autoping_timeout`".to_owned())
}

fn forgotten() -> TransportError {
    TransportError::Lost("the router has ended the transport, or forgotten it".to_owned())
}

/// What an answer means that is not the wanted one. In the middle of a session it is seldom the
/// router's: a proxy redirects, wants a login or says that there is too much to do, and the router
/// behind it will be back. Only what finds fault with our request itself would come again.
fn unexpected(answer: &Answer) -> TransportError {
    let text = format!("it answered HTTP {}", answer.status);
    match answer.status {
        _ if answer.is_forgotten() => forgotten(),
        StatusCode::PAYLOAD_TOO_LARGE => TransportError::Refused(text),
        StatusCode::BAD_REQUEST
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_ACCEPTABLE
        | StatusCode::LENGTH_REQUIRED
        | StatusCode::URI_TOO_LONG
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => TransportError::Protocol(text),
        _ => match http::retry_after(&answer.headers) {
            Some(rest) => TransportError::Busy { text, rest },
            None => TransportError::Lost(text),
        },
    }
}

/// Why there is no answer, of which `limit` bytes would have been taken.
fn failed(error: LaneError, limit: usize) -> TransportError {
    match error {
        LaneError::Connect(error) => TransportError::Lost(error.to_string()),
        LaneError::Http(error, _) => TransportError::Lost(match http::io_error(&error) {
            Some(error) => error.to_string(),
            None => error.to_string(),
        }),
        LaneError::Late => TransportError::Lost("a request was not answered in time".to_owned()),
        LaneError::TooLarge => {
            TransportError::TooLarge(format!("an answer of more than {limit} bytes"))
        }
    }
}
