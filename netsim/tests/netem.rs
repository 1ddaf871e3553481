//! The binary: its control language from outside, and that it leaves nothing behind however it ends.

mod rights;

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

struct Netem {
    child: Child,
    orders: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
    ready: Value,
}

impl Netem {
    /// Starts it, or tells why this machine can't.
    fn start(args: &[&str]) -> Option<Self> {
        // SAFETY: no arguments, cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return rights::missing("network namespaces need root");
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_lectern-netem"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut netem = Self { child, orders, said, ready: Value::Null };
        netem.ready = netem.answer();
        assert_eq!(netem.ready["ready"], true);
        Some(netem)
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.orders.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }

    fn netns(&self) -> Vec<String> {
        let viewers = self.ready["viewers"].as_array().unwrap().iter();
        viewers.chain([&self.ready["server"]]).map(|p| format!("/run/netns/{}", p["netns"].as_str().unwrap())).collect()
    }
}

#[test]
fn it_understands_its_language() {
    let Some(mut netem) = Netem::start(&["--viewers", "2", r#"{"cmd":"set","delay_ms":10}"#]) else { return };
    let set = netem.ask(r#"{"cmd":"set","viewer":2,"dir":"up","rate_kbps":250,"cut":true}"#);
    assert_eq!(set["ok"], true);
    let stats = netem.ask(r#"{"cmd":"stats"}"#);
    for (viewer, direction, rate, cut) in [
        (0, "down", Value::Null, false),
        (0, "up", Value::Null, false),
        (1, "down", Value::Null, false),
        (1, "up", 250.into(), true),
    ] {
        let lane = &stats["lines"][viewer][direction];
        assert_eq!(
            (&lane["rate_kbps"], &lane["cut"], &lane["delay_ms"]),
            (&rate, &cut.into(), &10.into()),
            "{viewer} {direction}"
        );
    }
    assert!(netem.ask(r#"{"cmd":"set","viewer":3,"cut":true}"#)["error"].as_str().unwrap().contains("no viewer 3"));
    assert!(netem.ask("nonsense")["error"].is_string());
    let netns = netem.netns();
    assert!(netns.iter().all(|n| Path::new(n).exists()));
    writeln!(netem.orders.as_mut().unwrap(), r#"{{"cmd":"quit"}}"#).unwrap();
    assert!(netem.child.wait().unwrap().success());
    assert!(netns.iter().all(|n| !Path::new(n).exists()), "{netns:?}");
}

#[test]
fn a_socket_controls_it_and_a_signal_ends_it() {
    let path = std::env::temp_dir().join(format!("lectern-netem-test-{}", std::process::id()));
    let Some(mut netem) = Netem::start(&["--stay", "--socket", path.to_str().unwrap()]) else { return };
    drop(netem.orders.take()); // it stays
    let mut socket = UnixStream::connect(&path).unwrap();
    socket.write_all(b"{\"cmd\":\"set\",\"cut\":true}\n{\"cmd\":\"stats\"}\n").unwrap();
    let mut answers = BufReader::new(socket).lines();
    assert_eq!(answers.next().unwrap().unwrap(), r#"{"ok":true}"#);
    let stats: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
    assert_eq!(stats["lines"][0]["down"]["cut"], true);
    let netns = netem.netns();
    // SAFETY: a child of ours that has not been waited for.
    unsafe { libc::kill(netem.child.id() as libc::pid_t, libc::SIGTERM) };
    assert!(netem.child.wait().unwrap().success());
    assert!(netns.iter().all(|n| !Path::new(n).exists()), "{netns:?}");
    assert!(!path.exists());
}

#[test]
fn what_a_killed_one_left_goes_with_the_next() {
    let Some(mut killed) = Netem::start(&[]) else { return };
    let netns = killed.netns();
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(netns.iter().all(|n| Path::new(n).exists()), "nobody could tidy up");
    let mut next = Netem::start(&[]).unwrap();
    assert!(netns.iter().all(|n| !Path::new(n).exists()), "{netns:?}");
    drop(next.orders.take()); // the end of its standard input ends it
    assert!(next.child.wait().unwrap().success());
}
