//! One camera while it is recorded: the events of its tap become fragments, entries and raw blocks of the recording of this hour,
//! or of two where one rolls into the next.
//!
//! Time is given, nothing here waits; disk errors end in [`Session::fail`], and [`Session::tick`] goes on when the disk does. Does not
//! belong here: whose turn it is and when to sync (`engine`), how a recording is opened and closed (`open`).

use super::{
    CameraLimits, CameraMeta,
    coverage::{Coverage, Missing},
    hour::{Hour, hour_dir},
    lane::{CameraRecordingState, CameraRecordingStatus, Lane},
};
use crate::{
    Entry, FailReason,
    clock::SenderClock,
    signer::Signer,
    storage::Storage,
    track::{Output, Track},
};
use bytes::Bytes;
use lectern_media::{
    ClockRate, TrackId, TrackInfo, UnixMillis,
    tap::{AbsenceCause, TapEvent},
};
use lectern_protocol::api::GapCause;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::PathBuf,
    sync::Arc,
};

/// A stream that appears this long after the camera's start was not missing before.
const EARLY_MS: i64 = 60_000;
/// A stream that ended and did not come back for so long, while another one did, is no stream of the camera any more.
const GONE_MS: i64 = 60_000;
/// A recording of which the camera's place, name or group is not true any more gives way after so long at the earliest, if it did not begin
/// at the hour: what it has of the new place is of no use to those there, so a move just behind the hour must not wait.
const APART_MS: i64 = 5_000;
/// The offset of a camera's clock is entered when it moved by so much,
const OFFSET_STEP_MS: i64 = 20;
/// … or after this time.
const OFFSET_EVERY_MS: i64 = 60_000;

pub(crate) struct Session {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) root: PathBuf,
    pub(super) limits: CameraLimits,
    pub(super) signer: Arc<Signer>,
    pub(super) meta: CameraMeta,
    /// Zero of the camera's line of time.
    pub(super) epoch: UnixMillis,
    /// When this session began.
    pub(super) began: UnixMillis,
    /// The recording, or the one that ends and the one that follows; empty while failed.
    pub(super) hours: VecDeque<Hour>,
    pub(super) lanes: BTreeMap<TrackId, Lane>,
    pub(super) status: CameraRecordingStatus,
    pub(super) last_try: UnixMillis,
    /// Directories of recordings that are not sealed.
    pub(super) dirs: Vec<PathBuf>,
    /// How much of their chains was synced when the recording failed.
    pub(super) synced: BTreeMap<PathBuf, u64>,
    sender: SenderClock,
    out: Vec<Output>,
}

impl Session {
    /// A camera that is recorded from `now` on, once it [came up](Self::come_up).
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        root: PathBuf,
        limits: CameraLimits,
        signer: Arc<Signer>,
        meta: CameraMeta,
        dirs: Vec<PathBuf>,
        now: UnixMillis,
    ) -> Self {
        let status = CameraRecordingStatus { state: CameraRecordingState::On, since: now, durable: now, bytes: 0 };
        Self {
            storage,
            root,
            limits,
            signer,
            meta,
            epoch: now,
            began: now,
            hours: VecDeque::new(),
            lanes: BTreeMap::new(),
            status,
            last_try: now,
            dirs,
            synced: BTreeMap::new(),
            sender: SenderClock::default(),
            out: Vec::new(),
        }
    }

    /// Goes on with what the camera had before, or begins. If the disk does not take it now, it is failed and tries again.
    pub(crate) fn come_up(&mut self, now: UnixMillis) {
        if let Err(e) = self.open(now, GapCause::Restart) {
            self.fail(FailReason::of(&e), &e, now);
        }
    }

    pub(crate) fn status(&self) -> CameraRecordingStatus {
        self.status
    }

    /// What the camera is called and where it is from now on: a recording that tells of something else gives way at once.
    pub(crate) fn set_meta(&mut self, meta: CameraMeta, now: UnixMillis) {
        self.meta = meta;
        self.give_way(now);
    }

    /// Lets the recording give way to one whose header is right, if its own is not. While one rolls into another nothing gives way, and none
    /// that has just begun, unless that was at the hour: asked again at each tick, so that the last of several changes counts.
    fn give_way(&mut self, now: UnixMillis) {
        let [hour] = self.hours.make_contiguous() else { return };
        let young = now.0 - hour.started().0 < APART_MS && !hour.began_in_turn(self.limits.roll_every);
        if young || hour.tells_of(&self.meta) {
            return;
        }
        self.disk(now, |hours| hours.front_mut().map_or(Ok(()), |hour| hour.give_way(now)));
    }

    pub(super) fn ms(&self, at: UnixMillis) -> u64 {
        (at.0 - self.epoch.0).max(0) as u64
    }

    /// Takes one event of the tap.
    pub(crate) fn event(&mut self, event: TapEvent, now: UnixMillis) {
        match event {
            TapEvent::Started(info) => self.start(info, now),
            TapEvent::Ended(id) => self.end_track(id, now),
            TapEvent::Packet(p) => {
                let id = p.track;
                self.with_track(id, now, |t, sender, out| t.packet(p, sender, out));
            }
            TapEvent::Layer { track, .. } => self.with_track(track, now, Track::layer),
            TapEvent::Hole { track, packets, .. } => {
                metrics::counter!("lectern_recorder_packets_dropped_total", "reason" => "recorder_too_slow")
                    .increment(packets);
                self.with_track(track, now, |t, sender, out| t.hole(packets, sender, out));
            }
            TapEvent::Parameters { track, clock, config } => self.parameters(track, clock, config, now),
            TapEvent::Absent { track, since, until, cause, packets } => {
                self.absent(track, since, until, cause, packets, now);
            }
            TapEvent::ClockOffset { track, at, offset_ms } => self.clock_offset(track, at, offset_ms, now),
            // A camera's wall clock is only measured.
            TapEvent::SenderReport { .. } | TapEvent::Muted { .. } => {}
        }
    }

    fn lane(&mut self, id: TrackId, now: UnixMillis) -> Option<&mut Lane> {
        if self.meta.camera.stream(id).is_none() {
            metrics::counter!("lectern_recorder_refused_total", "reason" => "not_this_camera").increment(1);
            return None;
        }
        let from = if now.0 - self.began.0 < EARLY_MS { self.ms(self.began) } else { self.ms(now) };
        let moved = self.hours.len() > 1;
        let lane = || Lane { moved, ..Lane::new(None, Coverage::new(from, GapCause::CameraSilent)) };
        Some(self.lanes.entry(id).or_insert_with(lane))
    }

    fn start(&mut self, info: TrackInfo, now: UnixMillis) {
        self.end_track(info.id, now);
        let Some(lane) = self.lane(info.id, now) else { return };
        lane.info = Some(info.clone());
        lane.rate = None;
        lane.parameters = Bytes::new();
        lane.ended = None;
        self.open_track(info.id);
    }

    /// Begins to take packets of a stream that was started.
    pub(super) fn open_track(&mut self, id: TrackId) {
        let (epoch, failed) = (self.epoch, self.hours.is_empty());
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(info) = lane.info.clone().filter(|_| !failed && lane.ended.is_none()) else { return };
        let rate = lane.rate.unwrap_or(info.codec.clock_rate());
        // What another clock counted is told in this one's ticks, rounded up.
        let end = lane.end.map_or(0, |(ticks, hz)| {
            let (ticks, hz, to) = (u128::from(ticks), u128::from(hz.max(1)), u128::from(rate.hz()));
            (ticks * to).div_ceil(hz) as u64
        });
        lane.track = Track::camera(info.clone(), rate, epoch, Some(end), &self.limits.recording);
        lane.new_part |= lane.init.is_empty();
        match &mut lane.track {
            Some(track) => {
                track.parameters(&lane.parameters);
                if let Some(standing) = lane.standing.take() {
                    track.stand_on(standing);
                }
            }
            None => {
                metrics::counter!("lectern_recorder_refused_total", "reason" => "codec").increment(1);
                tracing::warn!(camera = %self.meta.camera, codec = ?info.codec, "not recorded: no such codec in the archive");
            }
        }
    }

    fn end_track(&mut self, id: TrackId, now: UnixMillis) {
        self.with_track(id, now, Track::finish);
        if let Some(lane) = self.lanes.get_mut(&id) {
            if let Some(track) = lane.track.take() {
                lane.end = track.end().map(|t| (t, track.hz())).or(lane.end);
                lane.standing = track.standing();
                lane.coverage.suspect(GapCause::Reconnect);
            }
            lane.ended.get_or_insert(now);
        }
    }

    fn parameters(&mut self, id: TrackId, clock: ClockRate, config: Bytes, now: UnixMillis) {
        let Some(lane) = self.lane(id, now) else { return };
        lane.parameters = config.clone();
        if lane.rate.replace(clock) != Some(clock) && lane.track.as_ref().is_some_and(|t| t.hz() != clock.hz()) {
            self.end_track(id, now);
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.ended = None;
            }
            self.open_track(id);
        }
        if let Some(track) = self.lanes.get_mut(&id).and_then(|l| l.track.as_mut()) {
            track.parameters(&config);
        }
    }

    fn absent(
        &mut self,
        id: TrackId,
        since: UnixMillis,
        until: UnixMillis,
        cause: AbsenceCause,
        packets: u64,
        now: UnixMillis,
    ) {
        let cause = match cause {
            AbsenceCause::CameraSilent => GapCause::CameraSilent,
            AbsenceCause::Network => GapCause::Network,
            AbsenceCause::Loss => GapCause::Loss,
            AbsenceCause::Operator => GapCause::Operator,
            AbsenceCause::RateExceeded => GapCause::RateExceeded,
        };
        let (from_ms, to_ms) = (self.ms(since), self.ms(until.min(now)));
        let Some(lane) = self.lane(id, now) else { return };
        lane.coverage.tell(Missing { from_ms, to_ms, cause, packets });
    }

    fn clock_offset(&mut self, id: TrackId, at: UnixMillis, offset_ms: i64, now: UnixMillis) {
        let at_ms = self.ms(at);
        let Some(lane) = self.lane(id, now) else { return };
        let known = |(then, was): (UnixMillis, i64)| {
            offset_ms.abs_diff(was) < OFFSET_STEP_MS as u64 && at.0 - then.0 < OFFSET_EVERY_MS
        };
        if lane.offset.is_some_and(known) {
            return;
        }
        lane.offset = Some((at, offset_ms));
        let moved = lane.moved;
        self.disk(now, |hours| hour(hours, moved)?.line(at_ms, Entry::ClockOffset { track: id, offset_ms }));
    }

    /// Does something to the open recordings; any error fails the camera's recording.
    fn disk(&mut self, now: UnixMillis, f: impl FnOnce(&mut VecDeque<Hour>) -> io::Result<()>) -> bool {
        if self.hours.is_empty() {
            return false;
        }
        match f(&mut self.hours) {
            Ok(()) => true,
            Err(e) => {
                self.fail(FailReason::of(&e), &e, now);
                false
            }
        }
    }

    /// Applies `f` to a track and writes what comes out.
    fn with_track(
        &mut self,
        id: TrackId,
        now: UnixMillis,
        f: impl FnOnce(&mut Track, &mut SenderClock, &mut Vec<Output>),
    ) {
        let Some(track) = self.lanes.get_mut(&id).and_then(|l| l.track.as_mut()) else {
            if self.hours.is_empty() {
                metrics::counter!("lectern_recorder_packets_dropped_total", "reason" => "disk").increment(1);
            }
            return;
        };
        let mut out = std::mem::take(&mut self.out);
        f(track, &mut self.sender, &mut out);
        for output in out.drain(..) {
            if let Err(e) = self.write(id, output, now) {
                self.fail(FailReason::of(&e), &e, now);
                break;
            }
        }
        out.clear();
        self.out = out;
    }

    fn write(&mut self, id: TrackId, output: Output, now: UnixMillis) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Ok(()) };
        match output {
            Output::Part(init) => {
                lane.init = init;
                lane.new_part = true;
                Ok(())
            }
            Output::Gap { cause: GapCause::CameraSilent, .. } => Ok(()),
            Output::Gap { from_ms, to_ms, cause, packets } => {
                lane.coverage.tell(Missing { from_ms, to_ms, cause, packets: packets.unwrap_or(0) });
                Ok(())
            }
            Output::Raw(units) => {
                let moved = lane.moved;
                hour(&mut self.hours, moved)?.raw(id, &units)
            }
            Output::Fragment(f) => {
                let (Some(info), Some(track)) = (lane.info.clone(), &lane.track) else { return Ok(()) };
                let hz = track.hz();
                let ms = |ticks: u64| (u128::from(ticks) * 1000 / u128::from(hz)) as u64;
                let (from_ms, to_ms) = (ms(f.dts), ms(f.dts + f.duration));
                let mut missing = Vec::new();
                lane.coverage.recorded(from_ms, to_ms, &mut missing);
                let border = self.border_ms();
                if f.keyframe && border.is_some_and(|b| from_ms >= b) {
                    self.roll_lane(id, &mut missing)?;
                }
                self.enter(id, &missing)?;
                let Some(lane) = self.lanes.get_mut(&id) else { return Ok(()) };
                let new_part = std::mem::take(&mut lane.new_part);
                hour(&mut self.hours, lane.moved)?.fragment(&info, &f, hz, &lane.init, new_part, now)
            }
        }
    }

    /// Where the oldest open recording gives way to the next, on the camera's line of time.
    fn border_ms(&self) -> Option<u64> {
        self.hours.front().map(Hour::until_ms)
    }

    /// Enters what is missing of a stream in the recording that it is in.
    fn enter(&mut self, id: TrackId, missing: &[Missing]) -> io::Result<()> {
        let moved = self.lanes.get(&id).is_some_and(|l| l.moved);
        missing.iter().try_for_each(|m| hour(&mut self.hours, moved)?.gap(id, m))
    }

    /// *Roll to the next hour*: the stream goes on in the next recording. Of `missing`, what lies before the border is entered here.
    fn roll_lane(&mut self, id: TrackId, missing: &mut Vec<Missing>) -> io::Result<()> {
        let Some(border) = self.border_ms() else { return Ok(()) };
        if self.hours.len() == 1 {
            self.open_next()?;
        } else if self.lanes.get(&id).is_some_and(|l| l.moved) {
            return Ok(());
        }
        let before: Vec<Missing> = missing
            .iter()
            .filter(|m| m.from_ms < border)
            .map(|m| Missing { to_ms: m.to_ms.min(border), ..*m })
            .collect();
        self.enter(id, &before)?;
        missing.retain_mut(|m| {
            // Packets are counted once.
            if m.from_ms < border {
                (m.from_ms, m.packets) = (border, 0);
            }
            m.from_ms < m.to_ms
        });
        let Some(lane) = self.lanes.get_mut(&id) else { return Ok(()) };
        lane.moved = true;
        // It is known here even if nothing of it comes.
        let Some(info) = &lane.info else { return Ok(()) };
        let hz = lane.track.as_ref().map_or(lane.rate.unwrap_or(info.codec.clock_rate()).hz(), Track::hz);
        hour(&mut self.hours, true)?.announce(info, hz, border)
    }

    /// Creates the recording that follows; every stream is still in the one before.
    fn open_next(&mut self) -> io::Result<()> {
        let Some(old) = self.hours.front() else { return Ok(()) };
        let (started, previous) = (old.until(), Some(old.previous()));
        let next = self.create(started, previous)?;
        self.hours.push_back(next);
        self.lanes.values_mut().for_each(|l| l.moved = false);
        Ok(())
    }

    /// Streams that wait for too long are moved without a keyframe; when all have moved, the old recording is sealed.
    fn roll(&mut self, now: UnixMillis) {
        let Some(until) = self.hours.front().map(Hour::until) else { return };
        let Some(border) = self.border_ms() else { return };
        let wait = self.limits.roll_wait.min(self.limits.roll_every / 2);
        if now.0 - until.0 >= wait.as_millis() as i64 {
            if self.hours.len() == 1
                && let Err(e) = self.open_next()
            {
                return self.fail(FailReason::of(&e), &e, now);
            }
            for id in self.lanes.iter().filter(|(_, l)| !l.moved).map(|(id, _)| *id).collect::<Vec<_>>() {
                // The keyframe may be there already, in a fragment that is not complete.
                self.with_track(id, now, Track::hand_over);
                if self.lanes.get(&id).is_none_or(|l| l.moved) {
                    continue;
                }
                self.with_track(id, now, Track::restart);
                let Some(lane) = self.lanes.get_mut(&id).filter(|l| !l.moved) else { continue };
                let mut missing = Vec::new();
                if lane.coverage.covered_ms() < border {
                    lane.coverage.enter(border, &mut missing);
                }
                let done = self.enter(id, &missing).and_then(|()| self.roll_lane(id, &mut Vec::new()));
                if let Err(e) = done {
                    return self.fail(FailReason::of(&e), &e, now);
                }
            }
        }
        if self.hours.len() > 1 && self.lanes.values().all(|l| l.moved) {
            let at_ms = self.ms(now);
            let signer = self.signer.clone();
            let mut dirs = std::mem::take(&mut self.dirs);
            self.disk(now, |hours| {
                let Some(old) = hours.pop_front() else { return Ok(()) };
                let (_, previous) = old.seal(true, now, &signer)?;
                dirs.retain(|d| Some(d) == hours.front().map(hour_dir).as_ref());
                metrics::counter!("lectern_recorder_rolled_total").increment(1);
                hours.front_mut().map_or(Ok(()), |next| next.line(at_ms, previous))
            });
            self.dirs = dirs;
        }
    }

    /// What time asks for, but for sync rounds.
    pub(crate) fn tick(&mut self, now: UnixMillis) {
        if self.hours.is_empty() {
            if now.since(self.last_try) >= self.limits.recording.retry {
                self.last_try = now;
                match self.open(now, GapCause::Disk) {
                    Ok(()) => {
                        tracing::info!(camera = %self.meta.camera, "the camera's recording goes on");
                        metrics::gauge!("lectern_recorder_failed").decrement(1);
                        (self.status.state, self.status.since) = (CameraRecordingState::On, now);
                    }
                    Err(e) => {
                        tracing::warn!(camera = %self.meta.camera, error = %e, "the camera's recording can't go on yet");
                        self.close_all();
                    }
                }
            }
            return;
        }
        let now_ms = self.ms(now);
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            let (border, two) = (self.border_ms(), self.hours.len() > 1);
            self.with_track(id, now, |t, sender, out| t.tick(now, sender, out));
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let mut missing = Vec::new();
            let unwritten = lane.track.as_ref().and_then(Track::unwritten_from_ms);
            if unwritten.is_none() && !self.hours.is_empty() {
                // What is missing across the border is entered in both, when the stream moves.
                let stays = border.filter(|_| !(two && lane.moved));
                lane.coverage.still_missing(now_ms, stays, &mut missing);
                if let Err(e) = self.enter(id, &missing) {
                    return self.fail(FailReason::of(&e), &e, now);
                }
            }
        }
        self.forget_lanes(now);
        self.give_way(now);
        self.roll(now);
    }

    /// If a whole recording's time went by unseen, the clock was set, or the machine slept. Then the recording ends as after a restart
    /// and a new one begins now; rolling through each hour between would make thousands that hold nothing. Call before events of
    /// `now` are taken.
    pub(crate) fn mind_clock(&mut self, now: UnixMillis) {
        if self.hours.back().is_none_or(|h| now.since(h.until()) < self.limits.roll_every) {
            return;
        }
        metrics::counter!("lectern_recorder_clock_leaps_total").increment(1);
        tracing::warn!(camera = %self.meta.camera, "the clock was set forward, or the machine slept");
        let then = self.hours.back().map_or(now, Hour::until);
        self.finish_tracks(then);
        self.sync_media(now);
        self.append_chain(now);
        self.announce(self.status.durable, now);
        self.close_all();
        if let Err(e) = self.open(now, GapCause::Restart) {
            self.fail(FailReason::of(&e), &e, now);
        }
    }

    /// A stream that ended while another goes on, and does not come back, is none of the camera's any more.
    fn forget_lanes(&mut self, now: UnixMillis) {
        let gone = |l: &Lane| l.ended.is_some_and(|t| now.0 - t.0 >= GONE_MS);
        if self.lanes.values().any(gone) && self.lanes.values().any(|l| l.track.is_some() && l.ended.is_none()) {
            let ids: Vec<TrackId> = self.lanes.iter().filter(|(_, l)| gone(l)).map(|(id, _)| *id).collect();
            for id in ids {
                let Some(lane) = self.lanes.remove(&id) else { continue };
                let at_ms = lane.coverage.covered_ms();
                self.disk(now, |hours| hour(hours, lane.moved)?.line(at_ms, Entry::TrackEnd { track: id }));
            }
        }
    }

    /// The tap that fed this camera is gone, another may follow.
    pub(crate) fn tap_gone(&mut self, now: UnixMillis) {
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.end_track(id, now);
        }
    }

    /// Whether a sync round has something to do.
    pub(crate) fn dirty(&self) -> bool {
        self.hours.iter().any(Hour::dirty)
    }

    /// Tells the system that a sync round follows.
    pub(crate) fn begin_sync(&mut self, now: UnixMillis) {
        self.disk(now, |hours| hours.iter_mut().filter(|h| h.dirty()).try_for_each(|h| h.writer().begin_sync()));
    }

    /// … and the end of one.
    pub(crate) fn begin_sync_chain(&mut self, now: UnixMillis) {
        self.disk(now, |hours| hours.iter_mut().try_for_each(|h| h.writer().begin_sync_chain()));
    }

    /// Steps 1 and 2 of a sync round.
    pub(crate) fn sync_media(&mut self, now: UnixMillis) {
        self.disk(now, |hours| hours.iter_mut().filter(|h| h.dirty()).try_for_each(|h| h.writer().sync_media()));
    }

    /// Step 3: nothing may be written between step 2 and this.
    pub(crate) fn append_chain(&mut self, now: UnixMillis) {
        let signer = self.signer.clone();
        self.disk(now, |hours| {
            hours.iter_mut().filter(|h| h.dirty()).try_for_each(|h| h.writer().append_chain(Some((&signer, now))))
        });
    }

    /// Steps 4 and 5. `at` is the moment of step 2.
    pub(crate) fn announce(&mut self, at: UnixMillis, now: UnixMillis) {
        if !self.disk(now, |hours| hours.iter_mut().try_for_each(|h| h.writer().sync_chain())) {
            return;
        }
        let unwritten = self.lanes.values().filter_map(|l| l.track.as_ref()?.unwritten_from_ms()).min();
        let durable = unwritten.map_or(at.0, |ms| (self.epoch.0 + ms as i64).min(at.0));
        self.status.durable = UnixMillis(durable.max(self.status.durable.0));
        self.status.bytes = self.hours.back().map_or(0, Hour::bytes);
    }

    /// *Fail*: nothing is written to the open files again.
    pub(crate) fn fail(&mut self, reason: FailReason, error: &io::Error, now: UnixMillis) {
        let was_on = self.status.state == CameraRecordingState::On;
        self.close_all();
        self.last_try = now;
        if was_on {
            tracing::error!(camera = %self.meta.camera, reason = reason.as_str(), %error, "the camera's recording stopped");
            metrics::counter!("lectern_recorder_failures_total", "reason" => reason.as_str()).increment(1);
            metrics::gauge!("lectern_recorder_failed").increment(1);
            (self.status.state, self.status.since) = (CameraRecordingState::Failed { reason }, now);
        }
    }

    fn close_all(&mut self) {
        for mut hour in std::mem::take(&mut self.hours) {
            self.synced.insert(hour_dir(&hour), hour.writer().synced_len());
        }
        for lane in self.lanes.values_mut() {
            (lane.track, lane.standing, lane.new_part) = (None, None, true);
        }
    }

    /// Hands over what tracks hold.
    pub(super) fn finish_tracks(&mut self, now: UnixMillis) {
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.with_track(id, now, Track::finish);
        }
    }

    /// … and enters what is missing up to now.
    pub(super) fn flush(&mut self, now: UnixMillis) {
        let now_ms = self.ms(now);
        self.finish_tracks(now);
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let mut missing = Vec::new();
            if now_ms > lane.coverage.covered_ms() + 500 {
                lane.coverage.enter(now_ms, &mut missing);
            }
            if let Err(e) = self.enter(id, &missing) {
                return self.fail(FailReason::of(&e), &e, now);
            }
        }
    }

    /// Where a stream goes on after a recording was opened.
    pub(super) fn stand(
        &mut self,
        id: TrackId,
        info: TrackInfo,
        end: Option<(u64, u32)>,
        covered_ms: u64,
        cause: GapCause,
    ) {
        let began = self.began;
        let lane = self.lanes.entry(id).or_insert_with(|| {
            // It is known from before; its packets follow when it is started.
            Lane { ended: Some(began), ..Lane::new(Some(info), Coverage::new(covered_ms, cause)) }
        });
        lane.coverage = Coverage::new(covered_ms, cause);
        lane.set_end(end);
    }
}

/// The recording that a stream is in.
pub(super) fn hour(hours: &mut VecDeque<Hour>, moved: bool) -> io::Result<&mut Hour> {
    let hour = if moved { hours.back_mut() } else { hours.front_mut() };
    hour.ok_or_else(|| io::Error::other("no recording is open"))
}
