//! The C surface as these tests use it: a connection with safe functions, which checks at its end
//! that every request had one outcome and every `user_data` was freed once.

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use wamp::ffi::connection::*;
use wamp::ffi::library::wamp_last_error;
use wamp::ffi::pubsub::*;
use wamp::ffi::rpc::*;
use wamp::ffi::session::wamp_session_release;
use wamp::ffi::setup::*;
use wamp::ffi::types::*;

use super::peer::LIMIT;
use super::told::{Inbox, Ticket, Told, freed, heard, text};

/// A request that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub ticket: usize,
}

/// A connection with all that it hears.
pub struct Client {
    what: String,
    connection: *mut wamp_connection_t,
    session: *mut wamp_session_t,
    inbox: Arc<Inbox>,
    tickets: Vec<Arc<Ticket>>,
    opened: usize,
    /// Events wait until they are asked for.
    manual: bool,
    /// Requests may be refused.
    lenient: bool,
    finished: bool,
}

impl Client {
    /// A connection to `url`, opened; `options` are further ones, and `transports` instead of it.
    pub fn open(what: &str, url: &str, options: Value) -> Client {
        let manual = options["dispatch"] == "manual";
        let mut all = json!({"url": url, "realm": "realm1", "max_retries": 0});
        let given = options.as_object().expect("an object").clone();
        let all = all.as_object_mut().expect("an object");
        if given.contains_key("transports") {
            all.remove("url");
        }
        all.extend(given);
        let options = serde_json::to_string(all).expect("JSON");
        let options = CString::new(options).expect("no NUL");
        // SAFETY: a NUL-terminated text.
        let connection = unsafe { wamp_connection_new(options.as_ptr()) };
        assert!(!connection.is_null(), "{what}: {}", last_error());
        let mut client = Client {
            what: what.to_owned(),
            connection,
            session: ptr::null_mut(),
            inbox: Arc::default(),
            tickets: Vec::new(),
            opened: 0,
            manual,
            lenient: false,
            finished: false,
        };
        for set in [
            wamp_connection_on_open,
            wamp_connection_on_close,
            wamp_connection_on_writable,
            wamp_connection_on_internal_error,
        ] {
            let ticket = client.ticket(false);
            // SAFETY: the ticket lives until it was freed.
            let set = unsafe { set(connection, Some(heard), ticket, Some(freed)) };
            assert_eq!(set, WAMP_OK);
        }
        client.reopen();
        client
    }

    /// Opens it, again.
    pub fn reopen(&mut self) {
        // SAFETY: a handle.
        let opened = unsafe { wamp_connection_open(self.connection) };
        assert_eq!(opened, WAMP_OK, "{}: {}", self.what, last_error());
        self.opened += 1;
    }

    /// Waits for the session, on which the requests are then made.
    pub fn join(&mut self) {
        assert!(self.try_join(), "{}: {}", self.what, last_error());
    }

    /// As [`Client::join`], where it may fail.
    pub fn try_join(&mut self) -> bool {
        let limit = LIMIT.as_millis() as c_int;
        // SAFETY: a handle, and a place for another one.
        unsafe { wamp_connection_session(self.connection, limit, &mut self.session) == WAMP_OK }
    }

    /// From now on requests may be refused: the session may end at any time.
    pub fn expect_refusals(&mut self) {
        self.lenient = true;
    }

    // ===== requests =====

    pub fn call(&mut self, procedure: &CStr) -> Request {
        self.call_with(procedure, None)
    }

    pub fn call_with(&mut self, procedure: &CStr, options: Option<&CStr>) -> Request {
        let (request, status) = self.try_call(procedure, options);
        self.check(status);
        request
    }

    /// A call that may be refused.
    pub fn try_call(&mut self, procedure: &CStr, options: Option<&CStr>) -> (Request, i64) {
        let (none, options) = (ptr::null(), options.map_or(ptr::null(), CStr::as_ptr));
        let (session, name) = (self.session, procedure.as_ptr());
        self.request(|data| {
            // SAFETY: NUL-terminated texts or NULL; the ticket lives until it was freed.
            unsafe {
                wamp_session_call(session, name, none, options, Some(heard), data, Some(freed))
            }
        })
    }

    pub fn publish_ack(&mut self, topic: &CStr) -> Request {
        let (none, session, name) = (ptr::null(), self.session, topic.as_ptr());
        self.accepted(|data| {
            // SAFETY: as in `try_call`.
            unsafe {
                wamp_session_publish_ack(
                    session,
                    name,
                    none,
                    ptr::null(),
                    Some(heard),
                    data,
                    Some(freed),
                )
            }
        })
    }

    pub fn subscribe(&mut self, topic: &CStr) -> Request {
        let (session, name, hears) = (self.session, topic.as_ptr(), Some(heard as _));
        self.accepted(|data| {
            // SAFETY: as in `try_call`.
            unsafe {
                wamp_session_subscribe(session, name, ptr::null(), hears, hears, data, Some(freed))
            }
        })
    }

    /// Registers a procedure that returns its arguments.
    pub fn register(&mut self, procedure: &CStr) -> Request {
        let (session, name, hears) = (self.session, procedure.as_ptr(), Some(heard as _));
        self.accepted(|data| {
            // SAFETY: as in `try_call`.
            unsafe {
                wamp_session_register(session, name, ptr::null(), hears, hears, data, Some(freed))
            }
        })
    }

    /// Publishes a text of `size` bytes; returns the status.
    pub fn publish(&self, topic: &CStr, size: usize) -> i32 {
        let args = format!("[\"{}\"]", "x".repeat(size));
        let payload = wamp_payload_t {
            args: args.as_ptr().cast(),
            args_size: args.len(),
            kwargs: ptr::null(),
            kwargs_size: 0,
            encoding: WAMP_JSON,
            flags: 0,
        };
        // SAFETY: all pointers live until it returns.
        unsafe { wamp_session_publish(self.session, topic.as_ptr(), &payload, ptr::null()) }
    }

    // ===== waiting =====

    /// Waits until `look` finds what it wants in all that was told so far.
    pub fn until<T>(&self, whatfor: &str, look: impl Fn(&[Told]) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        let mut told = self.inbox.told();
        loop {
            if let Some(found) = look(&told) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let heard = told.clone();
                drop(told);
                panic!("{}: no {whatfor}; heard {heard:#?}", self.what);
            }
            if self.manual {
                drop(told);
                // SAFETY: a handle.
                unsafe { wamp_connection_dispatch(self.connection, 0, 50) };
                told = self.inbox.told();
                continue;
            }
            told = self
                .inbox
                .changed
                .wait_timeout(told, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The first event of a kind.
    pub fn first(&self, kind: u32) -> Told {
        self.until(&format!("event of kind {kind}"), |told| {
            told.iter().find(|told| told.kind == kind).cloned()
        })
    }

    /// All that was told of a kind so far.
    pub fn all(&self, kind: u32) -> Vec<Told> {
        let told = self.inbox.told();
        told.iter().filter(|told| told.kind == kind).cloned().collect()
    }

    /// How a request ended.
    pub fn outcome(&self, request: Request) -> Told {
        self.until(&format!("outcome of {request:?}"), |told| {
            let mut of = told.iter().filter(|told| told.ticket == request.ticket);
            of.find(|told| told.is_outcome()).cloned()
        })
    }

    /// How the connection ended.
    pub fn closed(&self) -> Told {
        let opened = self.opened;
        let told = self.until("CLOSE", |told| {
            let mut closes = told.iter().filter(|told| told.is_last());
            closes.nth(opened - 1).cloned()
        });
        let what = &self.what;
        assert!(told.message.len() > 5, "{what}: no sentence: {told:?}");
        told
    }

    /// Waits for the end and checks how it is told.
    pub fn closed_as(&self, status: i32, class: &str) -> Told {
        let told = self.closed();
        let how = (told.status, told.uri.as_str());
        assert_eq!(how, (status, class), "{}: {told:?}", self.what);
        told
    }

    /// Waits until the connection was lost or failed for the `nth` time, and wants to try again.
    pub fn retries(&self, nth: usize) -> Told {
        self.until("CLOSE with will_retry", |told| {
            let mut closes = told.iter().filter(|told| told.kind == WAMP_CLOSE && !told.is_last());
            closes.nth(nth - 1).cloned()
        })
    }

    /// Makes the next attempt now; returns the status.
    pub fn reconnect_now(&self) -> i32 {
        // SAFETY: a handle.
        unsafe { wamp_connection_reconnect_now(self.connection) }
    }

    /// Wants no more attempts; returns the status.
    pub fn stop_retrying(&self) -> i32 {
        // SAFETY: a handle.
        unsafe { wamp_connection_stop_retrying(self.connection) }
    }

    /// Connected, open, retrying: what the connection says of itself.
    pub fn state(&self) -> (i32, i32, i32) {
        // SAFETY: a handle.
        unsafe {
            (
                wamp_connection_is_connected(self.connection),
                wamp_connection_is_open(self.connection),
                wamp_connection_is_retrying(self.connection),
            )
        }
    }

    /// Closes, and waits for the end.
    pub fn close(&self) -> i32 {
        self.close_within(LIMIT.as_millis() as c_int)
    }

    /// Closes; with a time limit (in ms) waits for the end.
    pub fn close_within(&self, limit: c_int) -> i32 {
        // SAFETY: a handle; NULL stands for the default.
        unsafe { wamp_connection_close(self.connection, ptr::null(), ptr::null(), limit) }
    }

    /// Flushes, on whatever thread it is called.
    pub fn flusher(&self) -> impl Fn(i32) -> i32 + Send + 'static {
        let handle = self.connection.addr();
        move |limit| {
            let connection = ptr::without_provenance_mut(handle);
            // SAFETY: a handle, which is a number and no address.
            unsafe { wamp_connection_flush(connection, limit) }
        }
    }

    /// Calls and waits without a time limit, on whatever thread it is called; returns the status.
    pub fn waiting_caller(&self) -> impl Fn(&CStr) -> i32 + Send + 'static {
        let handle = self.session.addr();
        move |procedure| {
            let (session, none) = (ptr::without_provenance_mut(handle), ptr::null());
            let (name, options) = (procedure.as_ptr(), ptr::null());
            // SAFETY: a handle, which is a number and no address, and a NUL-terminated text.
            unsafe { wamp_session_call_sync(session, name, none, options, -1, ptr::null_mut()) }
        }
    }

    /// Frees the connection now, whatever its state.
    pub fn free(&mut self) {
        // SAFETY: a handle.
        assert_eq!(unsafe { wamp_connection_free(self.connection) }, WAMP_OK);
    }

    /// How many of the `user_data` have not been freed.
    pub fn kept(&self) -> usize {
        let unfreed = |ticket: &&Arc<Ticket>| ticket.freed.load(Ordering::SeqCst) == 0;
        self.tickets.iter().filter(unfreed).count()
    }

    /// Frees everything, and checks what must hold at the end of every case.
    pub fn finish(mut self) {
        self.free();
        self.wait_freed();
        for ticket in &self.tickets {
            let freed = ticket.freed.load(Ordering::SeqCst);
            assert_eq!(freed, 1, "{}: freed, ticket {}", self.what, ticket.number);
            let told = self.inbox.told();
            let of = told.iter().filter(|told| told.ticket == ticket.number);
            let ends = of.filter(|told| told.is_outcome()).count();
            let (what, number) = (&self.what, ticket.number);
            if ticket.request {
                assert_eq!(ends, 1, "{what}: ticket {number} in {told:#?}");
            }
        }
        let closes = self.all(WAMP_CLOSE).iter().filter(|told| told.is_last()).count();
        assert_eq!(closes, self.opened, "{}: CLOSE", self.what);
        self.leave();
    }

    /// As [`Client::finish`], for a connection that was freed while it had something to tell.
    pub fn finish_freed(mut self) {
        self.wait_freed();
        for ticket in &self.tickets {
            let freed = ticket.freed.load(Ordering::SeqCst);
            assert_eq!(freed, 1, "{}: freed, ticket {}", self.what, ticket.number);
        }
        self.leave();
    }

    // ===== steps =====

    fn wait_freed(&self) {
        self.until("end of all user_data", |_| (self.kept() == 0).then_some(()));
    }

    fn leave(&mut self) {
        // SAFETY: a handle or NULL, for which the answer is an error.
        unsafe { wamp_session_release(self.session) };
        self.finished = true;
    }

    fn accepted(&mut self, make: impl FnOnce(*mut c_void) -> i64) -> Request {
        let (request, status) = self.request(make);
        self.check(status);
        request
    }

    fn check(&self, status: i64) {
        let fine = status > 0 || self.lenient;
        assert!(fine, "{}: {status}: {}", self.what, last_error());
    }

    fn request(&mut self, make: impl FnOnce(*mut c_void) -> i64) -> (Request, i64) {
        let ticket = self.tickets.len();
        let data = self.ticket(true);
        let status = make(data);
        if status < 0 {
            // It never became a request: nothing will be told of it.
            self.tickets.pop().inspect(|ticket| {
                assert_eq!(ticket.freed.load(Ordering::SeqCst), 1);
            });
        }
        (Request { ticket }, status)
    }

    fn ticket(&mut self, request: bool) -> *mut c_void {
        let ticket = Arc::new(Ticket {
            number: self.tickets.len(),
            request,
            inbox: self.inbox.clone(),
            freed: AtomicUsize::new(0),
        });
        let data = Arc::as_ptr(&ticket).cast_mut().cast();
        self.tickets.push(ticket);
        data
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.finished {
            assert!(thread::panicking(), "call finish()");
            // The test has failed, perhaps because the library has lost count: leave it the data.
            std::mem::forget(std::mem::take(&mut self.tickets));
            // SAFETY: a handle.
            unsafe { wamp_connection_free(self.connection) };
        }
    }
}

/// The text of the last failure on this thread.
pub fn last_error() -> String {
    // SAFETY: NUL-terminated, and copied before another call fails.
    unsafe { text(wamp_last_error()) }
}
