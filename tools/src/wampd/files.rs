//! Static files for browsers: what is below a directory, and nothing else.
//!
//! Names that begin with a dot are not served, nor is what a symbolic link leads to outside of the
//! directory; directories are not listed, but `index.html` stands for its directory.

use std::fs::Metadata;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use wamp::facade::router::{Page, PageBody, Site};

use wamp_tools::Failure;

/// A directory, and the path at which its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Begins and ends with a slash.
    path: String,
    /// Without symbolic links.
    directory: PathBuf,
}

impl Mount {
    /// The files of a directory at this path.
    pub(crate) fn new(path: &str, directory: &Path) -> Result<Mount, Failure> {
        let shown = directory.display();
        let is_path = path.starts_with('/') && !path.contains("//");
        if !is_path || segments(path.trim_end_matches('/')).is_none() {
            let why = format!("static files cannot be at \"{path}\": write a path such as /files");
            return Err(Failure::usage(why));
        }
        let real = directory.canonicalize();
        let real = real.map_err(|error| {
            Failure::usage(format!("cannot serve the files of {shown}: {error}"))
        })?;
        if !real.is_dir() {
            let why = format!("cannot serve the files of {shown}: it is no directory");
            return Err(Failure::usage(why));
        }
        Ok(Mount { path: format!("{}/", path.trim_end_matches('/')), directory: real })
    }
}

/// The files of all mounts.
#[derive(Debug, Default)]
pub(crate) struct Files {
    mounts: Mutex<Arc<[Mount]>>,
}

impl Files {
    /// Serves these from now on.
    pub(crate) fn change(&self, mut mounts: Vec<Mount>) {
        // The longest path that fits is taken.
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        *self.mounts.lock().unwrap_or_else(PoisonError::into_inner) = mounts.into();
    }

    fn mounts(&self) -> Arc<[Mount]> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Site for Files {
    fn answer(&self, request: &Request<Incoming>) -> Option<Page> {
        let mounts = self.mounts();
        let path = request.uri().path();
        let mount = mounts.iter().find(|mount| {
            path.starts_with(&mount.path) || path == mount.path.trim_end_matches('/')
        });
        let Some(mount) = mount else {
            // Whoever tries the address in a browser is told what is there.
            let answer =
                || plain(StatusCode::OK, "This is wampd, a WAMP router: WebSocket only.\n");
            return (path == "/").then(|| Box::pin(std::future::ready(answer())) as Page);
        };
        let asked = Asked {
            mount: mount.clone(),
            path: path.to_owned(),
            is_head: request.method() == Method::HEAD,
            headers: request.headers().clone(),
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer =
                plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are accepted\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(Box::pin(std::future::ready(answer)));
        }
        Some(Box::pin(asked.answer()))
    }
}

/// A file that is asked for.
struct Asked {
    mount: Mount,
    path: String,
    is_head: bool,
    headers: HeaderMap,
}

impl Asked {
    async fn answer(self) -> Response<PageBody> {
        self.find().await.unwrap_or_else(|_| plain(StatusCode::NOT_FOUND, "nothing is here\n"))
    }

    async fn find(&self) -> io::Result<Response<PageBody>> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let Some(rest) = self.path.strip_prefix(&self.mount.path) else {
            return Ok(moved(&format!("{}/", self.path)));
        };
        let below: PathBuf = segments(rest).ok_or_else(missing)?.iter().collect();
        let named = self.mount.directory.join(below);
        let mut real = self.real(&named).await?;
        let mut metadata = tokio::fs::metadata(&real).await?;
        if metadata.is_dir() {
            if !self.path.ends_with('/') {
                return Ok(moved(&format!("{}/", self.path)));
            }
            real = self.real(&real.join("index.html")).await?;
            metadata = tokio::fs::metadata(&real).await?;
        } else if self.path.ends_with('/') {
            return Err(missing());
        }
        // To open a pipe would wait for whoever writes to it.
        if !metadata.is_file() {
            return Err(missing());
        }
        let file = File::open(&real).await?;
        let metadata = file.metadata().await?;
        // The name that is asked for says what it is, as it does for whoever has named it.
        let name = if named.is_dir() { &real } else { &named };
        Ok(self.give(file, &metadata, &content_type(name)))
    }

    /// The file that a name leads to, if it is below the directory.
    async fn real(&self, named: &Path) -> io::Result<PathBuf> {
        let real = tokio::fs::canonicalize(named).await?;
        match real.starts_with(&self.mount.directory) {
            true => Ok(real),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    fn give(&self, file: File, metadata: &Metadata, content_type: &str) -> Response<PageBody> {
        let modified = writable(metadata.modified().unwrap_or(UNIX_EPOCH));
        let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let tag = format!("\"{:x}-{:x}\"", metadata.len(), age.as_nanos());
        let is_known = self.is_known(&tag, modified);
        let mut answer = match is_known || self.is_head {
            true => Response::new(empty()),
            false => Response::new(Contents::new(file, metadata.len()).boxed_unsync()),
        };
        if is_known {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            put(&mut answer, CONTENT_LENGTH, &metadata.len().to_string());
            put(&mut answer, CONTENT_TYPE, content_type);
        }
        put(&mut answer, ETAG, &tag);
        put(&mut answer, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
        // A page is asked for anew each time, which costs a head if nothing has changed.
        put(&mut answer, CACHE_CONTROL, "no-cache");
        put(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
        answer
    }

    /// True if the browser has this state of the file.
    fn is_known(&self, tag: &str, modified: SystemTime) -> bool {
        let text =
            |name| self.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match text(IF_NONE_MATCH) {
            Some(tags) => tags
                .split(',')
                .map(str::trim)
                .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag),
            None => text(IF_MODIFIED_SINCE)
                .and_then(|date| httpdate::parse_http_date(date).ok())
                // Dates have no fractions.
                .is_some_and(|date| modified < date + Duration::from_secs(1)),
        }
    }
}

/// The nearest time that HTTP can write, which has no years before 1970, nor of five digits.
fn writable(time: SystemTime) -> SystemTime {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)
}

/// The names of a path, decoded; `None` where one of them is not for others.
fn segments(path: &str) -> Option<Vec<String>> {
    let decoded = path.split('/').filter(|name| !name.is_empty()).map(decode);
    let names: Vec<String> = decoded.collect::<Option<_>>()?;
    let is_good = |name: &String| {
        let mut components = Path::new(name).components();
        let is_one =
            matches!(components.next(), Some(Component::Normal(only)) if only == name.as_str());
        is_one && components.next().is_none() && (!name.starts_with('.') || name == ".well-known")
    };
    names.iter().all(is_good).then_some(names)
}

/// A text without its `%41`; `None` where it is broken or not a name of a file.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(['/', '\\', '\0'])).then_some(text)
}

fn content_type(file: &Path) -> String {
    let guess = mime_guess::from_path(file).first_or_octet_stream();
    let name = guess.essence_str();
    let is_text = guess.type_() == mime_guess::mime::TEXT
        || matches!(name, "application/javascript" | "application/json" | "image/svg+xml");
    if is_text { format!("{name}; charset=utf-8") } else { name.to_owned() }
}

fn moved(to: &str) -> Response<PageBody> {
    let mut answer = plain(StatusCode::MOVED_PERMANENTLY, "");
    put(&mut answer, LOCATION, to);
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Response<PageBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    put(&mut answer, CONTENT_TYPE, "text/plain; charset=utf-8");
    answer
}

fn empty() -> PageBody {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

fn put(answer: &mut Response<PageBody>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// The size of the pieces in which a file is given.
const PIECE: usize = 64 * 1024;

/// The contents of a file, piece by piece.
struct Contents {
    file: File,
    /// The bytes that were promised and are not given yet.
    left: u64,
}

impl Contents {
    fn new(file: File, left: u64) -> Contents {
        Contents { file, left }
    }
}

impl Body for Contents {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = BytesMut::zeroed(size);
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            // It has become shorter meanwhile: what was promised cannot be kept.
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        piece.truncate(read);
        self.left -= read as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_else() {
        let good = |path: &str| segments(path).unwrap().join("|");
        assert_eq!(good("a/b%20c/%C3%A9.js"), "a|b c|é.js");
        assert_eq!(good("a//b"), "a|b");
        assert_eq!(good(".well-known/x"), ".well-known|x");
        for bad in [
            "..",
            "a/../b",
            "%2e%2e/b",
            "a/%2E%2E",
            ".git/config",
            "a/.env",
            "a%2fb",
            "a%5cb",
            "a%00",
            "%",
            "%4",
            "%zz",
            "%ff",
            ".",
            "./a",
        ] {
            assert_eq!(segments(bad), None, "{bad}");
        }
    }

    #[test]
    fn types_are_told_by_names() {
        let told = |name: &str| content_type(Path::new(name));
        assert_eq!(told("index.html"), "text/html; charset=utf-8");
        assert_eq!(told("a.js"), "text/javascript; charset=utf-8");
        assert_eq!(told("a.wasm"), "application/wasm");
        assert_eq!(told("a.png"), "image/png");
        assert_eq!(told("a"), "application/octet-stream");
    }
}
