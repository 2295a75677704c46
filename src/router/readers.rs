//! The order in which large messages are carried out: one at a time, and for each address one
//! waits for that, however many connections it has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::os::lock;

use super::auth::Origin;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Readers {
    one: Arc<Semaphore>,
    /// Those of the addresses of which somebody waits.
    own: Mutex<HashMap<Origin, Weak<Semaphore>>>,
}

/// The leave to carry out a large message, for as long as this lives.
#[derive(Debug)]
pub(super) struct Leave(#[expect(dead_code, reason = "given back")] [OwnedSemaphorePermit; 2]);

impl Default for Readers {
    fn default() -> Self {
        Readers { one: Arc::new(Semaphore::new(1)), own: Mutex::default() }
    }
}

impl Readers {
    /// Waits for the leave; there is always one in the end.
    pub(super) async fn wait(&self, origin: Origin) -> Option<Leave> {
        let own = self.own(origin).acquire_owned().await.ok()?;
        let one = self.one.clone().acquire_owned().await.ok()?;
        Some(Leave([own, one]))
    }

    fn own(&self, origin: Origin) -> Arc<Semaphore> {
        let mut all = lock(&self.own);
        if let Some(own) = all.get(&origin).and_then(Weak::upgrade) {
            return own;
        }
        all.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(1));
        all.insert(origin, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_take_turns() {
        let readers = Arc::new(Readers::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = readers.wait(Origin::Listener(1)).await;
        let tasks: Vec<_> = [1, 1, 1, 2, 3, 2]
            .map(|number| {
                let (readers, order) = (readers.clone(), order.clone());
                tokio::spawn(async move {
                    let leave = readers.wait(Origin::Listener(number)).await;
                    lock(&order).push(number);
                    tokio::task::yield_now().await;
                    drop(leave);
                })
            })
            .into();
        tokio::task::yield_now().await;
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        let order = lock(&order).clone();
        assert_eq!(order.len(), 6);
        assert!(order[..3].contains(&2) && order[..3].contains(&3), "{order:?}");
        let _last = readers.wait(Origin::Listener(9)).await;
        assert_eq!(lock(&readers.own).len(), 1, "nothing is kept of those who do not wait");
    }
}
