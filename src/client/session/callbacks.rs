//! The places for callbacks of a connection.

use std::sync::{Arc, Mutex};

use crate::client::sync::lock;

use super::handler::{EventHandler, Receiver};

/// Purpose of a callback of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A session is open.
    Open,
    /// The connection has ended.
    Close,
    /// An attempt is about to be made.
    Connect,
    /// The router wants to know who we are.
    Challenge,
    /// The application's own code failed, or a failure had nobody to hear it.
    UserError,
    /// The library could not go on by itself.
    InternalError,
    /// Requests are accepted again.
    Writable,
}

const SLOTS: usize = 7;

/// The callbacks of a connection, by purpose.
#[derive(Default)]
pub struct Callbacks(Mutex<[Option<Arc<dyn EventHandler>>; SLOTS]>);

impl Callbacks {
    /// Sets a callback; the former one is returned, to be dropped where no lock is held.
    pub fn set(
        &self,
        slot: Slot,
        handler: Option<Arc<dyn EventHandler>>,
    ) -> Option<Arc<dyn EventHandler>> {
        std::mem::replace(&mut lock(&self.0)[slot as usize], handler)
    }

    /// The one that hears of `slot`.
    pub(in crate::client) fn receiver(&self, slot: Slot) -> Option<Receiver> {
        lock(&self.0)[slot as usize].clone().map(Receiver::App)
    }

    /// Takes all out, to be dropped where no lock is held.
    pub(in crate::client) fn take(&self) -> [Option<Arc<dyn EventHandler>>; SLOTS] {
        std::mem::take(&mut lock(&self.0))
    }
}
