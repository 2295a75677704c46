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
    ConnectError, ConnectOptions, Incoming, Keepalive, Serializer, Transport, TransportError,
};

use super::http_connection::{Answer, Gauge, HttpConnection, Parts, RequestError};
use super::{MAX_OPENED, Opened, check_text, content_type, unit};

/// From a receive to the next, where the first brings nothing: a router that does not wait would be
/// asked thousands of times in a second.
const REST: Duration = Duration::from_millis(100);

/// The time that the last words of a router may take that has ended the transport already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request on its way; gives back what it goes over.
type Request =
    Pin<Box<dyn Future<Output = (HttpConnection, Result<Answer, TransportError>)> + Send>>;

/// A question for a sign of life; fails where none comes.
type Probe = Pin<Box<dyn Future<Output = (HttpConnection, Result<(), TransportError>)> + Send>>;

/// The state of one kind of requests.
enum RequestSlot {
    Idle(HttpConnection),
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
    /// The silence after which a router counts as lost; `None` for never.
    keepalive: Option<Keepalive>,
    /// The time at which the router was heard last.
    heard: Instant,
    /// The timer after which to ask it for a sign of life.
    silence: Pin<Box<Sleep>>,
    receiving: RequestSlot,
    /// The count of the bytes that have come there, and its value at the last look.
    received: (Gauge, u64),
    /// The time at which the last receive began.
    asked: Instant,
    /// Before the next one.
    rest: Option<Pin<Box<Sleep>>>,
    sending: RequestSlot,
    /// The router knows nothing of us any more; why may still come on the other connection.
    gone: Option<Pin<Box<Sleep>>>,
    close_sent: bool,
}

/// Opens a transport.
pub(in crate::transport) async fn connect(
    options: &ConnectOptions,
) -> Result<LongPoll, ConnectError> {
    let options = Arc::new(options.clone());
    let path = options.endpoint.path();
    let body = Bytes::from(json!({ "protocols": names(&options) }).to_string());
    let mut connection = HttpConnection::new(options.clone());
    let open = Parts {
        method: Method::POST,
        path: &format!("{path}/open"),
        content_type: "application/json",
        body,
        answer_timeout: None,
        limit: MAX_OPENED,
    };
    let answer = match connection.ask(&open).await {
        Ok(answer) => answer,
        Err(RequestError::Connect(error)) => return Err(error),
        Err(RequestError::Http(error, hints)) => {
            return Err(http::failed(&options, (&error).into(), &hints));
        }
        Err(error @ (RequestError::TooLarge | RequestError::Late)) => {
            let what = if matches!(error, RequestError::Late) { "too late" } else { "too large" };
            let reason = format!("its answer is {what}");
            return Err(ConnectError::LongPoll { url: options.endpoint.to_string(), reason });
        }
    };
    let (serializer, id) = opened(&options, &answer)?;
    let receiving = HttpConnection::new(options.clone());
    let now = Instant::now();
    Ok(LongPoll {
        path: format!("{path}/{id}"),
        framing: Framing::new(serializer, options.json_batch_separator, options.max_message_size),
        max_message_size: options.max_message_size,
        keepalive: options.keepalive,
        heard: now,
        silence: Box::pin(sleep_until(now)),
        received: (receiving.gauge(), 0),
        receiving: RequestSlot::Idle(receiving),
        asked: now,
        rest: None,
        sending: RequestSlot::Idle(connection),
        gone: None,
        close_sent: false,
    })
}

/// The subprotocols that we offer.
fn names(options: &ConnectOptions) -> Vec<&'static str> {
    options.serializers.iter().map(|wanted| wanted.subprotocol()).collect()
}

/// The serializer and the transport's id, by the answer to `open`.
fn opened(options: &ConnectOptions, answer: &Answer) -> Result<(Serializer, String), ConnectError> {
    let url = || options.endpoint.to_string();
    if !answer.status.is_success() {
        let hint = "is this the URL of a WAMP router's long-poll transport, and does it offer one \
                    of the `serializers`?";
        return Err(http::refused(url(), answer.status, &answer.headers, hint));
    }
    let opened: Opened = serde_json::from_slice(&answer.body).map_err(|error| {
        let what = if answer.is_page() { "a web page".to_owned() } else { error.to_string() };
        ConnectError::LongPoll {
            url: url(),
            reason: format!("its answer is not understood: {what}"),
        }
    })?;
    let serializer = Serializer::from_subprotocol(&opened.protocol)
        .filter(|agreed| options.serializers.contains(agreed))
        .ok_or_else(|| {
            let offered = names(options).join(", ");
            ConnectError::Subprotocol { url: url(), offered }
        })?;
    let id = opened.transport;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+=:@!$&'()*,;%".contains(&byte);
    if id.is_empty() || id.len() > 1024 || !id.bytes().all(is_plain) {
        let reason = "the id of its transport cannot be a part of a URL".to_owned();
        return Err(ConnectError::LongPoll { url: url(), reason });
    }
    Ok((serializer, id))
}

impl LongPoll {
    /// Begins a request that is to be answered soon.
    fn post(&self, connection: HttpConnection, what: &str, body: Bytes) -> Request {
        let answer_timeout = self.keepalive.map(|Keepalive { idle, timeout }| idle + timeout);
        self.begin(connection, what, body, answer_timeout, MAX_OPENED)
    }

    /// Begins the request that hangs.
    fn ask(&self, connection: HttpConnection) -> Request {
        self.begin(connection, "receive", Bytes::new(), None, self.framing.max_unit())
    }

    fn begin(
        &self,
        mut connection: HttpConnection,
        what: &str,
        body: Bytes,
        answer_timeout: Option<Duration>,
        limit: usize,
    ) -> Request {
        let path = format!("{}/{what}", self.path);
        let content_type = content_type(self.serializer());
        Box::pin(async move {
            let method = Method::POST;
            let parts = Parts { method, path: &path, content_type, body, answer_timeout, limit };
            let answer = connection.ask(&parts).await;
            (connection, answer.map_err(|error| failed(error, limit)))
        })
    }

    /// Begins to ask for a sign of life, which is what HTTP has OPTIONS for (RFC 9110, section
    /// 9.3.7). Whatever the answer says, there is somebody who gives it.
    fn probe(&self, mut connection: HttpConnection, answer_timeout: Duration) -> Probe {
        let path = format!("{}/receive", self.path);
        let gauge = self.received.0.clone();
        Box::pin(async move {
            let parts = Parts {
                method: Method::OPTIONS,
                path: &path,
                content_type: "",
                body: Bytes::new(),
                answer_timeout: None,
                limit: MAX_OPENED,
            };
            let before = gauge.read();
            let answer = timeout(answer_timeout, connection.ask(&parts)).await;
            let alive = match answer {
                Ok(Err(RequestError::Connect(error))) => {
                    Err(TransportError::Lost(error.to_string()))
                }
                // To close the connection is an answer, too.
                Ok(_) => Ok(()),
                // A long answer to the receive may leave no room for this one.
                Err(_) if gauge.read() != before => Ok(()),
                Err(_) => Err(silent()),
            };
            (connection, alive)
        })
    }

    /// Ready when somebody was asked who has been silent for long, and has given a sign of life.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        let Some(Keepalive { idle, timeout }) = self.keepalive else {
            return Poll::Pending;
        };
        loop {
            if let RequestSlot::Probing(_) = self.sending {
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
            if self.gone.is_some() || self.close_sent {
                return Poll::Pending;
            }
            self.sending = match std::mem::replace(&mut self.sending, RequestSlot::Over) {
                RequestSlot::Idle(connection) => {
                    RequestSlot::Probing(self.probe(connection, timeout))
                }
                // What is sent has its own time to be answered.
                slot => {
                    self.heard = Instant::now();
                    slot
                }
            };
        }
    }

    /// Ready when no request of ours but the one that hangs is on its way.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if let Some(last_words) = &mut self.gone {
            ready!(last_words.as_mut().poll(cx));
            return Poll::Ready(Err(gone()));
        }
        let (connection, answer) = match &mut self.sending {
            RequestSlot::Idle(_) | RequestSlot::Over => return Poll::Ready(Ok(())),
            RequestSlot::Busy(request) => ready!(request.as_mut().poll(cx)),
            RequestSlot::Probing(probe) => {
                let (connection, alive) = ready!(probe.as_mut().poll(cx));
                self.heard = Instant::now();
                self.sending = RequestSlot::Idle(connection);
                return Poll::Ready(alive);
            }
        };
        self.sending = RequestSlot::Over;
        let answer = answer?;
        self.heard = Instant::now();
        // After a refusal too, for what closes.
        self.sending = RequestSlot::Idle(connection);
        if answer.is_gone() && !self.close_sent {
            self.gone = Some(Box::pin(sleep_until(Instant::now() + LAST_WORDS)));
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
            match std::mem::replace(&mut self.receiving, RequestSlot::Over) {
                RequestSlot::Idle(connection) => {
                    if let Some(rest) = &mut self.rest
                        && rest.as_mut().poll(cx).is_pending()
                    {
                        self.receiving = RequestSlot::Idle(connection);
                        return Poll::Pending;
                    }
                    self.rest = None;
                    self.asked = Instant::now();
                    self.receiving = RequestSlot::Busy(self.ask(connection));
                }
                RequestSlot::Busy(mut request) => match request.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.receiving = RequestSlot::Busy(request);
                        return Poll::Pending;
                    }
                    Poll::Ready((connection, answer)) => {
                        if answer.is_ok() {
                            self.receiving = RequestSlot::Idle(connection);
                        }
                        return Poll::Ready(answer);
                    }
                },
                RequestSlot::Probing(_) | RequestSlot::Over => {
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
        if is_end || answer.is_gone() && self.close_sent {
            self.receiving = RequestSlot::Over;
            return Poll::Ready(Ok(Incoming::Closed { code: None, reason: String::new() }));
        }
        if !answer.status.is_success() {
            self.receiving = RequestSlot::Over;
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
            let RequestSlot::Idle(connection) =
                std::mem::replace(&mut self.sending, RequestSlot::Over)
            else {
                return Poll::Ready(Err(TransportError::Lost("closed".to_owned())));
            };
            let body = unit(&self.framing, batch, next, self.max_message_size);
            self.sending = RequestSlot::Busy(self.post(connection, "send", body));
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.poll_sent(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_sent(cx))?;
        if !self.close_sent
            && let RequestSlot::Idle(connection) =
                std::mem::replace(&mut self.sending, RequestSlot::Over)
        {
            self.close_sent = true;
            self.sending = RequestSlot::Busy(self.post(connection, "close", Bytes::new()));
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

fn gone() -> TransportError {
    TransportError::Lost("the router has ended the transport, or forgotten it".to_owned())
}

/// The meaning of an answer that is not the wanted one. In the middle of a session it is seldom the
/// router's: a proxy redirects, wants a login or says that there is too much to do, and the router
/// behind it will be back. Only what finds fault with our request itself would come again.
fn unexpected(answer: &Answer) -> TransportError {
    let text = format!("it answered HTTP {}", answer.status);
    match answer.status {
        _ if answer.is_gone() => gone(),
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

/// The error where there is no answer, of which `limit` bytes would have been taken.
fn failed(error: RequestError, limit: usize) -> TransportError {
    match error {
        RequestError::Connect(error) => TransportError::Lost(error.to_string()),
        RequestError::Http(error, _) => TransportError::Lost(match http::io_error(&error) {
            Some(error) => error.to_string(),
            None => error.to_string(),
        }),
        RequestError::Late => TransportError::Lost("a request was not answered in time".to_owned()),
        RequestError::TooLarge => {
            TransportError::TooLarge(format!("an answer of more than {limit} bytes"))
        }
    }
}
