//! The verdict on a login, at the time at which the client may hear of it. Messages and phases are
//! left to [`super::connection`].

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::auth::Secret;
use crate::codec::Dict;
use crate::protocol::message::Authenticate;
use crate::protocol::uri;

use super::auth::{AuthExchange, Step};

/// The next step of a login; ready when it is time for it.
pub(super) type Verdict = Pin<Box<dyn Future<Output = Step> + Send>>;

const BUSY: &str = "too many logins are being checked (hello_timeout); try again later";

/// Judges an answer; `Err` where it is not yet time. What takes long is done on another thread,
/// when one of `hashers` is free, which has to be until `due`.
pub(super) fn verdict(
    login: Box<AuthExchange>,
    answer: &Authenticate<'_>,
    hashers: &Arc<Semaphore>,
    due: Instant,
) -> Result<Step, Verdict> {
    if !login.is_slow() {
        let now = Instant::now();
        let (step, turn) = login.answered(&answer.signature, answer.extra, now.into_std());
        let turn = Instant::from_std(turn);
        return if turn <= now { Ok(step) } else { Err(Box::pin(hold(step, turn))) };
    }
    let (signature, extra) = (Secret::new(&*answer.signature), answer.extra.as_bytes().to_vec());
    let hasher = timeout_at(due, hashers.clone().acquire_owned());
    Err(Box::pin(async move {
        match hasher.await {
            Ok(hasher) => judge_slowly(login, signature, extra, hasher).await,
            Err(_) => Step::denied(uri::UNAVAILABLE, BUSY.to_owned()),
        }
    }))
}

async fn hold(step: Step, turn: Instant) -> Step {
    sleep_until(turn).await;
    step
}

async fn judge_slowly(
    login: Box<AuthExchange>,
    signature: Secret,
    extra: Vec<u8>,
    hasher: impl Send + 'static,
) -> Step {
    let judged = spawn_blocking(move || {
        // Until the work is done, also where nobody waits for it any more.
        let _hasher = hasher;
        let extra = Dict::from_checked(&extra);
        login.answered(signature.expose(), extra, Instant::now().into_std())
    });
    match judged.await {
        Ok((step, turn)) => hold(step, turn.into()).await,
        Err(_) => Step::denied(uri::CLOSE_SYSTEM_SHUTDOWN, "the router is ending".to_owned()),
    }
}
