//! `router` in a build without: none can be made, and so there are no questions of one.

mod asking;
mod error;
mod figures;

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;

use crate::parts::Part;
use crate::protocol::uri::UriError;

pub use asking::{Dispatch, QuestionKind};
pub use error::RouterError;
pub use figures::RouterStats;

/// A router, of which there is none.
#[derive(Debug)]
pub enum Router {}

/// The program's side, which is never asked.
pub trait Host: Send + Sync + Debug {
    /// See the room itself.
    fn wants(&self, kind: QuestionKind) -> bool;

    /// See the room itself.
    fn ask(&self, asked: Asked);
}

/// A question on its way to the program.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub question: Arc<Question>,
}

/// A question, which nobody asks.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in the room itself")]
pub struct Question {
    pub kind: QuestionKind,
    pub session: u64,
    pub uri: String,
    pub details: String,
    never: Infallible,
}

/// The reason why an answer is not taken.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "as in the room itself")]
pub enum AnswerError {
    #[error("{0}")]
    Wrong(String),
    #[error("{0}")]
    Uri(UriError),
    #[error("answered")]
    Answered,
    #[error("late")]
    Late,
}

impl Router {
    /// Refuses.
    pub fn new(_config: Option<&str>) -> Result<Arc<Router>, RouterError> {
        Err(RouterError::LeftOut(Part::Router.left_out()))
    }

    /// Never called.
    pub fn dispatch(&self) -> Dispatch {
        match *self {}
    }

    /// Never called.
    pub fn set_host(&self, _: Arc<dyn Host>) {
        match *self {}
    }

    /// Never called.
    pub fn listen(&self, _: &str, _: &Handle) -> Result<String, RouterError> {
        match *self {}
    }

    /// Never called.
    pub fn listen_all(&self, _: &Handle) -> Result<Vec<String>, RouterError> {
        match *self {}
    }

    /// Never called.
    pub fn url(&self) -> Option<String> {
        match *self {}
    }

    /// Never called.
    pub fn reload(&self, _: Option<&str>) -> Result<(), RouterError> {
        match *self {}
    }

    /// Never called.
    pub fn stats(&self) -> RouterStats {
        match *self {}
    }

    /// Never called.
    pub fn kick(&self, _: Option<u64>, _: Option<&str>) -> usize {
        match *self {}
    }

    /// Never called.
    pub fn close(&self) {
        match *self {}
    }

    /// Never called.
    pub fn close_within(&self, _: Instant) -> bool {
        match *self {}
    }

    /// Never called.
    pub fn wait_said(&self, _: Instant) -> bool {
        match *self {}
    }
}

impl Question {
    /// Never called.
    pub fn is_settled(&self) -> bool {
        match self.never {}
    }

    /// Never called.
    pub fn allow(&self, _: Option<&str>) -> Result<(), AnswerError> {
        match self.never {}
    }

    /// Never called.
    pub fn challenge(&self, _: &str, _: Option<&str>) -> Result<(), AnswerError> {
        match self.never {}
    }

    /// Never called.
    pub fn deny(&self, _: Option<&str>, _: Option<&str>) -> Result<(), AnswerError> {
        match self.never {}
    }
}
