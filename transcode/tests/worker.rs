//! The worker as a process: makes sound, is there only while it is needed, dies of poisoned units, comes back.

use bytes::Bytes;
use lectern_transcode::{
    AacFormat, Ear, Line, Offered, SoundPacket, Transcoder, Unplayable, WorkerConfig, encode::ALAW_PACKET,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);
/// A unit of silence of one channel, as ffmpeg's encoder writes it.
const SILENCE: &[u8] = &[0x01, 0x18, 0x20, 0x07];
/// A coupling channel: no sound of a camera has one.
const GARBAGE: &[u8] = &[0x40; 40];

enum Said {
    Sound(SoundPacket),
    Not(Unplayable),
}

struct Ears(mpsc::UnboundedSender<Said>);

impl Ear for Ears {
    fn sound(&self, packet: SoundPacket) {
        // A test that is over does not listen.
        let _ = self.0.send(Said::Sound(packet));
    }
    fn unplayable(&self, why: Unplayable) {
        let _ = self.0.send(Said::Not(why));
    }
}

struct Heard {
    line: Line,
    said: mpsc::UnboundedReceiver<Said>,
    units: u32,
}

impl Heard {
    fn new(transcoder: &Transcoder) -> Self {
        let (tx, said) = mpsc::unbounded_channel();
        let line = transcoder.line(AacFormat::new(16_000, 1).unwrap(), Box::new(Ears(tx)));
        Self { line, said, units: 0 }
    }

    fn unit(&mut self, unit: &'static [u8]) -> Offered {
        self.units += 1;
        self.line.unit((self.units - 1) * 512, Bytes::from_static(unit), Instant::now())
    }

    async fn next(&mut self) -> Said {
        tokio::time::timeout(PATIENCE, self.said.recv()).await.expect("waited in vain").expect("somebody speaks")
    }

    async fn packet(&mut self) -> SoundPacket {
        match self.next().await {
            Said::Sound(packet) => packet,
            Said::Not(why) => panic!("{why:?}"),
        }
    }
}

/// Nothing depends on how fast the machine is.
fn patient(exe: &str, args: Vec<OsString>) -> WorkerConfig {
    let mut config = WorkerConfig::new(PathBuf::from(exe), args);
    (config.late, config.answer_within) = (PATIENCE, PATIENCE);
    config
}

fn script(text: &str, mark: &Path) -> WorkerConfig {
    let real = env!("CARGO_BIN_EXE_lectern-sound-worker");
    let text = text.replace("$WORKER", real).replace("$MARK", &mark.display().to_string());
    patient("/bin/sh", vec!["-c".into(), text.into()])
}

/// Hands in units until sound comes.
async fn comes_back(heard: &mut Heard) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        heard.unit(SILENCE);
        match tokio::time::timeout(Duration::from_millis(20), heard.said.recv()).await {
            Ok(Some(Said::Sound(_))) => return,
            _ => assert!(Instant::now() < deadline, "no sound"),
        }
    }
}

#[tokio::test]
async fn packets_of_twenty_milliseconds_follow_each_other() {
    let config = patient(env!("CARGO_BIN_EXE_lectern-sound-worker"), vec![]);
    let transcoder = Transcoder::new(config);
    let (mut one, mut other) = (Heard::new(&transcoder), Heard::new(&transcoder));
    for _ in 0..10 {
        assert_eq!((one.unit(SILENCE), other.unit(SILENCE)), (Offered::Taken, Offered::Taken));
    }
    for heard in [&mut one, &mut other] {
        for n in 0..20 {
            let packet = heard.packet().await;
            assert_eq!((packet.timestamp, packet.fresh), (n * ALAW_PACKET as u32, n == 0));
            assert_eq!(packet.payload, [0xd5; ALAW_PACKET][..], "silence");
        }
    }
    assert_eq!(one.line.unit(0, Bytes::new(), Instant::now()), Offered::BadLength);
    assert_eq!(one.line.unit(0, vec![0; 8_192].into(), Instant::now()), Offered::BadLength);
}

#[tokio::test]
async fn the_worker_runs_only_while_there_is_something_to_do() {
    let here = tempfile::tempdir().unwrap();
    let mark = here.path().join("runs");
    let mut config = script("echo up >> $MARK; $WORKER; echo down >> $MARK", &mark);
    config.idle = Duration::from_millis(500);
    let transcoder = Transcoder::new(config);
    let mut heard = Heard::new(&transcoder);
    let runs = || std::fs::read_to_string(&mark).unwrap_or_default().replace('\n', " ");
    assert_eq!(runs(), "", "nothing was asked");
    for want in ["up down ", "up down up down "] {
        comes_back(&mut heard).await;
        let deadline = Instant::now() + PATIENCE;
        while runs() != want {
            assert!(Instant::now() < deadline, "{}", runs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_sound_that_is_garbage_is_given_up_and_the_others_go_on() {
    let config = patient(env!("CARGO_BIN_EXE_lectern-sound-worker"), vec![]);
    let transcoder = Transcoder::new(config);
    let (mut bad, mut good) = (Heard::new(&transcoder), Heard::new(&transcoder));
    let mut damaged = 0;
    while damaged < 32 {
        match bad.unit(GARBAGE) {
            Offered::Taken => damaged += 1,
            Offered::TooFast => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    let why = loop {
        match bad.next().await {
            Said::Sound(packet) => assert_eq!(packet.payload, [0xd5; ALAW_PACKET][..], "silence in its place"),
            Said::Not(why) => break why,
        }
    };
    assert_eq!(why, Unplayable::Damaged);
    assert_eq!(bad.unit(SILENCE), Offered::LeftOut);
    assert_eq!(good.unit(SILENCE), Offered::Taken);
    good.packet().await;
}

#[tokio::test]
async fn workers_that_die_hang_or_talk_nonsense_cost_one_sound_a_pause() {
    for (what, first) in [
        ("dies", "head -c 25 > /dev/null; exit 9"),
        ("hangs", "exec sleep 600"),
        ("talks nonsense", "head -c 25 > /dev/null; echo hello there; exec sleep 600"),
        ("never stops talking", "exec yes"),
    ] {
        let here = tempfile::tempdir().unwrap();
        let text = format!("if [ ! -e $MARK ]; then : > $MARK; {first}; fi; exec $WORKER");
        let mut config = script(&text, &here.path().join("mark"));
        if what == "hangs" {
            config.answer_within = Duration::from_millis(500);
        }
        let transcoder = Transcoder::new(config);
        let (mut poisoned, mut healthy) = (Heard::new(&transcoder), Heard::new(&transcoder));
        assert_eq!(poisoned.unit(SILENCE), Offered::Taken);
        match poisoned.next().await {
            Said::Not(why) => assert_eq!(why, Unplayable::Fatal, "{what}"),
            Said::Sound(_) => panic!("{what}: sound"),
        }
        assert_eq!(poisoned.unit(SILENCE), Offered::LeftOut, "{what}");
        comes_back(&mut healthy).await;
    }
}

#[tokio::test]
async fn a_worker_that_hears_nothing_and_answers_without_end_is_replaced() {
    let here = tempfile::tempdir().unwrap();
    let mark = here.path().join("mark");
    // It closes its ears, and answers the first sound for ever once it may.
    let text = "if [ ! -e $MARK ]; then exec <&-; : > $MARK; while [ ! -e $MARK.go ]; do sleep 0.01; done; \
        while printf '\\0\\0\\0\\016\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0'; do :; done; fi; exec $WORKER";
    let transcoder = Transcoder::new(script(text, &mark));
    let (mut deaf, mut healthy) = (Heard::new(&transcoder), Heard::new(&transcoder));
    assert_eq!(deaf.unit(SILENCE), Offered::Taken);
    let deadline = Instant::now() + PATIENCE;
    while !mark.exists() {
        assert!(Instant::now() < deadline, "it starts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(deaf.unit(SILENCE), Offered::Taken);
    // Both were written, one in vain, before it may answer.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    std::fs::write(mark.with_extension("go"), b"").unwrap();
    comes_back(&mut healthy).await;
}

#[tokio::test]
async fn a_worker_that_can_not_be_started_is_told() {
    let transcoder = Transcoder::new(patient("/nowhere/lectern", vec![]));
    let mut heard = Heard::new(&transcoder);
    assert_eq!(heard.unit(SILENCE), Offered::Taken);
    match heard.next().await {
        Said::Not(why) => assert_eq!(why, Unplayable::NoWorker),
        Said::Sound(_) => panic!("sound"),
    }
    assert_eq!(heard.unit(SILENCE), Offered::LeftOut);
}

#[tokio::test]
async fn a_flood_of_units_leaves_room_for_other_sounds() {
    let transcoder = Transcoder::new(patient("/bin/sh", vec!["-c".into(), "exec sleep 600".into()]));
    let (mut flood, mut other) = (Heard::new(&transcoder), Heard::new(&transcoder));
    let taken = (0..2000).filter(|_| flood.unit(SILENCE) == Offered::Taken).count();
    assert!((11..200).contains(&taken), "{taken}");
    assert_eq!(flood.unit(SILENCE), Offered::TooFast);
    assert_eq!(other.unit(SILENCE), Offered::Taken);
}
