//! Terminals: colours, a bar, a width that changes.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::scene::{LIMIT, Scene};

/// A terminal of this width, and what is written to it.
struct Terminal {
    master: File,
    /// Kept open: the end of the last program on it is not that of the terminal.
    slave: File,
    written: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn new(columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let master = File::from(master);
        let (sender, written) = channel();
        let mut reader = master.try_clone().unwrap();
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut block) {
                if sender.send(block[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let terminal = Terminal { master, slave, written, seen: String::new() };
        terminal.resize(columns);
        terminal
    }

    fn resize(&self, columns: u16) {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    fn stdio(&self) -> Stdio {
        self.slave.try_clone().unwrap().into()
    }

    /// Waits until these words stand behind what was waited for before, and gives what was there.
    #[track_caller]
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let more = self.written.recv_timeout(LIMIT).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }
}

fn on(terminal: &Terminal, mut command: Command) -> std::process::Child {
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    command.stdout(terminal.stdio()).stderr(terminal.stdio()).spawn().unwrap()
}

#[test]
fn colours_are_for_terminals() {
    let scene = Scene::new();
    let mut terminal = Terminal::new(80);
    let mut child = on(&terminal, scene.command(&["meta", "registrations"]));
    terminal.wait_for("\u{1b}[1mID  PROCEDURE");
    assert!(child.wait().unwrap().success());
    let mut command = scene.command(&["meta", "registrations"]);
    command.env("NO_COLOR", "1").env("TERM", "xterm");
    command.stdout(terminal.stdio()).stderr(terminal.stdio());
    let mut child = command.spawn().unwrap();
    terminal.wait_for("ID  PROCEDURE");
    assert!(child.wait().unwrap().success());
    assert!(!terminal.seen.contains('\u{1b}'), "{}", terminal.seen);
    let plain = scene.run(&["meta", "registrations"]).good();
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn a_bar_is_as_wide_as_the_terminal_is_now() {
    let scene = Scene::new();
    let mut terminal = Terminal::new(80);
    let mut child = on(&terminal, scene.command(&["bench", "-d", "1000", "-c", "1"]));
    let line = |terminal: &mut Terminal| {
        terminal.wait_for("\r");
        let line = terminal.wait_for("\u{1b}[K");
        line.trim_end_matches("\u{1b}[K").to_owned()
    };
    let shown = line(&mut terminal);
    assert!(shown.starts_with('[') && shown.contains("/s, median "), "{shown}");
    terminal.resize(20);
    loop {
        let shown = line(&mut terminal);
        if !shown.starts_with('[') {
            assert!(shown.chars().count() < 20, "{shown}");
            break;
        }
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    terminal.wait_for("call: ");
    assert!(child.wait().unwrap().success());
    // No bar where there is no terminal.
    let ended = scene.run(&["bench", "-d", "0.3"]);
    assert_eq!(ended.err, "");
}
