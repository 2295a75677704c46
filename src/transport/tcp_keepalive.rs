//! The operating system's watch over transports that have no pings of their own.
//!
//! It asks whether the peer is there when nothing is to be said (TCP keep-alive). Where something
//! was said and is not confirmed it would go on for a quarter of an hour; its option for that,
//! TCP_USER_TIMEOUT, also ends a peer that answers and has no room at the moment. So that half is
//! left to [`WriteTimeout`](super::write_timeout::WriteTimeout).

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::{Sign, Stream};

/// A watch over a connection whose transport has no pings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// After how much silence the system asks.
    pub idle: Duration,
    /// The time after that in which an answer has to come, or the connection is lost.
    pub timeout: Duration,
}

impl Keepalive {
    /// Has it looked whether the peer's machine is there, both when nothing is to be said and when
    /// what was said is not confirmed.
    pub(crate) fn watch(self, stream: Stream) -> Stream {
        // Without it a loss is noticed later; that is no reason not to connect.
        let _ = self.ask(&stream);
        /// A system may take half a second for an acknowledgement (RFC 9293, section 3.8.6.3).
        const LEAST: Duration = Duration::from_secs(1);
        stream.with_write_timeout((self.idle + self.timeout).max(LEAST), Sign::Answers)
    }

    /// Has the system ask when nothing is to be said.
    pub(crate) fn ask(self, stream: &Stream) -> io::Result<()> {
        /// The number of questions that go unanswered before the connection is lost.
        const QUESTIONS: u32 = 3;
        let Some(tcp) = stream.tcp() else {
            return Ok(());
        };
        let Keepalive { idle, timeout } = self;
        // What systems take.
        let seconds =
            |time: Duration| time.clamp(Duration::from_secs(1), Duration::from_secs(32_767));
        let settings = TcpKeepalive::new()
            .with_time(seconds(idle))
            .with_interval(seconds(timeout / QUESTIONS))
            .with_retries(QUESTIONS);
        SockRef::from(tcp).set_tcp_keepalive(&settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os;

    #[tokio::test]
    async fn the_system_watches() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream: Stream = tokio::net::TcpStream::connect(address).await.unwrap().into();
        let seconds = Duration::from_secs;
        let stream = Keepalive { idle: seconds(30), timeout: seconds(9) }.watch(stream);
        let socket = SockRef::from(stream.tcp().unwrap());
        assert!(socket.keepalive().unwrap());
        let times = os::keepalive_times(stream.tcp().unwrap());
        assert!(times.is_none_or(|times| times == (seconds(30), seconds(3))), "{times:?}");
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        let limit = os::user_timeout(stream.tcp().unwrap());
        assert_eq!(limit, None, "a closed window is no loss");
    }
}
