//! The host's codec for payloads that routers carry without a look inside.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex};

use crate::client::lock;
use crate::client::payload_codec::Codec;

use super::args::{Bytes, from_c};
use super::guard::guard;
use super::handles::{self, find};
use super::target::UserData;
use super::types::*;

type Function = unsafe extern "C" fn(
    u32,
    *const c_char,
    usize,
    *const c_void,
    usize,
    *mut wamp_buffer_t,
    *mut c_void,
) -> c_int;

struct CCodec {
    codec: Function,
    user_data: UserData,
}

impl CCodec {
    fn run(&self, direction: u32, details: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let out = handles::insert(buffer.clone())?;
        // SAFETY: the function and its user_data are the host's; details and data live until it
        // returns, and the buffer is a number.
        let status = unsafe {
            (self.codec)(
                direction,
                details.as_ptr().cast(),
                details.len(),
                data.as_ptr().cast(),
                data.len(),
                out,
                self.user_data.pointer(),
            )
        };
        drop(handles::remove(out));
        let written = std::mem::take(&mut *lock(&buffer));
        (status >= 0).then_some(written)
    }
}

impl Codec for CCodec {
    fn encode(&self, options: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        self.run(WAMP_CODEC_ENCODE, options, plain)
    }

    fn decode(&self, details: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        self.run(WAMP_CODEC_DECODE, details, bytes)
    }
}

/// Sets the function that encodes and decodes payloads in payload passthru mode, for ciphers and
/// for serializers that the library lacks; NULL for none.
///
/// With the option `ppt_scheme` (publish, call, call_more, yield_with) or Autobahn's older
/// `enc_algo` the codec gets `{"args": [...], "kwargs": {...}}` and writes the bytes that go over
/// the wire; if the details of a received message have these options, it gets the bytes and writes
/// such an object. Without a codec `"ppt_serializer": "json"` without `ppt_cipher` works all the
/// same, and any other payload is sent and delivered as the one binary value that it is on the
/// wire. A payload that cannot be encoded is refused with WAMP_ERR_PAYLOAD. If one cannot be
/// decoded, an event or a progressive result is reported as WAMP_USER_ERROR, an invocation is
/// answered with `wamp.error.invalid_argument`, and a result becomes WAMP_ERROR with
/// WAMP_ERR_PAYLOAD.
///
/// `free` (may be NULL) runs exactly once: when another codec takes its place, when the connection
/// is freed, or when this call fails. Returns WAMP_OK or WAMP_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_connection_set_codec(
    connection: *mut wamp_connection_t,
    codec: wamp_codec_t,
    user_data: *mut c_void,
    free: wamp_free_t,
) -> c_int {
    let user_data = UserData::new(user_data, free);
    guard(|| {
        let object = find(connection)?;
        let codec: Option<Arc<dyn Codec>> = match codec {
            Some(codec) => Some(Arc::new(CCodec { codec, user_data })),
            None => None,
        };
        drop(object.client.set_codec(codec));
        Ok(0)
    })
}

/// Appends `size` bytes to the output of a codec; they are copied. Returns WAMP_OK, or
/// WAMP_ERR_HANDLE (not, or no longer, the buffer of a running codec), WAMP_ERR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_buffer_write(
    buffer: *mut wamp_buffer_t,
    data: *const c_void,
    size: usize,
) -> c_int {
    from_c!(data[size]: Bytes);
    guard(|| {
        let buffer = find(buffer)?;
        let data = data.binary()?;
        lock(&buffer).extend_from_slice(data);
        Ok(0)
    })
}
