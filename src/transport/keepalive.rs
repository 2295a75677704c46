//! What the operating system does for transports that have no pings of their own.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::Stream;

/// How the operating system watches a connection whose transport has no pings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// After how much silence it asks.
    pub idle: Duration,
    /// How long after that the connection is lost, if no answer comes.
    pub timeout: Duration,
}

impl Keepalive {
    /// Has the operating system look whether the peer is there, both when nothing is to be said and
    /// when what was said is not confirmed.
    pub fn watch(self, stream: &Stream) -> io::Result<()> {
        /// How many questions go unanswered before the connection is lost.
        const QUESTIONS: u32 = 3;
        let Some(tcp) = stream.tcp() else {
            return Ok(());
        };
        let Keepalive { idle, timeout } = self;
        // What systems take.
        let seconds =
            |time: Duration| time.clamp(Duration::from_secs(1), Duration::from_secs(32_767));
        let socket = SockRef::from(tcp);
        let settings = TcpKeepalive::new()
            .with_time(seconds(idle))
            .with_interval(seconds(timeout / QUESTIONS))
            .with_retries(QUESTIONS);
        socket.set_tcp_keepalive(&settings)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(idle + timeout))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_watches() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream: Stream = tokio::net::TcpStream::connect(address).await.unwrap().into();
        let seconds = Duration::from_secs;
        Keepalive { idle: seconds(30), timeout: seconds(9) }.watch(&stream).unwrap();
        let socket = SockRef::from(stream.tcp().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(3));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }
}
