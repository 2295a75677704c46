//! The JSON encoding of WAMP (`wamp.2.json`).
//!
//! * [`scan`]: walks over one value and checks its syntax without making anything of it.
//! * [`reader`]: takes a received message apart, element by element.
//! * [`writer`]: writes a message, splicing payloads in.
//! * [`text`]: strings, escapes, and binary as `"\0"` + base64.

pub mod reader;
pub mod scan;
pub mod text;
pub mod writer;

pub use reader::{Dict, Reader, is_binary, message_code};
pub use scan::{Rules, check_dict, check_list, check_value};
pub use writer::Writer;
