//! The thread of one running recording: reads the tap, drives tracks and writer, keeps the pace of sync rounds, fails and goes
//! on again.
//!
//! Each turn takes one thing (an event of the tap, a command, a tick), applies it, and lets any disk error end in
//! [`Session::fail`]. Does not belong here: the order of writes (`writer`), the meaning of packets (`track`).

use crate::{
    Entry, FailReason, FinishError, Limits, State, Status,
    clock::SenderClock,
    recorder::{KeyframePort, Sealed},
    recover,
    storage::Storage,
    track::{Output, Track},
    writer::Writer,
};
use lectern_fmp4::depay::Dropped;
use lectern_media::{
    ParticipantId, TrackId, TrackInfo, TrackKind, TrackSource, UnixMillis,
    tap::{TapEvent, TapReceiver},
};
use lectern_protocol::api::{ClassEvent, GapCause};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot, watch};

/// What the handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Something happened in class.
    Event { at: UnixMillis, event: Box<ClassEvent> },
    /// The lesson is over.
    Finish { reply: oneshot::Sender<Result<Sealed, FinishError>> },
}

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Tap events taken in one turn.
const BATCH: usize = 512;
/// Journal lines kept while the disk can't take them.
const WAITING_LINES_MAX: usize = 10_000;
/// How often a keyframe is asked for while a track can't go on without one.
const ASK_AGAIN_MS: i64 = 1000;

pub(crate) struct Session {
    storage: Arc<dyn Storage>,
    limits: Limits,
    keyframes: Arc<dyn KeyframePort>,
    status: watch::Sender<Status>,
    started: UnixMillis,
    dir: PathBuf,
    /// `None` while the recording has failed.
    writer: Option<Writer>,
    /// Tracks being recorded; empty while failed.
    tracks: BTreeMap<TrackId, Track>,
    /// Tracks being published.
    live: BTreeMap<TrackId, TrackInfo>,
    /// Where each track stood when recovery last looked, in ticks.
    ends: BTreeMap<TrackId, u64>,
    /// Tracks the journal knows.
    announced: BTreeSet<TrackId>,
    senders: BTreeMap<ParticipantId, SenderClock>,
    /// When each source of each participant was last recorded, in milliseconds: a new track of the same is a reconnect.
    left: BTreeMap<(ParticipantId, TrackSource), u64>,
    returning: BTreeMap<TrackId, u64>,
    asked: BTreeMap<TrackId, UnixMillis>,
    counted: BTreeMap<TrackId, Dropped>,
    waiting: VecDeque<(u64, Entry)>,
    /// Since when nothing is recorded, in milliseconds.
    failed_from_ms: u64,
    /// How much of the chain was synced then.
    synced_len: u64,
    last_sync: Instant,
    last_retry: Instant,
    out: Vec<Output>,
}

impl Session {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        limits: Limits,
        keyframes: Arc<dyn KeyframePort>,
        writer: Writer,
        status: watch::Sender<Status>,
        resumed_from_ms: Option<u64>,
        ends: BTreeMap<TrackId, u64>,
    ) -> Self {
        let mut this = Self {
            storage,
            limits,
            keyframes,
            status,
            started: writer.meta().started,
            dir: writer.dir().to_owned(),
            writer: Some(writer),
            tracks: BTreeMap::new(),
            live: BTreeMap::new(),
            ends,
            announced: BTreeSet::new(),
            senders: BTreeMap::new(),
            left: BTreeMap::new(),
            returning: BTreeMap::new(),
            asked: BTreeMap::new(),
            counted: BTreeMap::new(),
            waiting: VecDeque::new(),
            failed_from_ms: 0,
            synced_len: 0,
            last_sync: Instant::now(),
            last_retry: Instant::now(),
            out: Vec::new(),
        };
        if let Some(from_ms) = resumed_from_ms {
            let to_ms = this.ms(UnixMillis::now()).max(from_ms + 1);
            this.line(to_ms, Entry::Gap { track: None, from_ms, to_ms, cause: GapCause::Restart, packets: None });
            this.line(to_ms, Entry::Resumed {});
        }
        this
    }

    /// Runs until the recording is finished or its handle is gone.
    pub(crate) fn run(mut self, mut tap: TapReceiver, mut commands: mpsc::Receiver<Command>) {
        let _running = Running::new();
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(e) => {
                tracing::error!(error = %e, "no timer for the recording's thread");
                self.fail(FailReason::Io, &e);
                return;
            }
        };
        let finish = runtime.block_on(async {
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    command = commands.recv() => match command {
                        Some(Command::Event { at, event }) => self.class_event(at, *event),
                        Some(Command::Finish { reply }) => break Some(reply),
                        None => break None,
                    },
                    Some(event) = tap.recv() => {
                        self.tap_event(event);
                        for _ in 0..BATCH {
                            let Ok(event) = tap.try_recv() else { break };
                            self.tap_event(event);
                        }
                    }
                    _ = tick.tick() => {}
                }
                self.pace();
            }
        });
        while let Ok(event) = tap.try_recv() {
            self.tap_event(event);
        }
        self.end(finish);
    }

    fn ms(&self, at: UnixMillis) -> u64 {
        (at.0 - self.started.0).max(0) as u64
    }

    fn class_event(&mut self, at: UnixMillis, event: ClassEvent) {
        self.line(self.ms(at), Entry::Event { event });
    }

    fn tap_event(&mut self, event: TapEvent) {
        let now = UnixMillis::now();
        match event {
            TapEvent::Started(info) => {
                if self.live.len() >= self.limits.tracks_max {
                    metrics::counter!("lectern_recorder_refused_total", "reason" => "too_many_tracks").increment(1);
                    tracing::warn!(track = %info.id, "not recorded: too many tracks");
                    return;
                }
                self.live.insert(info.id, info.clone());
                self.open_track(info);
            }
            TapEvent::Ended(track) => {
                self.live.remove(&track);
                self.close_track(track, now);
            }
            TapEvent::Packet(p) => {
                let id = p.track;
                self.with_track(id, now, |t, sender, out| t.packet(p, sender, out));
            }
            TapEvent::Layer { track, layer } => {
                self.with_track(track, now, Track::layer);
                self.line(self.ms(now), Entry::Layer { track, layer });
            }
            TapEvent::SenderReport { track, ntp, timestamp } => {
                self.with_track(track, now, |t, _, _| t.report(timestamp.0, ntp));
            }
            TapEvent::Muted { track, muted } => self.with_track(track, now, |t, _, _| t.muted(muted)),
            TapEvent::Hole { track, packets, .. } => {
                metrics::counter!("lectern_recorder_packets_dropped_total", "reason" => "recorder_too_slow")
                    .increment(packets);
                self.with_track(track, now, |t, sender, out| t.hole(packets, sender, out));
            }
            // Told of cameras only; a lesson has none.
            TapEvent::Parameters { .. } | TapEvent::Absent { .. } | TapEvent::ClockOffset { .. } => {}
        }
    }

    /// Applies `f` to a track and writes what comes out.
    fn with_track(
        &mut self,
        id: TrackId,
        now: UnixMillis,
        f: impl FnOnce(&mut Track, &mut SenderClock, &mut Vec<Output>),
    ) {
        let Some(track) = self.tracks.get_mut(&id) else {
            if self.writer.is_none() {
                metrics::counter!("lectern_recorder_packets_dropped_total", "reason" => "disk").increment(1);
            }
            return;
        };
        let sender = self.senders.entry(track.info().participant).or_default();
        let mut out = std::mem::take(&mut self.out);
        f(track, sender, &mut out);
        if !out.is_empty() {
            self.write(id, &mut out, now);
        }
        self.out = out;
    }

    fn write(&mut self, id: TrackId, out: &mut Vec<Output>, now: UnixMillis) {
        for output in out.drain(..) {
            let Some(writer) = &mut self.writer else { return };
            let hz = self
                .live
                .get(&id)
                .or_else(|| self.tracks.get(&id).map(Track::info))
                .map_or(90_000, |i| i.codec.clock_rate().hz());
            let written = match output {
                Output::Part(init) => writer.part(id, init, now),
                Output::Fragment(f) => {
                    metrics::counter!("lectern_recorder_fragments_total").increment(1);
                    metrics::counter!("lectern_recorder_samples_total").increment(f.samples.len() as u64);
                    let reconnect = self.returning.remove(&id).filter(|from| f.dts * 1000 / u64::from(hz) > *from);
                    let gap = reconnect.map_or(Ok(()), |from_ms| {
                        let to_ms = f.dts * 1000 / u64::from(hz);
                        let cause = GapCause::Reconnect;
                        writer.line(to_ms, Entry::Gap { track: Some(id), from_ms, to_ms, cause, packets: None })
                    });
                    gap.and_then(|()| writer.fragment(id, &f, 0, hz, now)).map(|bytes| {
                        metrics::counter!("lectern_recorder_written_bytes_total").increment(bytes);
                    })
                }
                Output::Gap { from_ms, to_ms, cause, packets } => {
                    metrics::counter!("lectern_recorder_gaps_total", "cause" => cause_label(cause)).increment(1);
                    writer.line(to_ms, Entry::Gap { track: Some(id), from_ms, to_ms, cause, packets })
                }
                // A lesson's tracks keep only what decodes.
                Output::Raw(_) => Ok(()),
            };
            if let Err(e) = written {
                self.fail(FailReason::of(&e), &e);
                return;
            }
        }
    }

    /// Writes a journal line, or keeps it until the disk takes it.
    fn line(&mut self, at_ms: u64, entry: Entry) {
        let Some(writer) = &mut self.writer else {
            if self.waiting.len() < WAITING_LINES_MAX {
                self.waiting.push_back((at_ms, entry));
            } else {
                metrics::counter!("lectern_recorder_events_dropped_total", "reason" => "disk").increment(1);
            }
            return;
        };
        if let Err(e) = writer.line(at_ms, entry.clone()) {
            self.fail(FailReason::of(&e), &e);
            self.waiting.push_back((at_ms, entry));
        }
    }

    fn open_track(&mut self, info: TrackInfo) {
        if self.writer.is_none() {
            return; // It is opened when the recording goes on.
        }
        let id = info.id;
        let Some(track) = Track::new(info.clone(), self.started, self.ends.get(&id).copied(), &self.limits) else {
            metrics::counter!("lectern_recorder_refused_total", "reason" => "codec").increment(1);
            tracing::warn!(track = %id, codec = ?info.codec, "not recorded: no such codec in the archive");
            return;
        };
        if self.announced.insert(id) {
            if matches!(info.source, TrackSource::Camera | TrackSource::Microphone)
                && let Some(from) = self.left.get(&(info.participant, info.source))
            {
                self.returning.insert(id, *from);
            }
            self.line(self.ms(UnixMillis::now()), Entry::Track { info, clock_hz: None });
        }
        if self.writer.is_some() {
            self.tracks.insert(id, track);
        }
    }

    fn close_track(&mut self, id: TrackId, now: UnixMillis) {
        self.with_track(id, now, Track::finish);
        self.count_drops(id);
        self.asked.remove(&id);
        self.counted.remove(&id);
        self.returning.remove(&id);
        let Some(track) = self.tracks.remove(&id) else { return };
        if let Some(end) = track.end_ms() {
            self.left.insert((track.info().participant, track.info().source), end);
        }
        if let Some(end) = track.end() {
            self.ends.insert(id, end);
        }
        self.line(self.ms(now), Entry::TrackEnd { track: id });
        if let Some(Err(e)) = self.writer.as_mut().map(|w| w.close(id)) {
            self.fail(FailReason::of(&e), &e);
        }
    }

    /// What time asks for: ticks, keyframes, sync rounds, another try.
    fn pace(&mut self) {
        let now = UnixMillis::now();
        if self.writer.is_none() {
            if self.last_retry.elapsed() >= self.limits.retry {
                self.last_retry = Instant::now();
                self.go_on();
            }
            return;
        }
        let ids: Vec<TrackId> = self.tracks.keys().copied().collect();
        for id in ids {
            self.with_track(id, now, |t, sender, out| t.tick(now, sender, out));
            self.ask_for_keyframe(id, now);
        }
        if self.last_sync.elapsed() >= self.limits.sync_every {
            self.tracks.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.count_drops(id));
            self.sync_round(now);
        }
    }

    fn ask_for_keyframe(&mut self, id: TrackId, now: UnixMillis) {
        let Some(track) = self.tracks.get(&id) else { return };
        if track.info().codec.kind() == TrackKind::Audio || track.is_muted() {
            return;
        }
        let every = self.limits.keyframe_every.as_millis() as i64;
        let since = |t: Option<UnixMillis>| t.map_or(i64::MAX, |t| now.0.saturating_sub(t.0));
        let asked = since(self.asked.get(&id).copied());
        let wanted = match track.waits_for_keyframe() {
            true => asked >= ASK_AGAIN_MS,
            false => asked >= every && since(track.last_keyframe()) >= every,
        };
        if wanted {
            self.asked.insert(id, now);
            metrics::counter!("lectern_recorder_keyframe_requests_total").increment(1);
            self.keyframes.request_keyframe(id);
        }
    }

    fn sync_round(&mut self, now: UnixMillis) {
        self.last_sync = Instant::now();
        let Some(writer) = &mut self.writer else { return };
        match writer.has_room() {
            Ok(true) => {}
            Ok(false) => {
                let e = io::Error::other("less space is left than the reserve");
                return self.fail(FailReason::LowSpace, &e);
            }
            Err(e) => return self.fail(FailReason::of(&e), &e),
        }
        let unwritten = self.tracks.values().filter_map(Track::unwritten_from_ms).min();
        let durable_ms = self.ms(now).min(unwritten.unwrap_or(u64::MAX));
        let Some(writer) = &mut self.writer else { return };
        if writer.dirty() {
            let began = Instant::now();
            if let Err(e) = writer.sync() {
                return self.fail(FailReason::of(&e), &e);
            }
            metrics::histogram!("lectern_recorder_sync_seconds").record(began.elapsed().as_secs_f64());
        }
        let status = Status { state: State::On, durable_ms, bytes: writer.bytes() };
        self.status.send_replace(status);
    }

    /// *Fail*: nothing is written to the open files again.
    fn fail(&mut self, reason: FailReason, error: &io::Error) {
        let Some(writer) = self.writer.take() else { return };
        self.synced_len = writer.synced_len();
        tracing::error!(dir = %self.dir.display(), reason = reason.as_str(), %error, "recording stopped, the class goes on");
        metrics::counter!("lectern_recorder_failures_total", "reason" => reason.as_str()).increment(1);
        metrics::gauge!("lectern_recorder_failed").increment(1);
        let now_ms = self.ms(UnixMillis::now());
        // What is in memory only is lost with the writer; recovery tells exactly where the files end.
        self.failed_from_ms = self.tracks.values().filter_map(Track::unwritten_from_ms).min().unwrap_or(now_ms);
        self.tracks.clear();
        self.last_retry = Instant::now();
        self.status.send_modify(|s| s.state = State::Failed { reason });
    }

    /// *Recover* and *resume* after a failure.
    fn go_on(&mut self) {
        match self.storage.free_bytes(&self.dir) {
            Ok(free) if free > self.limits.reserve_bytes => {}
            Ok(_) | Err(_) => return,
        }
        let resumed = recover::recover_after(&*self.storage, &self.dir, Some(self.synced_len))
            .map_err(|e| io::Error::other(e.to_string()))
            .and_then(|(standing, _)| {
                let ends = standing.track_ends.clone();
                Ok((Writer::resume(self.storage.clone(), standing, &self.limits)?, ends))
            });
        let (writer, ends) = match resumed {
            Ok(resumed) => resumed,
            Err(e) => {
                tracing::warn!(dir = %self.dir.display(), error = %e, "the recording can't go on yet");
                return;
            }
        };
        self.writer = Some(writer);
        self.ends.extend(ends);
        metrics::gauge!("lectern_recorder_failed").decrement(1);
        let now_ms = self.ms(UnixMillis::now());
        let (from_ms, to_ms) = (self.failed_from_ms, now_ms.max(self.failed_from_ms + 1));
        self.line(to_ms, Entry::Gap { track: None, from_ms, to_ms, cause: GapCause::Disk, packets: None });
        self.line(to_ms, Entry::Resumed {});
        for (at_ms, entry) in std::mem::take(&mut self.waiting) {
            self.line(at_ms, entry);
        }
        let live: Vec<TrackInfo> = self.live.values().cloned().collect();
        live.into_iter().for_each(|info| self.open_track(info));
        if self.writer.is_some() {
            tracing::info!(dir = %self.dir.display(), "the recording goes on");
            self.status.send_modify(|s| s.state = State::On);
        }
    }

    /// Everything is over: hands over what tracks hold, syncs, and seals if asked to.
    fn end(mut self, finish: Option<oneshot::Sender<Result<Sealed, FinishError>>>) {
        if self.writer.is_none() {
            self.go_on();
        }
        let now = UnixMillis::now();
        for id in self.tracks.keys().copied().collect::<Vec<_>>() {
            self.close_track(id, now);
        }
        let result = match (self.writer.take(), &finish) {
            (Some(writer), Some(_)) => {
                let (meta, dir) = (writer.meta().clone(), writer.dir().to_owned());
                writer.seal(true, now).map(|seal| Some(Sealed::new(meta, dir, seal)))
            }
            (Some(mut writer), None) => writer.sync().map(|()| None),
            (None, _) => {
                metrics::gauge!("lectern_recorder_failed").decrement(1);
                Err(io::Error::other("the recording had stopped and could not go on"))
            }
        };
        if let Err(e) = &result {
            tracing::error!(dir = %self.dir.display(), error = %e, "the recording's end could not be written");
        }
        let durable_ms = self.ms(now);
        self.status.send_modify(|s| {
            s.state = State::Ended;
            if result.is_ok() {
                s.durable_ms = durable_ms;
            }
        });
        if let Some(reply) = finish {
            let answer = result.map_err(FinishError::Disk).and_then(|s| s.ok_or(FinishError::Ended));
            // Whoever asked may be gone; the seal is on disk all the same.
            let _ = reply.send(answer);
        }
    }

    fn count_drops(&mut self, id: TrackId) {
        let Some(now) = self.tracks.get(&id).map(Track::dropped) else { return };
        let before = self.counted.insert(id, now).unwrap_or_default();
        for (reason, n) in [
            ("lost", now.lost - before.lost),
            ("late_or_duplicate", now.late_or_duplicate - before.late_or_duplicate),
            ("malformed", now.malformed - before.malformed),
            ("awaiting_keyframe", now.awaiting_keyframe - before.awaiting_keyframe),
        ] {
            if n > 0 {
                metrics::counter!("lectern_recorder_packets_dropped_total", "reason" => reason).increment(n);
            }
        }
    }
}

/// Counts a recording as running until its thread ends, whatever ends it.
struct Running;

impl Running {
    fn new() -> Self {
        metrics::gauge!("lectern_recorder_recordings").increment(1);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics::gauge!("lectern_recorder_recordings").decrement(1);
        if std::thread::panicking() {
            metrics::counter!("lectern_recorder_failures_total", "reason" => "thread_died").increment(1);
        }
    }
}

pub(crate) fn cause_label(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Restart => "restart",
        GapCause::Loss => "loss",
        GapCause::Disk => "disk",
        GapCause::Overload => "overload",
        GapCause::Reconnect => "reconnect",
        GapCause::Muted => "muted",
        GapCause::CameraSilent => "camera_silent",
        GapCause::Network => "network",
        GapCause::Operator => "operator",
        GapCause::RateExceeded => "rate_exceeded",
    }
}
