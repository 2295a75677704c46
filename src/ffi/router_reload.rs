//! A new configuration for a router that runs.

use std::ffi::{c_char, c_int};

use super::args::{Text, from_c};
use super::guard::guard;
use super::handles::find;
use super::types::*;

/// Has a router that runs go by another configuration. `config` is the whole of it, as
/// wamp_router_new() takes it: what is left out has its default. If anything is wrong with it
/// nothing changes. A file of users that it names is read again.
///
/// All sessions have been judged anew when this returns; it works in small steps, so that those
/// who may stay notice nothing. Subscriptions and registrations that are not allowed any more are
/// revoked, with the reason `wamp.error.not_authorized`; testaments that are not are dropped; calls
/// that are on their way go on. What wamp_router_on_authorize() or an authorizer has answered with
/// `cache` is forgotten; what was subscribed or registered by such an answer stays.
///
/// A session is closed with `wamp.close.killed` if its client would not be let in any more: the
/// user, or its method, is not in `auth`. If it would have another role it is closed with
/// `wamp.close.system_shutdown`, after which clients of this library join again. A secret that has
/// changed ends no session. Sessions in realms that are not listed any more are closed with
/// `wamp.close.close_realm`. Clients that log in meanwhile are judged by the new configuration. All
/// of this holds for the settings of the listener, too, by which a client came.
///
/// Most keys hold at once; docs/ROUTER.md tells of each. For new connections only: `tls` (so a new
/// certificate is taken), `permessage_deflate`, `allowed_origins`, `trusted_proxies`,
/// `hello_timeout`, `max_message_size` and `max_unjoined_size`; for new sessions only:
/// `strict_request_ids`. `dispatch` cannot be changed, nor can `tls` be left out while a listener
/// needs it. Listeners that are not in `listeners` any more are closed, and so are their sessions,
/// with `wamp.close.system_shutdown`; new ones are opened by wamp_router_listen() without a URL.
///
/// Returns WAMP_OK, or WAMP_ERR_HANDLE, WAMP_ERR_UTF8, WAMP_ERR_OPTION (something is wrong with
/// `config`, or cannot be changed; wamp_last_error() tells what), WAMP_ERR_CLOSED,
/// WAMP_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wamp_router_reload(
    router: *mut wamp_router_t,
    config: *const c_char,
) -> c_int {
    from_c!(config: Text);
    guard(|| {
        find(router)?.router.reload(config.optional()?)?;
        Ok(0)
    })
}
