//! The places for callbacks of a connection.

use std::sync::{Arc, Mutex};

use super::lock;
use super::target::{Receiver, Target};

/// What a callback of a connection is for.
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

/// Who hears of what.
#[derive(Default)]
pub struct Callbacks(Mutex<[Option<Arc<dyn Target>>; SLOTS]>);

impl Callbacks {
    /// Sets a callback; the former one is returned, to be dropped where no lock is held.
    pub fn set(&self, slot: Slot, target: Option<Arc<dyn Target>>) -> Option<Arc<dyn Target>> {
        std::mem::replace(&mut lock(&self.0)[slot as usize], target)
    }

    /// Who hears of `slot`.
    pub(super) fn receiver(&self, slot: Slot) -> Option<Receiver> {
        lock(&self.0)[slot as usize].clone().map(Receiver::App)
    }

    /// Takes all out, to be dropped where no lock is held.
    pub(super) fn take(&self) -> [Option<Arc<dyn Target>>; SLOTS] {
        std::mem::take(&mut lock(&self.0))
    }
}
