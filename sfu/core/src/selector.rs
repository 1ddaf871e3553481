//! Which packets of a source one line forwards: the layer it carries, the one it is meant to carry, and when it changes
//! over. Up only at a keyframe of the better layer; down at the first keyframe of a lower one, and not a moment longer than
//! its grace on the old. A line may carry the keyframes of a layer alone: one picture per group, each whole in itself. Not here: which layer it should be ([`crate::allocate`]).

use crate::{drop::DropReason, packet::PacketMeta};
use lectern_media::{ExtTimestamp, Layer};
use std::time::{Duration, Instant};

/// How long a line keeps the higher layer while it waits for a keyframe of the lower: about two round trips and an
/// encoder's turn. Longer would fill the subscriber's queue, shorter would freeze the picture at every step.
pub const DOWN_GRACE: Duration = Duration::from_millis(600);
/// The first pause after a forced step down before the next step up.
const RISE_PAUSE_MIN: Duration = Duration::from_secs(3);
/// The longest such pause.
const RISE_PAUSE_MAX: Duration = Duration::from_secs(24);
/// How long a line refuses keyframes that show an earlier moment than it has shown. One comes late now and then; a sender
/// whose layers are never in step is taken as it is.
const BEHIND_MAX: Duration = Duration::from_secs(2);
/// A step down within this time of a step up doubles the pause: the line did not carry it.
const RISE_FAILED: Duration = Duration::from_secs(10);

/// What a line is meant to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing: the viewer does not look.
    Hidden,
    /// Nothing: the subscriber's line is too thin.
    Paused,
    /// The keyframes of this layer and nothing else: a picture now and then, for overviews and thin lines.
    Keyframes(Layer),
    /// This layer.
    Layer(Layer),
}

impl Target {
    /// The layer, if there is one.
    #[must_use]
    pub const fn layer(self) -> Option<Layer> {
        match self {
            Self::Layer(l) | Self::Keyframes(l) => Some(l),
            Self::Hidden | Self::Paused => None,
        }
    }

    /// Whether it is keyframes alone.
    #[must_use]
    pub const fn is_keyframes(self) -> bool {
        matches!(self, Self::Keyframes(_))
    }

    /// Its place among what a line can carry, the least first; `None` for nothing.
    #[must_use]
    pub fn rank(self) -> Option<(Layer, bool)> {
        self.layer().map(|l| (l, !self.is_keyframes()))
    }
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Forward it; it continues the layer carried so far.
    Forward,
    /// Forward it; another layer (or the first) begins here.
    Switch,
    /// Leave it out and close over its number.
    Skip(DropReason),
    /// It is of no concern to this line.
    Ignore(DropReason),
}

/// The selector of one line.
#[derive(Debug)]
pub struct Selector {
    target: Target,
    current: Option<Layer>,
    /// Only keyframes of the current layer have gone out since the last, so that no other picture of it can be decoded.
    thinned: bool,
    /// The timestamp of the picture that went out last (or is going out).
    picture: Option<ExtTimestamp>,
    /// How long the line keeps a layer higher than the viewer wishes.
    grace: Duration,
    /// When the line leaves a layer that is too high, keyframe or not.
    leave_at: Option<Instant>,
    rise_pause: Duration,
    rise_after: Option<Instant>,
    rose_at: Option<Instant>,
    waiting_since: Option<Instant>,
    /// Since when keyframes were refused because they would step back.
    behind_since: Option<Instant>,
}

impl Default for Selector {
    fn default() -> Self {
        Self {
            target: Target::Hidden,
            current: None,
            thinned: false,
            picture: None,
            grace: DOWN_GRACE,
            leave_at: None,
            rise_pause: RISE_PAUSE_MIN,
            rise_after: None,
            rose_at: None,
            waiting_since: None,
            behind_since: None,
        }
    }
}

impl Selector {
    /// Sets what the line is meant to carry. `forced` tells a step down that the subscriber's line made necessary from one
    /// that the viewer wished for.
    pub fn set_target(&mut self, now: Instant, target: Target, forced: bool) {
        if target == self.target {
            return;
        }
        let (old, new) = (self.target.rank(), target.rank());
        if new > old && old.is_some() {
            self.rose_at = Some(now);
        } else if forced && new < old {
            let failed = self.rose_at.is_some_and(|at| now.saturating_duration_since(at) < RISE_FAILED);
            self.rise_pause = if failed { (self.rise_pause * 2).min(RISE_PAUSE_MAX) } else { RISE_PAUSE_MIN };
            self.rise_after = Some(now + self.rise_pause);
        }
        self.target = target;
        (self.leave_at, self.behind_since) = (None, None);
        match target.layer() {
            None => (self.current, self.waiting_since) = (None, None),
            Some(_) if old.is_none() => self.waiting_since = Some(now),
            Some(layer) if self.current > Some(layer) => {
                self.leave_at = Some(now + if forced { DOWN_GRACE } else { self.grace });
            }
            Some(_) => {}
        }
    }

    /// How long the line keeps a layer that is higher than the viewer wishes, while it waits for a keyframe of the lower.
    /// [`DOWN_GRACE`] unless told otherwise: sources that can't be asked for a keyframe need longer.
    pub fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Another source, or a decoder that lost its way: wait for a keyframe.
    pub fn restart(&mut self, now: Instant) {
        self.current = None;
        (self.leave_at, self.behind_since) = (None, None);
        self.waiting_since = self.target.layer().map(|_| now);
    }

    /// Decides about one packet of the line's source. `behind`: it shows an earlier moment than the line has shown.
    pub fn select(&mut self, now: Instant, meta: &PacketMeta, behind: bool) -> Selection {
        let target = match self.target {
            Target::Hidden => return Selection::Ignore(DropReason::NotSubscribed),
            Target::Paused => return Selection::Ignore(DropReason::Paused),
            Target::Layer(l) | Target::Keyframes(l) => l,
        };
        if self.leave_at.is_some_and(|at| now >= at) {
            self.restart(now);
        }
        if self.current == Some(meta.layer) {
            return self.go_on(meta, target);
        }
        // A layer on the way to the target, or any the line may carry while it has no picture.
        let fits = match self.current {
            Some(current) => between(current, target, meta.layer),
            None => meta.layer <= target,
        };
        if !meta.shape.is_keyframe_start() {
            let waits = self.current.is_none() && fits;
            return Selection::Ignore(if waits { DropReason::AwaitingKeyframe } else { DropReason::OtherLayer });
        }
        if !fits {
            return Selection::Ignore(DropReason::OtherLayer);
        }
        if behind && now < *self.behind_since.get_or_insert(now) + BEHIND_MAX {
            return Selection::Ignore(DropReason::BehindShown);
        }
        self.switch(meta, target)
    }

    /// The layer of which the line needs a keyframe, if it does.
    #[must_use]
    pub fn keyframe_wanted(&self) -> Option<Layer> {
        let target = self.target.layer()?;
        let thin = self.thinned && !self.target.is_keyframes();
        (thin || self.current != Some(target)).then_some(target)
    }

    /// Whether the line carries only the keyframes of its layer now.
    #[must_use]
    pub const fn is_thinned(&self) -> bool {
        self.thinned && self.current.is_some()
    }

    /// What the line carries now.
    #[must_use]
    pub const fn current(&self) -> Option<Layer> {
        self.current
    }

    /// What the line is meant to carry.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// Since when the line has waited for a first picture; `None` while it has one or wants none.
    #[must_use]
    pub const fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// Whether a step up may be tried; not for a while after the line proved too thin.
    #[must_use]
    pub fn may_rise(&self, now: Instant) -> bool {
        self.rise_after.is_none_or(|at| now >= at)
    }

    /// A packet of the layer carried so far.
    fn go_on(&mut self, meta: &PacketMeta, target: Layer) -> Selection {
        if meta.payload_is_padding() {
            return Selection::Skip(DropReason::PaddingOnly);
        }
        // What was begun is finished: the packets of one picture have one timestamp (RFC 3550 §5.1).
        let same = self.picture == Some(meta.timestamp);
        let starts = !same && meta.shape.is_keyframe_start();
        if self.target.is_keyframes() {
            self.thinned |= meta.layer == target;
        } else if starts {
            self.thinned = false;
        }
        if self.thinned && !same && !starts {
            return Selection::Skip(DropReason::KeyframesOnly);
        }
        self.picture = Some(meta.timestamp);
        Selection::Forward
    }

    fn switch(&mut self, meta: &PacketMeta, target: Layer) -> Selection {
        self.current = Some(meta.layer);
        self.thinned = self.target.is_keyframes() && meta.layer == target;
        self.picture = Some(meta.timestamp);
        (self.waiting_since, self.behind_since) = (None, None);
        if meta.layer <= target {
            self.leave_at = None;
        }
        Selection::Switch
    }
}

/// Whether going from `current` to `layer` is a step towards `target`.
fn between(current: Layer, target: Layer, layer: Layer) -> bool {
    (current < layer && layer <= target) || (target <= layer && layer < current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{packet, vp8_payload};

    fn offer(s: &mut Selector, now: Instant, layer: u8, key: bool) -> Selection {
        let payload = vp8_payload(1, 1, key, true, 10);
        s.select(now, &packet(now, layer, 1, 1, true, &payload).meta, false)
    }

    const L: fn(u8) -> Target = |n| Target::Layer(Layer(n));

    #[test]
    fn layers_change_at_keyframes_on_the_way_to_the_target() {
        use DropReason::{AwaitingKeyframe, NotSubscribed, OtherLayer};
        use Selection::{Forward, Ignore, Switch};
        let t0 = Instant::now();
        let mut s = Selector::default();
        assert_eq!(offer(&mut s, t0, 0, true), Ignore(NotSubscribed));
        s.set_target(t0, L(2), false);
        for (i, (target, layer, key, want, wanted)) in [
            (2, 0, false, Ignore(AwaitingKeyframe), Some(2)),
            (2, 0, true, Switch, Some(2)), // any picture is better than none
            (2, 2, false, Ignore(OtherLayer), Some(2)),
            (2, 1, true, Switch, Some(2)),
            (2, 0, true, Ignore(OtherLayer), Some(2)),
            (2, 1, false, Forward, Some(2)),
            (2, 2, true, Switch, None),
            (2, 2, true, Forward, None),
            (0, 2, false, Forward, Some(0)), // a moment's grace
            (0, 1, false, Ignore(OtherLayer), Some(0)),
            (0, 1, true, Switch, Some(0)),
            (0, 0, true, Switch, None),
            (0, 1, true, Ignore(OtherLayer), None),
        ]
        .into_iter()
        .enumerate()
        {
            s.set_target(t0, L(target), true);
            assert_eq!(offer(&mut s, t0, layer, key), want, "step {i}");
            assert_eq!(s.keyframe_wanted(), wanted.map(Layer), "step {i}");
        }
    }

    #[test]
    fn a_layer_that_is_too_high_is_left_after_the_grace() {
        let t0 = Instant::now();
        let mut s = Selector::default();
        s.set_target(t0, L(2), false);
        assert_eq!(offer(&mut s, t0, 2, true), Selection::Switch);
        s.set_target(t0, L(0), true);
        assert_eq!(offer(&mut s, t0 + DOWN_GRACE / 2, 2, false), Selection::Forward);
        assert_eq!(offer(&mut s, t0 + DOWN_GRACE, 2, false), Selection::Ignore(DropReason::OtherLayer));
        assert_eq!((s.current(), s.waiting_since()), (None, Some(t0 + DOWN_GRACE)));
        assert_eq!(offer(&mut s, t0 + DOWN_GRACE, 0, true), Selection::Switch);
        s.set_target(t0, Target::Paused, true);
        assert_eq!(offer(&mut s, t0, 0, true), Selection::Ignore(DropReason::Paused));
    }

    #[test]
    fn steps_up_pause_longer_each_time_they_fail() {
        let t0 = Instant::now();
        let at = |s| t0 + Duration::from_secs(s);
        let mut s = Selector::default();
        s.set_target(at(0), L(1), false);
        s.set_target(at(1), L(0), true);
        assert!(!s.may_rise(at(3)) && s.may_rise(at(4)));
        s.set_target(at(4), L(1), false);
        s.set_target(at(6), L(0), true);
        assert!(!s.may_rise(at(11)) && s.may_rise(at(12)), "it failed at once: six seconds");
        s.set_target(at(12), L(1), false);
        s.set_target(at(40), L(0), true);
        assert!(s.may_rise(at(43)), "it held for a while: three seconds again");
        s.set_target(at(50), L(1), false);
        s.set_target(at(51), L(0), false);
        assert!(s.may_rise(at(51)), "a smaller tile is no failure");
    }

    /// One packet of two of a picture.
    fn part(s: &mut Selector, now: Instant, layer: u8, picture: u64, first: bool, key: bool) -> Selection {
        let payload = vp8_payload(picture as u16, 1, key && first, first, 10);
        s.select(now, &packet(now, layer, 1, 6_000 * picture, !first, &payload).meta, false)
    }

    #[test]
    fn keyframes_alone_go_out_whole_and_motion_begins_at_one() {
        use Selection::{Forward, Skip, Switch};
        let thin = Skip(DropReason::KeyframesOnly);
        let t0 = Instant::now();
        let mut s = Selector::default();
        let (motion, keyframes) = (L(0), Target::Keyframes(Layer(0)));
        s.set_target(t0, motion, false);
        for (i, (target, picture, first, key, want, wanted)) in [
            (motion, 1, true, true, Switch, None),
            (motion, 1, false, true, Forward, None),
            (motion, 2, true, false, Forward, None),
            (keyframes, 2, false, false, Forward, None), // what was begun is finished
            (keyframes, 3, true, false, thin, None),
            (keyframes, 3, false, false, thin, None),
            (keyframes, 4, true, true, Forward, None),
            (keyframes, 4, false, true, Forward, None),
            (keyframes, 5, true, false, thin, None),
            (motion, 6, true, false, thin, Some(Layer(0))), // what it refers to was left out
            (motion, 7, true, true, Forward, None),
            (motion, 7, false, true, Forward, None),
            (motion, 8, true, false, Forward, None),
        ]
        .into_iter()
        .enumerate()
        {
            s.set_target(t0, target, false);
            assert_eq!(part(&mut s, t0, 0, picture, first, key), want, "step {i}");
            assert_eq!(s.keyframe_wanted(), wanted, "step {i}");
        }
    }

    #[test]
    fn a_source_that_cannot_be_asked_is_left_later_unless_the_line_is_full() {
        let t0 = Instant::now();
        let long = Duration::from_secs(5);
        for (forced, kept) in [(false, long), (true, DOWN_GRACE)] {
            let mut s = Selector::default();
            s.set_grace(long);
            s.set_target(t0, L(1), false);
            assert_eq!(offer(&mut s, t0, 1, true), Selection::Switch);
            s.set_target(t0, L(0), forced);
            assert_eq!(offer(&mut s, t0 + kept - Duration::from_millis(1), 1, false), Selection::Forward);
            assert_eq!(offer(&mut s, t0 + kept, 1, false), Selection::Ignore(DropReason::OtherLayer), "{forced}");
        }
    }
}
