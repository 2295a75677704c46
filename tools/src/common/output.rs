//! Standard output and standard error, for programs whose reader may go at any time.

use std::io::{self, ErrorKind, Write};

/// Writes a line to standard output; false once nobody reads it any more.
pub fn say(line: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    is_read(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// Writes a line to standard error, if anybody reads it.
pub fn tell(line: &str) {
    // There is nobody else to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// True if it was written, false if the reader has gone.
pub fn is_read(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}
