//! `lectern-netem`: bad lines between real processes. See [`lectern_netsim::emulator`] for what it builds and
//! [`lectern_netsim::emulator::control`] for what it understands on its standard input and its control socket.
//!
//! It says one JSON line when the namespaces stand, then one for each command. It ends, and takes the namespaces with
//! it, on `quit`, at the end of its standard input (unless `--stay`), and on SIGINT or SIGTERM.

use clap::Parser;
use lectern_netsim::{
    LinkConfig,
    emulator::{
        Hub,
        control::{self, Answer, LINE_LEN_BYTES_MAX, Ready},
    },
};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
};

/// Bad lines between real processes.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// How many viewers, each behind a line of its own.
    #[arg(long, default_value_t = 1)]
    viewers: usize,
    /// Repeats the losses of a run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Takes commands on this Unix socket as well.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Goes on when the standard input ends.
    #[arg(long)]
    stay: bool,
    /// Real-time priority, so that a busy machine does not become part of the line.
    #[arg(long)]
    realtime: bool,
    /// Commands to begin with, as on the standard input.
    commands: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lectern-netem: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let signals = block_signals()?;
    if args.realtime {
        let param = libc::sched_param { sched_priority: 1 };
        // SAFETY: one valid `sched_param`; without the right to it the emulator is merely less exact, and says so.
        if unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const param) } != 0 {
            eprintln!("lectern-netem: no real-time priority: {}", io::Error::last_os_error());
        }
    }
    let hub = Arc::new(Hub::start(args.viewers, LinkConfig::default(), args.seed)?);
    for command in &args.commands {
        if let Some(Answer::Error { error }) = control::obey(&hub, command) {
            return Err(format!("{command}: {error}").into());
        }
    }
    let (end, ended) = mpsc::channel();
    let listener = args.socket.as_deref().map(listen).transpose()?;
    println!("{}", serde_json::to_string(&Ready::of(&hub))?);

    spawn("signals", &end, move || {
        let mut signal = 0;
        // SAFETY: both point to values that live through the call.
        unsafe { libc::sigwait(&raw const signals, &raw mut signal) };
        true
    })?;
    let (stay, on_stdin) = (args.stay, Arc::clone(&hub));
    spawn("stdin", &end, move || converse(&on_stdin, io::stdin().lock(), &mut io::stdout()) || !stay)?;
    if let Some(listener) = listener {
        let (hub, on_quit) = (Arc::clone(&hub), end.clone());
        thread::Builder::new().name("control".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // One after the other: the control has one master, and a second waits.
                if serve(&hub, &stream).unwrap_or(false) {
                    let _ = on_quit.send(());
                }
            }
        })?;
    }
    let _ = ended.recv();
    if let Some(path) = &args.socket {
        let _ = std::fs::remove_file(path);
    }
    // The other threads hold the hub and may sit in a read: let go of the namespaces before the process does.
    hub.close();
    Ok(())
}

/// Runs `f`; ends the program if it says so.
fn spawn(name: &str, end: &mpsc::Sender<()>, f: impl FnOnce() -> bool + Send + 'static) -> io::Result<()> {
    let end = end.clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        if f() {
            let _ = end.send(());
        }
    })?;
    Ok(())
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let _ = std::fs::remove_file(path); // left by a killed run
    UnixListener::bind(path)
}

fn serve(hub: &Hub, stream: &UnixStream) -> io::Result<bool> {
    Ok(converse(hub, BufReader::new(stream.try_clone()?), &mut &*stream))
}

/// Answers line by line; true if told to quit.
fn converse(hub: &Hub, mut input: impl BufRead, output: &mut impl Write) -> bool {
    loop {
        let mut line = String::new();
        let limit = LINE_LEN_BYTES_MAX as u64;
        match (&mut input).take(limit).read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        if line.trim().is_empty() {
            continue;
        }
        let Some(answer) = control::obey(hub, line.trim()) else { return true };
        let Ok(text) = serde_json::to_string(&answer) else { return true };
        if writeln!(output, "{text}").and_then(|()| output.flush()).is_err() {
            return false;
        }
    }
}

/// Blocks SIGINT and SIGTERM for all threads to come, so that one of them can wait for them.
fn block_signals() -> io::Result<libc::sigset_t> {
    // SAFETY: all-zero is a valid set to begin with; the calls get valid pointers.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(set),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}
