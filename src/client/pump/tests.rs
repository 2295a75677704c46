//! What must hold in moments that no test from outside can meet.

use std::future::poll_fn;
use std::sync::Mutex;

use super::*;
use crate::client::connection::Stage;
use crate::client::lock;
use crate::client::options::Options;
use crate::codec::Encoding;
use crate::transport::Serializer;

/// A router that lets us in.
struct Scripted {
    welcome: Option<Bytes>,
    sent: Arc<Mutex<Vec<String>>>,
    closed: bool,
}

impl Transport for Scripted {
    fn poll_receive(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        match self.welcome.take() {
            Some(welcome) => Poll::Ready(Ok(Incoming::Message(welcome))),
            None if self.closed => {
                Poll::Ready(Ok(Incoming::Closed { code: None, reason: String::new() }))
            }
            None => Poll::Pending,
        }
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        let texts = batch.iter().map(|message| String::from_utf8_lossy(message).into_owned());
        lock(&self.sent).extend(texts);
        *next = batch.count();
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        lock(&self.sent).push("the end".to_owned());
        self.closed = true;
        Poll::Ready(Ok(()))
    }

    fn serializer(&self) -> Serializer {
        Encoding::Json.into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_goes_out_before_the_transport_is_closed() {
    let options = r#"{"url": "ws://h", "realm": "r", "dispatch": "manual"}"#;
    let options = Arc::new(Options::parse(options).unwrap());
    let connection = Connection::new((*options).clone());
    lock(&connection.state).stage = Stage::Connecting;
    let sent = Arc::default();
    let transport = Scripted {
        welcome: Some(Bytes::from_static(br#"[2,7,{"roles":{"broker":{}}}]"#)),
        sent: Arc::clone(&sent),
        closed: false,
    };
    let session = connection.begin_session(&options, 0, &transport).unwrap().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let mut pump = Pump::new(connection.clone(), session, Box::new(transport), until);
    // A round in which the program frees the connection when all seems to be written.
    let end = poll_fn(|cx| {
        assert!(pump.read(cx) && connection.is_open());
        pump.write(cx);
        connection.free();
        Poll::Ready(pump.poll_closed(cx))
    });
    assert!(end.await.is_pending());
    poll_fn(|cx| pump.poll(cx)).await;
    let codes: Vec<_> = lock(&sent).iter().map(|text| text[..3].to_owned()).collect();
    assert_eq!(codes, ["[1,", "[6,", "the"]);
}
