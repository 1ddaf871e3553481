//! The server's side of the worker: a bounded queue of access units, the process that makes sound of them, and what happens
//! when it dies. Not here: whose sound it is, and where it goes.

use crate::{
    encode::ALAW_PACKET,
    format::AacFormat,
    wire::{ANSWER_LENS, Answer, PAYLOAD_LEN_MAX, Request, UNIT_LEN_MAX, Verdict},
};
use bytes::Bytes;
use metrics::{counter, gauge};
use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant as Moment},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Units that the worker holds at a time: it always has work, and little is lost when it dies.
const WINDOW: usize = 16;
/// The pause before a restart, at first and at most; it begins anew when the worker has lived for a minute.
const RESTART_MIN: Duration = Duration::from_millis(100);
const RESTART_MAX: Duration = Duration::from_secs(30);
const LIVED: Duration = Duration::from_secs(60);
/// Units that can't be decoded one behind the other until a sound is given up: two seconds of 16 kHz.
const DAMAGED_MAX: u32 = 32;

/// How the worker is started and bounded.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The program: one that calls [`worker::run`](crate::worker::run).
    pub exe: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Units that may wait. Default 256: half a second of thirty sounds.
    pub queue: usize,
    /// A unit that is not answered within this time is fatal. Default 2 s.
    pub answer_within: Duration,
    /// A unit older than this is live no more. Default 500 ms.
    pub late: Duration,
    /// The worker ends when there was no unit for so long. Default 30 s.
    pub idle: Duration,
    /// A sound that can't be made is left out for so long. Default [`WorkerConfig::LEFT_OUT`].
    pub left_out: Duration,
}

impl WorkerConfig {
    /// For how long a sound that can't be made is left out.
    pub const LEFT_OUT: Duration = Duration::from_secs(60);

    /// The defaults.
    #[must_use]
    pub fn new(exe: PathBuf, args: Vec<OsString>) -> Self {
        Self {
            exe,
            args,
            queue: 256,
            answer_within: Duration::from_secs(2),
            late: Duration::from_millis(500),
            idle: Duration::from_secs(30),
            left_out: Self::LEFT_OUT,
        }
    }
}

/// Where a sound goes. Called from the worker's keeper; must not block.
pub trait Ear: Send + Sync {
    /// The next packet of A-law.
    fn sound(&self, packet: SoundPacket);
    /// There is no sound for [`WorkerConfig::left_out`]: units that come meanwhile are left out.
    fn unplayable(&self, why: Unplayable);
}

/// 20 ms of G.711 A-law.
#[derive(Debug, Clone)]
pub struct SoundPacket {
    /// The time of its first sample, in ticks of 8 kHz.
    pub timestamp: u32,
    /// It does not continue what came before.
    pub fresh: bool,
    /// [`ALAW_PACKET`] bytes.
    pub payload: Bytes,
    /// When the unit arrived that it was made of.
    pub arrival: Moment,
}

/// Why there is no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unplayable {
    /// The decoder does not take the format.
    Format,
    /// Nothing of it can be decoded.
    Damaged,
    /// The worker died of it, or never answered.
    Fatal,
    /// The worker can't be started.
    NoWorker,
}

impl Unplayable {
    /// The value of the `reason` label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Damaged => "damaged",
            Self::Fatal => "fatal",
            Self::NoWorker => "no_worker",
        }
    }
}

/// What became of a unit that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is on its way.
    Taken,
    /// The worker is behind: dropped, and counted.
    Full,
    /// Empty, or longer than any unit: dropped, and counted.
    BadLength,
    /// Its sound can't be made: dropped, and counted.
    LeftOut,
    /// The sound comes faster than it is played: dropped, and counted.
    TooFast,
    /// There is no keeper any more.
    Closed,
}

/// What a line and its jobs share.
struct Sound {
    stream: u64,
    format: AacFormat,
    ear: Box<dyn Ear>,
    damaged: AtomicU32,
    /// Milliseconds since the line was made up to which it is left out.
    until_ms: AtomicU64,
    made: Moment,
    left_out: Duration,
    pace: Mutex<Pace>,
}

/// Units that a sound may hand in: half as many again as it has, half a second of that at a time. So one that floods does not take the
/// queue from the others. A token bucket, in nanoseconds of sound at the highest rate.
#[derive(Debug)]
struct Pace {
    /// What one unit costs, and what there is for units.
    unit: Duration,
    left: Duration,
    at: Moment,
}

impl Pace {
    const BURST: Duration = Duration::from_millis(500);

    fn new(format: AacFormat, now: Moment) -> Self {
        let nanos = u64::from(AacFormat::FRAME) * 1_000_000_000 * 2 / (u64::from(format.rate_hz()) * 3);
        Self { unit: Duration::from_nanos(nanos), left: Self::BURST, at: now }
    }

    fn take(&mut self, now: Moment) -> bool {
        let left = self.left.saturating_add(now.saturating_duration_since(self.at)).min(Self::BURST);
        self.at = self.at.max(now);
        let after = left.checked_sub(self.unit);
        self.left = after.unwrap_or(left);
        after.is_some()
    }
}

impl Sound {
    fn now_ms(&self) -> u64 {
        self.made.elapsed().as_millis() as u64
    }

    fn give_up(&self, why: Unplayable) {
        counter!("lectern_transcode_sounds_given_up_total", "reason" => why.label()).increment(1);
        self.damaged.store(0, Ordering::Relaxed);
        self.until_ms.store(self.now_ms() + self.left_out.as_millis() as u64, Ordering::Relaxed);
        self.ear.unplayable(why);
    }
}

struct Job {
    sound: Arc<Sound>,
    timestamp: u32,
    unit: Bytes,
    arrival: Moment,
}

/// The worker process, kept alive while it is needed. Ends with the last clone and line.
#[derive(Debug, Clone)]
pub struct Transcoder {
    jobs: mpsc::Sender<Job>,
    streams: Arc<AtomicU64>,
    left_out: Duration,
}

/// One sound on its way to the worker. Dropping it ends it.
pub struct Line {
    jobs: mpsc::Sender<Job>,
    sound: Arc<Sound>,
}

impl Transcoder {
    /// Starts the task that looks after the worker; call it within a runtime. The worker is started by the first unit.
    #[must_use]
    pub fn new(config: WorkerConfig) -> Self {
        let (jobs, queue) = mpsc::channel(config.queue.max(1));
        let left_out = config.left_out;
        tokio::spawn(Keeper { config, queue, in_flight: VecDeque::new() }.run());
        Self { jobs, streams: Arc::default(), left_out }
    }

    /// A sound that goes to `ear`.
    #[must_use]
    pub fn line(&self, format: AacFormat, ear: Box<dyn Ear>) -> Line {
        let sound = Sound {
            stream: self.streams.fetch_add(1, Ordering::Relaxed),
            format,
            ear,
            damaged: AtomicU32::new(0),
            until_ms: AtomicU64::new(0),
            made: Moment::now(),
            left_out: self.left_out,
            pace: Mutex::new(Pace::new(format, Moment::now())),
        };
        Line { jobs: self.jobs.clone(), sound: Arc::new(sound) }
    }
}

impl Line {
    /// Hands in the next access unit, with the time of its first sample in ticks of 8 kHz. Never waits.
    pub fn unit(&self, timestamp: u32, unit: Bytes, arrival: Moment) -> Offered {
        if unit.is_empty() || unit.len() > UNIT_LEN_MAX {
            return dropped("bad_length", Offered::BadLength);
        }
        if self.sound.now_ms() < self.sound.until_ms.load(Ordering::Relaxed) {
            return dropped("left_out", Offered::LeftOut);
        }
        // What it was given while another thread panicked is still right.
        if !self.sound.pace.lock().unwrap_or_else(PoisonError::into_inner).take(Moment::now()) {
            return dropped("too_fast", Offered::TooFast);
        }
        match self.jobs.try_send(Job { sound: Arc::clone(&self.sound), timestamp, unit, arrival }) {
            Ok(()) => Offered::Taken,
            Err(TrySendError::Full(_)) => dropped("queue_full", Offered::Full),
            Err(TrySendError::Closed(_)) => Offered::Closed,
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("stream", &self.sound.stream).finish_non_exhaustive()
    }
}

fn dropped(reason: &'static str, what: Offered) -> Offered {
    counter!("lectern_transcode_dropped_units_total", "reason" => reason).increment(1);
    what
}

fn start(config: &WorkerConfig) -> io::Result<Child> {
    Command::new(&config.exe)
        .args(&config.args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// Why a worker's time is over.
enum End {
    /// Nobody hands in units any more.
    Done,
    /// Nobody listens now.
    Idle,
    /// It died, hung or talked nonsense.
    Failed(&'static str),
}

/// What looks after the worker.
struct Keeper {
    config: WorkerConfig,
    queue: mpsc::Receiver<Job>,
    /// What the present worker was given and has not answered, oldest first.
    in_flight: VecDeque<Job>,
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = RESTART_MIN;
        while let Some(first) = self.queue.recv().await {
            let began = Instant::now();
            let end = match start(&self.config) {
                Ok(child) => {
                    gauge!("lectern_transcode_worker_running").set(1.0);
                    self.serve(child, first).await
                }
                Err(e) => {
                    tracing::error!(exe = %self.config.exe.display(), error = %e, "the sound worker can't be started");
                    not_started(&first)
                }
            };
            gauge!("lectern_transcode_worker_running").set(0.0);
            match end {
                End::Done => break,
                End::Idle => pause = RESTART_MIN,
                End::Failed(why) => {
                    counter!("lectern_transcode_worker_restarts_total", "reason" => why).increment(1);
                    self.blame(why);
                    if began.elapsed() >= LIVED {
                        pause = RESTART_MIN;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(RESTART_MAX);
                }
            }
        }
    }

    /// The worker is gone: what it had begun is to blame. The rest would be late.
    fn blame(&mut self, why: &str) {
        let lost = self.in_flight.len() as u64;
        counter!("lectern_transcode_dropped_units_total", "reason" => "worker_died").increment(lost);
        if let Some(job) = self.in_flight.pop_front() {
            tracing::warn!(stream = job.sound.stream, why, "a unit of sound was fatal for the worker");
            job.sound.give_up(Unplayable::Fatal);
        }
        self.in_flight.clear();
    }

    /// Takes the next answer; false if it is none to the oldest unit.
    fn answer(&mut self, body: &Bytes) -> bool {
        let Some(job) = self.in_flight.front() else { return false };
        match Answer::parse(body) {
            Ok(answer) if answer.stream == job.sound.stream => answered(job, &answer, body),
            _ => return false,
        }
        self.in_flight.pop_front();
        true
    }

    /// Works with one process until it or the work ends.
    async fn serve(&mut self, mut child: Child, first: Job) -> End {
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return not_started(&first);
        };
        let (answers_tx, mut answers) = mpsc::channel(WINDOW);
        let reader = tokio::spawn(read_answers(stdout, answers_tx));
        let within = self.config.answer_within;
        let (mut deadline, mut idle) = (Instant::now() + within, Instant::now() + self.config.idle);
        let mut first = Some(first);
        let end = loop {
            let room = self.in_flight.len() < WINDOW;
            tokio::select! {
                answer = answers.recv() => {
                    let Some(body) = answer else { break End::Failed("died") };
                    if !self.answer(&body) {
                        break End::Failed("talked_nonsense");
                    }
                    deadline = Instant::now() + within;
                }
                job = next(&mut first, &mut self.queue), if room => {
                    let Some(job) = job else { break End::Done };
                    idle = Instant::now() + self.config.idle;
                    if job.arrival.elapsed() > self.config.late {
                        dropped("late", Offered::Full);
                        continue;
                    }
                    if self.in_flight.is_empty() {
                        deadline = Instant::now() + within;
                    }
                    let written = timeout(within, write(&mut stdin, &job)).await;
                    self.in_flight.push_back(job);
                    match written {
                        Ok(Ok(())) => {}
                        // It closed the pipe: what it has answered is read first, and no more than it was asked.
                        Ok(Err(_)) => {
                            while !self.in_flight.is_empty() {
                                let Ok(Some(body)) = timeout(within, answers.recv()).await else { break };
                                if !self.answer(&body) {
                                    break;
                                }
                            }
                            break End::Failed("died");
                        }
                        Err(_) => break End::Failed("hung"),
                    }
                }
                () = sleep_until(deadline), if !self.in_flight.is_empty() => break End::Failed("hung"),
                () = sleep_until(idle), if self.in_flight.is_empty() => break End::Idle,
            }
        };
        reader.abort();
        // The end of its input is a worker's good-bye; one that hangs is not asked.
        drop(stdin);
        if matches!(end, End::Failed(_)) || timeout(Duration::from_secs(2), child.wait()).await.is_err() {
            // It may be gone already.
            let _ = child.kill().await;
        }
        end
    }
}

/// Nobody makes sound of it.
fn not_started(job: &Job) -> End {
    dropped("worker_not_started", Offered::LeftOut);
    job.sound.give_up(Unplayable::NoWorker);
    End::Failed("not_started")
}

async fn next(first: &mut Option<Job>, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
    match first.take() {
        Some(job) => Some(job),
        None => queue.recv().await,
    }
}

async fn write(stdin: &mut ChildStdin, job: &Job) -> io::Result<()> {
    let (stream, format) = (job.sound.stream, job.sound.format);
    stdin.write_all(&Request { stream, format, timestamp: job.timestamp, unit: &job.unit }.frame()).await?;
    stdin.flush().await
}

/// Passes on what was made of a unit. `body`: what the answer was read from.
fn answered(job: &Job, answer: &Answer<'_>, body: &Bytes) {
    counter!("lectern_transcode_units_total", "result" => answer.verdict.label()).increment(1);
    match answer.verdict {
        Verdict::Decoded => job.sound.damaged.store(0, Ordering::Relaxed),
        Verdict::Damaged => {
            if job.sound.damaged.fetch_add(1, Ordering::Relaxed) + 1 >= DAMAGED_MAX {
                return job.sound.give_up(Unplayable::Damaged);
            }
        }
        Verdict::Refused => return job.sound.give_up(Unplayable::Format),
    }
    let payload = body.slice_ref(answer.payload);
    for (n, at) in (0..payload.len()).step_by(ALAW_PACKET).enumerate() {
        job.sound.ear.sound(SoundPacket {
            timestamp: answer.timestamp.wrapping_add(at as u32),
            fresh: answer.fresh && n == 0,
            payload: payload.slice(at..(at + ALAW_PACKET).min(payload.len())),
            arrival: job.arrival,
        });
    }
}

/// Reads the bodies of answers until the worker ends, or says something else.
async fn read_answers(stdout: ChildStdout, answers: mpsc::Sender<Bytes>) {
    let mut stdout = BufReader::with_capacity(4 * PAYLOAD_LEN_MAX, stdout);
    loop {
        let Ok(len) = stdout.read_u32().await else { return };
        if !ANSWER_LENS.contains(&(len as usize)) {
            return;
        }
        let mut body = vec![0; len as usize];
        if stdout.read_exact(&mut body).await.is_err() || answers.send(body.into()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_hands_in_half_as_many_units_again_as_it_has_and_no_more() {
        for rate in [8_000, 16_000, 48_000, 96_000] {
            let now = Moment::now();
            let mut pace = Pace::new(AacFormat::new(rate, 1).unwrap(), now);
            let mut taken = |ms: u64| pace.take(now + Duration::from_millis(ms));
            let a_second = rate as usize / 1024;
            // What comes in heaps of a third of a second passes for hours.
            for second in (0..3600).step_by(100) {
                assert!((0..a_second.div_ceil(3)).all(|_| taken(second * 1000)), "{rate}");
                assert!((0..a_second / 3).all(|_| taken(second * 1000 + 333)), "{rate}");
            }
            // A flood does not.
            let passed = (0..10_000u64).filter(|n| taken(4_000_000 + n)).count();
            let most = rate as usize * 16 / 1024 + 2;
            assert!((a_second * 10..=most).contains(&passed), "{rate}: {passed}");
        }
    }
}
