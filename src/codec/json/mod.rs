//! The JSON encoding of WAMP (`wamp.2.json`).
//!
//! * [`scan`]: walks over one value and checks its syntax without making anything of it; `swar`:
//!   eight characters at a time.
//! * [`reader`]: takes a received message apart, element by element; [`dict`]: writes details.
//! * [`text`]: strings, escapes, and binary as `"\0"` + base64.
//! * [`source`], [`sink`]: values as tokens.

pub mod dict;
pub mod reader;
pub mod scan;
pub mod sink;
pub mod source;
mod swar;
pub mod text;

pub use dict::{DictWriter, WrittenDict};
pub use reader::{Dict, Reader, is_binary, message_code, whole};
pub use scan::{Rules, check_dict, check_list, check_value};
pub use sink::Sink;
pub use source::Source;
