//! The application's codec of payloads that routers carry without a look inside; see
//! [`super::session::passthru`].

/// Makes and reads what is carried without a look inside. Runs on any thread, with no lock held.
pub trait Codec: Send + Sync {
    /// The bytes for `plain`, a JSON object with `args` and `kwargs`; `None` if it cannot.
    fn encode(&self, options: &[u8], plain: &[u8]) -> Option<Vec<u8>>;

    /// The JSON object of which `bytes` were made; `None` if it cannot.
    fn decode(&self, details: &[u8], bytes: &[u8]) -> Option<Vec<u8>>;
}
