//! Static files: one process serves a page and its WAMP.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use crate::daemon::{Daemon, file, scratch};
use crate::wire::{ask, connect, fetch, upgrade};

/// A router with a page, and a secret beside it.
fn site(name: &str) -> (Daemon, std::path::PathBuf) {
    let directory = scratch(name);
    let www = directory.join("www");
    fs::create_dir_all(www.join("sub")).unwrap();
    fs::create_dir_all(www.join("empty")).unwrap();
    file(&directory, "secret.txt", "secret");
    file(&www, "index.html", "<p>hello</p>");
    file(&www, "app.js", "let a = 1;");
    file(&www, "a b.txt", "space");
    file(&www, ".env", "secret");
    file(&www.join("sub"), "index.html", "below");
    symlink("../secret.txt", www.join("out.txt")).unwrap();
    symlink(&directory, www.join("outside")).unwrap();
    symlink("app.js", www.join("inside.js")).unwrap();
    let daemon = Daemon::start(&["--port", "0", "--static", www.to_str().unwrap()]);
    (daemon, www)
}

#[test]
fn a_page_and_its_router_have_one_address() {
    let (daemon, _) = site("page");
    let url = daemon.url();
    assert_eq!(daemon.urls()[1], url.replace("ws://", "http://").replace("/ws", "/"));
    let (head, body) = fetch(&url, "/", "");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "<p>hello</p>");
    let head = head.to_ascii_lowercase();
    for line in [
        "content-type: text/html; charset=utf-8",
        "content-length: 12",
        "x-content-type-options: nosniff",
        "cache-control: no-cache",
    ] {
        assert!(head.lines().any(|said| said == line), "no \"{line}\" in {head}");
    }
    let origin = url.replace("ws://", "Origin: http://").replace("/ws", "\r\n");
    assert_eq!(upgrade(&url, &origin), "HTTP/1.1 101 Switching Protocols");
    assert_eq!(upgrade(&url, "Origin: http://example.com\r\n"), "HTTP/1.1 403 Forbidden");
    // Where WebSocket is, there is no page.
    assert!(fetch(&url, "/ws", "").0.contains("404"));
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn several_requests_take_one_connection() {
    let (daemon, _) = site("connection");
    let url = daemon.url();
    let host = url.trim_start_matches("ws://").trim_end_matches("/ws");
    let request = format!(
        "GET /app.js HTTP/1.1\r\nHost: {host}\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: {host}\r\n\
         Connection: close\r\n\r\n"
    );
    let (first, rest) = ask(&url, &request);
    assert!(first.contains("200 OK"));
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.starts_with("let a = 1;HTTP/1.1 200 OK") && rest.ends_with("below"), "{rest}");
}

#[test]
fn nothing_else_is_served() {
    let (daemon, _) = site("else");
    let url = daemon.url();
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/out.txt",
        "/outside/secret.txt",
        "/.env",
        "/%2eenv",
        "/empty/",
        "/none",
        "/app.js/",
        "/%00",
        "/a%5cb",
        "//etc/passwd",
    ] {
        let (head, body) = fetch(&url, path, "");
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
        assert!(!body.contains("secret"), "{path}: {body}");
    }
    assert_eq!(fetch(&url, "/inside.js", "").1, "let a = 1;");
    assert_eq!(fetch(&url, "/a%20b.txt", "").1, "space");
    let (head, _) = fetch(&url, "/sub", "");
    assert!(head.starts_with("HTTP/1.1 301") && head.contains("location: /sub/"), "{head}");
    // A stranger's name that leads to this machine (DNS rebinding).
    let request = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let (head, _) = ask(&url, request);
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[test]
fn a_browser_takes_a_file_once() {
    let (daemon, www) = site("again");
    let url = daemon.url();
    let (head, _) = fetch(&url, "/app.js", "");
    let value = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let (tag, date) = (value("etag"), value("last-modified"));
    for known in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-None-Match: \"x\", W/{tag}\r\n"),
        format!("If-Modified-Since: {date}\r\n"),
    ] {
        let (head, body) = fetch(&url, "/app.js", &known);
        assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{known}: {head}");
    }
    file(&www, "app.js", "let a = 22;");
    let (_, body) = fetch(&url, "/app.js", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(body, "let a = 22;");
}

#[test]
fn a_file_may_be_of_any_date() {
    let (daemon, www) = site("dates");
    let url = daemon.url();
    let day = Duration::from_secs(86_400);
    for (date, told) in [
        (UNIX_EPOCH - 365 * day, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (UNIX_EPOCH, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (UNIX_EPOCH + 20_000 * day, "Fri, 04 Oct 2024 00:00:00 GMT"),
        (UNIX_EPOCH + 4_000_000 * day, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        // Not every file system knows all dates; it then takes the nearest.
        let app = File::options().write(true).open(www.join("app.js")).unwrap();
        app.set_modified(date).unwrap();
        let kept = app.metadata().unwrap().modified().unwrap() == date;
        let (head, body) = fetch(&url, "/app.js", "");
        assert_eq!(body, "let a = 1;", "{date:?}: {head}");
        let wanted = format!("last-modified: {told}").to_ascii_lowercase();
        assert!(!kept || head.to_ascii_lowercase().contains(&wanted), "{date:?}: {head}");
        let known = format!("If-Modified-Since: {told}\r\n");
        let (head, _) = fetch(&url, "/app.js", &known);
        assert!(!kept || head.starts_with("HTTP/1.1 304"), "{date:?}: {head}");
    }
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn only_reading_is_accepted() {
    let (daemon, _) = site("reading");
    let url = daemon.url();
    let host = url.trim_start_matches("ws://").trim_end_matches("/ws");
    let request = |method: &str| {
        let request =
            format!("{method} /app.js HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        ask(&url, &request)
    };
    let (head, body) = request("HEAD");
    assert!(head.contains("200 OK") && head.contains("content-length: 10"), "{head}");
    assert!(body.is_empty());
    let (head, _) = request("DELETE");
    assert!(head.contains("405") && head.contains("allow: GET, HEAD"), "{head}");
}

#[test]
fn a_large_file_comes_as_a_whole() {
    let (daemon, www) = site("large");
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|index| (index % 251) as u8).collect();
    fs::write(www.join("large.bin"), &bytes).unwrap();
    let url = daemon.url();
    let host = url.trim_start_matches("ws://").trim_end_matches("/ws");
    let request = format!("GET /large.bin HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let (head, body) = ask(&url, &request);
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    assert!(body == bytes, "{} bytes came of {}", body.len(), bytes.len());
}

#[test]
fn directories_have_paths_of_their_own() {
    let directory = scratch("paths");
    for name in ["one", "two"] {
        fs::create_dir(directory.join(name)).unwrap();
        file(&directory.join(name), "index.html", name);
    }
    let (one, two) = (directory.join("one"), directory.join("two"));
    let mounts = [format!("{}", one.display()), format!("/b/c={}", two.display())];
    let daemon = Daemon::start(&["-p", "0", "-s", &mounts[0], "--static", &mounts[1]]);
    assert_eq!(fetch(&daemon.url(), "/", "").1, "one");
    assert_eq!(fetch(&daemon.url(), "/b/c/", "").1, "two");
    let (head, _) = fetch(&daemon.url(), "/b/c", "");
    assert!(head.contains("301") && head.contains("location: /b/c/"), "{head}");
    assert!(fetch(&daemon.url(), "/b/cd", "").0.contains("404"));
}

/// The time for HELLO is not that of a page; but nobody keeps a connection for nothing.
#[test]
fn a_page_may_take_its_time() {
    let directory = scratch("slow");
    let config = file(&directory, "wampd.json", r#"{"hello_timeout": 0.2}"#);
    let www = directory.join("www");
    fs::create_dir(&www).unwrap();
    let size = 20_000_000;
    fs::write(www.join("large.bin"), vec![7_u8; size]).unwrap();
    let daemon = Daemon::start(&["-p", "0", "-c", &config, "-s", www.to_str().unwrap()]);
    let mut stream = connect(&daemon.url());
    let host = stream.peer_addr().unwrap();
    write!(stream, "GET /large.bin HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    // More than the time for HELLO passes.
    std::thread::sleep(Duration::from_millis(600));
    let mut answer = Vec::new();
    // It ends although nobody has asked for that.
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > size && answer[answer.len() - size..].iter().all(|byte| *byte == 7));
}
