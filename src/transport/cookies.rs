//! The cookies of a connection: what a router sets in a handshake goes back to it with the next
//! attempt, so that cookie authentication and routers behind a sticky load balancer work.
//!
//! They live as long as the connection does, and each goes only to the host that has set it, where
//! its path and "Secure" allow it (RFC 6265). "Domain" does not make it go to further hosts.

use std::sync::Mutex;
use std::time::Duration;

use cookie::time::OffsetDateTime;
use cookie::{Cookie, Expiration};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

use crate::os::{self, lock};

use super::{Address, Endpoint};

/// More are not kept, whatever a server sets: the oldest go first.
const MAX_COUNT: usize = 64;
/// A larger one is not kept.
const MAX_COOKIE: usize = 4 * 1024;
/// In all. Most servers take no larger head of a request than twice this.
const MAX_BYTES: usize = 8 * 1024;

/// Cookies, and who has set them.
#[derive(Debug, Default)]
pub struct Jar {
    cookies: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    host: String,
    cookie: Cookie<'static>,
    end: End,
}

/// The end of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With the connection.
    Never,
    /// A time of the calendar.
    At(OffsetDateTime),
    /// A time of the clock that nobody sets, so that a machine that learns after its start what day
    /// it is does not take a cookie of a minute ago for one of 1970.
    After(Duration),
}

/// The present, by both clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    date: OffsetDateTime,
    uptime: Duration,
}

impl Jar {
    /// Takes the cookies out of an answer of `endpoint` to a request for `path`.
    pub fn take(&self, endpoint: &Endpoint, path: &str, headers: &HeaderMap) {
        let now = Now::read();
        let mut cookies = lock(&self.cookies);
        for value in headers.get_all(SET_COOKIE) {
            let text = value.to_str().ok().filter(|text| text.len() <= MAX_COOKIE);
            let Some(cookie) = text.and_then(|text| Cookie::parse(text).ok()) else {
                continue;
            };
            let mut cookie = cookie.into_owned();
            if !cookie.path().is_some_and(|path| path.starts_with('/')) {
                cookie.set_path(folder(path).to_owned());
            }
            let end = match (cookie.max_age(), cookie.expires()) {
                (Some(age), _) => now.after(age),
                (None, Some(Expiration::DateTime(time))) => End::At(time),
                (None, _) => End::Never,
            };
            let kept = Kept { host: host(endpoint), cookie, end };
            cookies.retain(|other| !kept.replaces(other));
            if kept.end.is_ahead(now) {
                cookies.push(kept);
            }
        }
        let mut size: usize = cookies.iter().map(Kept::size).sum();
        let mut surplus = 0;
        while cookies.len() - surplus > MAX_COUNT || size > MAX_BYTES {
            size -= cookies[surplus].size();
            surplus += 1;
        }
        cookies.drain(..surplus);
    }

    /// Adds those that are for `path` at `endpoint` to a request.
    pub fn give(&self, endpoint: &Endpoint, path: &str, headers: &mut HeaderMap) {
        let now = Now::read();
        let mut cookies = lock(&self.cookies);
        cookies.retain(|kept| kept.end.is_ahead(now));
        let fitting = cookies.iter().filter(|kept| kept.is_for(endpoint, path));
        let list: Vec<_> = fitting.map(|kept| kept.cookie.stripped().to_string()).collect();
        if !list.is_empty()
            && let Ok(mut value) = HeaderValue::try_from(list.join("; "))
        {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }
}

impl Now {
    fn read() -> Now {
        Now { date: OffsetDateTime::now_utc(), uptime: os::uptime() }
    }

    fn after(self, age: cookie::time::Duration) -> End {
        // One that is below zero ends at once.
        let age = Duration::try_from(age).unwrap_or_default();
        End::After(self.uptime.saturating_add(age))
    }
}

impl End {
    fn is_ahead(self, now: Now) -> bool {
        match self {
            End::Never => true,
            End::At(date) => date > now.date,
            End::After(uptime) => uptime > now.uptime,
        }
    }
}

impl Kept {
    /// About how much of a head it takes.
    fn size(&self) -> usize {
        self.cookie.name().len() + self.cookie.value().len() + "=; ".len()
    }

    fn replaces(&self, other: &Kept) -> bool {
        self.host == other.host
            && self.cookie.name() == other.cookie.name()
            && self.cookie.path() == other.cookie.path()
    }

    fn is_for(&self, endpoint: &Endpoint, path: &str) -> bool {
        let secure = self.cookie.secure() == Some(true);
        self.host == host(endpoint)
            && (!secure || endpoint.is_secure())
            && self.cookie.path().is_none_or(|folder| is_within(path, folder))
    }
}

fn host(endpoint: &Endpoint) -> String {
    match &endpoint.address {
        // Ports do not matter to cookies.
        Address::Tcp { host, .. } => host.to_ascii_lowercase(),
        Address::Unix(path) => path.to_string_lossy().into_owned(),
    }
}

/// The default path of a cookie (RFC 6265, section 5.1.4).
fn folder(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or("/");
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    let path = path.split('?').next().unwrap_or("/");
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(jar: &Jar, url: &str) -> String {
        let mut headers = HeaderMap::new();
        let endpoint = Endpoint::parse(url).unwrap();
        jar.give(&endpoint, endpoint.path(), &mut headers);
        headers.get(COOKIE).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    fn set(jar: &Jar, url: &str, cookies: &[&str]) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        let endpoint = Endpoint::parse(url).unwrap();
        jar.take(&endpoint, endpoint.path(), &headers);
    }

    #[test]
    fn cookies_go_back_to_who_has_set_them() {
        let jar = Jar::default();
        set(&jar, "ws://a.example:1/ws", &["cbtid=abc; Max-Age=604800; HttpOnly", "lb=7"]);
        assert_eq!(given(&jar, "ws://A.example:2/other"), "cbtid=abc; lb=7");
        assert_eq!(given(&jar, "ws://b.example:1/ws"), "");
        assert_eq!(given(&jar, "ws+unix:///a.example:/ws"), "");
        set(&jar, "ws://a.example/ws", &["lb=8", "cbtid=; Max-Age=0"]);
        assert_eq!(given(&jar, "ws://a.example/ws"), "lb=8");
        set(&jar, "ws://a.example/ws", &["lb=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(given(&jar, "ws://a.example/ws"), "");
    }

    #[test]
    fn paths_and_security_are_minded() {
        let jar = Jar::default();
        set(&jar, "wss://a/x/ws", &["own=1", "deep=2; Path=/x/y", "safe=3; Secure; Path=/"]);
        assert_eq!(given(&jar, "wss://a/x/ws?q=/"), "own=1; safe=3");
        assert_eq!(given(&jar, "wss://a/x/y/z"), "own=1; deep=2; safe=3");
        assert_eq!(given(&jar, "wss://a/xy"), "safe=3");
        assert_eq!(given(&jar, "ws://a/x"), "own=1");

        // Over long-poll the requests are for paths below that of the URL.
        let jar = Jar::default();
        let endpoint = Endpoint::parse("http://a/lp").unwrap();
        let mut headers = HeaderMap::new();
        for cookie in ["own=1", "deep=2; Path=/lp/"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        jar.take(&endpoint, "/lp/open", &headers);
        headers.clear();
        jar.give(&endpoint, "/lp/x/send", &mut headers);
        assert_eq!(headers[COOKIE], "own=1; deep=2");
    }

    #[test]
    fn an_age_is_not_counted_by_the_calendar() {
        let (second, day) = (Duration::from_secs(1), cookie::time::Duration::DAY);
        let boot = Now { date: OffsetDateTime::UNIX_EPOCH, uptime: second };
        let set = Now { date: boot.date + 20_000 * day, uptime: 2 * second };
        let (hour, dated) = (boot.after(day / 24), End::At(boot.date + day));
        assert_eq!((hour.is_ahead(set), dated.is_ahead(set)), (true, false));
        assert_eq!((hour.is_ahead(boot), dated.is_ahead(boot)), (true, true));
        let late = Now { uptime: 3601 * second, ..boot };
        assert_eq!((hour.is_ahead(late), dated.is_ahead(late)), (false, true));
        assert!(!boot.after(-day).is_ahead(boot) && End::Never.is_ahead(late));
    }

    #[test]
    fn a_server_cannot_fill_our_memory() {
        let jar = Jar::default();
        for number in 0..1000 {
            set(&jar, "ws://a/", &[&format!("c{number}=x"), "no cookie", "=x"]);
        }
        assert_eq!(jar.cookies.lock().unwrap().len(), MAX_COUNT);
        let given = given(&jar, "ws://a/");
        assert!(given.ends_with("; c999=x") && !given.contains("c9=x"), "{given}");
    }

    #[test]
    fn nor_lock_us_out_by_requests_that_it_finds_too_large() {
        let jar = Jar::default();
        let large = "x".repeat(MAX_COOKIE / 2);
        for number in 0..10 {
            set(&jar, "ws://a/", &[&format!("c{number}={large}"), &format!("d={large}{large}")]);
        }
        let given = given(&jar, "ws://a/");
        assert!(given.len() <= MAX_BYTES, "{}", given.len());
        assert!(given.contains("c9=x") && !given.contains("d="), "{given}");
    }
}
