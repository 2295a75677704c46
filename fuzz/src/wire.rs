//! The other end of a connection, which says what the fuzzer wants.

use std::future::Future;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_io().build().expect("a runtime");
}

/// Runs a conversation to its end.
pub fn block_on<T>(conversation: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(conversation))
}

/// Says all of `bytes` in pieces whose size `size` tells, and then nothing more.
pub async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], size: u8) {
    for piece in bytes.chunks(usize::from(size % 64) + 1) {
        // Who has heard enough hangs up.
        if stream.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
}
