//! Which line of a subscriber gets which layer, all lines together: the lowest layer for every line before a better one for
//! any, in the order screen, pinned, speaker, rest; hidden lines nothing; never more than a tile can show. Below the lowest
//! layer of a source that offers it there is one more step: its keyframes alone. Pure: what the line carries is [`crate::bwe`]'s to know, and sound is taken off the budget before it comes here.

use crate::selector::Target;
use lectern_media::{Bitrate, Layer};

/// How much a viewer cares about a line, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A shared screen.
    Screen,
    /// Pinned by the viewer.
    Pinned,
    /// The speaker.
    Speaker,
    /// Everyone else.
    Rest,
}

impl Priority {
    /// All of them, most important first.
    pub const ALL: [Self; 4] = [Self::Screen, Self::Pinned, Self::Speaker, Self::Rest];
}

/// One layer a line could carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerOffer {
    /// What it costs ([`StreamIngest::bitrate`](crate::ingest::StreamIngest::bitrate)); zero means the publisher does not
    /// send it now.
    pub bitrate: Bitrate,
    /// Its height in pixels, if known.
    pub height: Option<u16>,
    /// What its keyframes alone cost ([`StreamIngest::keyframe_bitrate`](crate::ingest::StreamIngest::keyframe_bitrate));
    /// `None` if they are not offered by themselves.
    pub keyframes: Option<Bitrate>,
    /// A tile may be this much taller than the layer, in per cent of it, before the next layer is worth its rate. 125 by
    /// default.
    pub upscale_max_percent: u16,
}

impl Default for LayerOffer {
    fn default() -> Self {
        Self { bitrate: Bitrate::ZERO, height: None, keyframes: None, upscale_max_percent: UPSCALE_MAX_PERCENT }
    }
}

impl LayerOffer {
    /// A layer without further ado.
    #[must_use]
    pub fn new(bitrate: Bitrate, height: Option<u16>) -> Self {
        Self { bitrate, height, ..Self::default() }
    }

    /// Whether a tile of this height shows no more than the layer has.
    #[must_use]
    pub fn fills(&self, tile_height: u16) -> bool {
        let most = |h| u32::from(h) * u32::from(self.upscale_max_percent);
        self.height.is_some_and(|h| most(h) >= u32::from(tile_height) * 100)
    }
}

/// What the source of a line offers, lowest layer first; absent layers have a rate of zero.
pub type Offers = [LayerOffer; Layer::COUNT_MAX];

/// What one line asks for.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// How much the viewer cares.
    pub priority: Priority,
    /// The height of the tile in device pixels; 0 while hidden.
    pub tile_height: u16,
    /// What there is.
    pub offers: Offers,
    /// What was chosen last time.
    pub previous: Target,
    /// Whether a step up may be tried ([`Selector::may_rise`](crate::selector::Selector::may_rise)).
    pub may_rise: bool,
    /// The lowest layer is taken whatever the budget says.
    pub insist: bool,
    /// The viewer wants a still now and then: the keyframes of the lowest layer, if they are offered.
    pub thumbnail: bool,
}

/// The sum of an allocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What all chosen layers cost.
    pub spent: Bitrate,
    /// The budget at which the next better choice would be made; `None` if everything is at its best.
    pub wanted: Option<Bitrate>,
}

/// A tile may be this much taller than the layer it shows before the next layer is worth its rate.
const UPSCALE_MAX_PERCENT: u16 = 125;
/// A better layer is chosen only if the budget exceeds its cost by this much.
const RISE_HEADROOM: f64 = 1.1;
/// A layer already carried is kept while this share of its cost fits: measured rates swing with every keyframe, and a line
/// that is really too thin shows in the estimate soon enough.
const KEEP_SHARE: f64 = 0.85;
/// The same for the lowest layer, behind which there is only a pause: the pacer keeps it from harming the sound, and a
/// picture that stutters is better than none.
const KEEP_LOWEST_SHARE: f64 = 0.7;

/// Chooses a target for every demand, into `targets` (of the same length).
///
/// `proven` tells that `budget` was measured; before that the lowest layer of every line is tried whatever it costs, for
/// nothing would be learnt about the line otherwise.
pub fn allocate(budget: Bitrate, proven: bool, demands: &[Demand], targets: &mut [Target]) -> Outcome {
    debug_assert_eq!(demands.len(), targets.len());
    let mut outcome = Outcome::default();
    let classes = || Priority::ALL.into_iter();
    for class in classes() {
        for (d, t) in demands.iter().zip(targets.iter_mut()).filter(|(d, _)| d.priority == class) {
            *t = first_choice(budget, proven, d, &mut outcome);
        }
    }
    for class in classes() {
        // One step at a time, so that equals rise together.
        let mut risen = true;
        while risen {
            risen = false;
            for (d, t) in demands.iter().zip(targets.iter_mut()).filter(|(d, _)| d.priority == class) {
                risen |= rise(budget, proven, d, t, &mut outcome);
            }
        }
    }
    outcome
}

/// The lowest layer, if it fits.
fn first_choice(budget: Bitrate, proven: bool, d: &Demand, outcome: &mut Outcome) -> Target {
    if d.tile_height == 0 {
        return Target::Hidden;
    }
    let Some(lowest) = (0..Layer::COUNT_MAX).find(|i| d.offers[*i].bitrate > Bitrate::ZERO) else {
        if d.thumbnail && d.offers[0].keyframes.is_some() {
            return Target::Keyframes(Layer(0));
        }
        // Nothing arrives at the moment (a still screen, a publisher that begins): stay, or be ready for the lowest.
        return Target::Layer(d.previous.layer().unwrap_or(Layer(0)));
    };
    let offer = &d.offers[lowest];
    // Stills before moving pictures: none of the lines shall go without.
    let (cost, chosen) = match offer.keyframes {
        Some(cost) => (cost, Target::Keyframes(Layer(lowest as u8))),
        None => (offer.bitrate, Target::Layer(Layer(lowest as u8))),
    };
    let needed =
        outcome.spent + cost.scale(if d.previous == Target::Paused { RISE_HEADROOM } else { KEEP_LOWEST_SHARE });
    if proven && needed > budget {
        want(outcome, needed);
        if !d.insist {
            return Target::Paused;
        }
    }
    outcome.spent += cost;
    chosen
}

/// One step up, if there is one and it fits.
fn rise(budget: Bitrate, proven: bool, d: &Demand, target: &mut Target, outcome: &mut Outcome) -> bool {
    if let Target::Keyframes(layer) = *target {
        return !d.thumbnail && begin_motion(budget, proven, d, layer, target, outcome);
    }
    let Target::Layer(now) = *target else { return false };
    let sent = |i: &usize| d.offers[*i].bitrate > Bitrate::ZERO;
    let Some(next) = (now.index() + 1..Layer::COUNT_MAX).find(sent) else { return false };
    if d.offers[now.index()].fills(d.tile_height) || !sent(&now.index()) {
        return false;
    }
    let step = d.offers[next].bitrate.saturating_sub(d.offers[now.index()].bitrate);
    let new = d.previous.layer().is_none_or(|p| next > p.index());
    if new && !d.may_rise {
        return false;
    }
    let needed = outcome.spent + step.scale(if new { RISE_HEADROOM } else { KEEP_SHARE });
    if needed > budget {
        want(outcome, needed);
        return false;
    }
    outcome.spent += step;
    *target = Target::Layer(Layer(next as u8));
    true
}

/// From stills to the layer itself, if it fits; as with every lowest layer, whatever it costs while nothing is known.
fn begin_motion(
    budget: Bitrate,
    proven: bool,
    d: &Demand,
    layer: Layer,
    target: &mut Target,
    outcome: &mut Outcome,
) -> bool {
    let offer = &d.offers[layer.index()];
    let step = offer.bitrate.saturating_sub(offer.keyframes.unwrap_or(Bitrate::ZERO));
    let moves = matches!(d.previous, Target::Layer(_));
    if d.previous.is_keyframes() && !d.may_rise {
        return false;
    }
    let needed = outcome.spent + step.scale(if moves { KEEP_SHARE } else { RISE_HEADROOM });
    if proven && needed > budget {
        want(outcome, needed);
        return false;
    }
    outcome.spent += step;
    *target = Target::Layer(layer);
    true
}

fn want(outcome: &mut Outcome, needed: Bitrate) {
    outcome.wanted = Some(outcome.wanted.map_or(needed, |w| w.min(needed)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Pinned, Rest, Screen, Speaker};
    use Target::{Hidden, Paused};

    const fn on(n: u8) -> Target {
        Target::Layer(Layer(n))
    }

    /// 120, 500 and 1,500 kbit/s; 180, 360 and 720 lines.
    fn camera() -> Offers {
        [(120, 180), (500, 360), (1_500, 720)].map(|(k, h)| LayerOffer::new(Bitrate::kbps(k), Some(h)))
    }

    fn screen() -> Offers {
        let mut o = Offers::default();
        o[0] = LayerOffer::new(Bitrate::kbps(800), Some(1_080));
        o
    }

    fn line(priority: Priority, tile_height: u16, offers: Offers, previous: Target) -> Demand {
        Demand { priority, tile_height, offers, previous, may_rise: true, insist: false, thumbnail: false }
    }

    fn run(kbps: u64, demands: &[Demand]) -> (Vec<Target>, Outcome) {
        let mut targets = vec![Hidden; demands.len()];
        let outcome = allocate(Bitrate::kbps(kbps), true, demands, &mut targets);
        (targets, outcome)
    }

    #[test]
    fn the_budget_is_spent_in_the_right_order() {
        let teacher_and_three = [
            line(Rest, 200, camera(), on(0)),
            line(Speaker, 720, camera(), on(0)),
            line(Rest, 200, camera(), on(0)),
            line(Rest, 0, camera(), on(0)),
        ];
        let screen_first = [line(Speaker, 360, camera(), on(0)), line(Screen, 1_080, screen(), on(0))];
        let two_pinned = [line(Pinned, 720, camera(), on(0)), line(Pinned, 720, camera(), on(0))];
        for (what, kbps, demands, want) in [
            ("plenty", 9_000, &teacher_and_three[..], &[on(0), on(2), on(0), Hidden][..]),
            ("middle for the speaker", 1_000, &teacher_and_three, &[on(0), on(1), on(0), Hidden]),
            ("lowest for all", 330, &teacher_and_three, &[on(0), on(0), on(0), Hidden]),
            ("the speaker before the rest", 210, &teacher_and_three, &[on(0), on(0), Paused, Hidden]),
            ("the speaker alone", 90, &teacher_and_three, &[Paused, on(0), Paused, Hidden]),
            ("nothing fits", 80, &teacher_and_three, &[Paused, Paused, Paused, Hidden]),
            ("screen before speaker", 870, &screen_first, &[Paused, on(0)]),
            ("both", 1_050, &screen_first, &[on(0), on(0)]),
            ("equals rise together", 1_100, &two_pinned, &[on(1), on(1)]),
            ("one of two equals rises", 800, &two_pinned, &[on(1), on(0)]),
        ] {
            assert_eq!(run(kbps, demands).0, want, "{what} at {kbps} kbit/s");
        }
    }

    #[test]
    fn what_is_carried_is_kept_on_less_than_what_a_step_up_needs() {
        for (kbps, previous, want, wanted) in [
            (510, on(1), on(1), Some(1_600)),
            (510, on(0), on(0), Some(538)),
            (540, on(0), on(1), Some(1_600)),
            (450, on(1), on(1), Some(1_600)),
            (440, on(1), on(0), Some(443)),
            (85, on(0), on(0), Some(538)),
            (125, Paused, Paused, Some(132)),
            (83, on(0), Paused, Some(84)),
        ] {
            let (targets, outcome) = run(kbps, &[line(Speaker, 720, camera(), previous)]);
            assert_eq!(targets, [want], "{kbps} kbit/s from {previous:?}");
            assert_eq!(outcome.wanted.map(|w| w.as_bps() / 1_000), wanted, "{kbps} kbit/s from {previous:?}");
        }
    }

    #[test]
    fn tiles_get_no_more_than_they_show() {
        for (height, want) in [(0, Hidden), (90, on(0)), (225, on(0)), (226, on(1)), (450, on(1)), (451, on(2))] {
            assert_eq!(run(9_000, &[line(Rest, height, camera(), on(0))]).0, [want], "tile of {height} lines");
        }
    }

    #[test]
    fn layers_that_are_not_sent_are_passed_over() {
        let mut gone = camera();
        gone[1].bitrate = Bitrate::ZERO;
        assert_eq!(run(9_000, &[line(Pinned, 720, gone, on(0))]).0, [on(2)]);
        gone[2].bitrate = Bitrate::ZERO;
        assert_eq!(run(9_000, &[line(Pinned, 720, gone, on(2))]).0, [on(0)]);
        gone[0].bitrate = Bitrate::ZERO;
        assert_eq!(run(9_000, &[line(Screen, 720, gone, on(1))]).0, [on(1)], "a still screen stays as it is");
    }

    #[test]
    fn before_anything_is_measured_the_lowest_layer_is_tried() {
        let mut targets = [Hidden];
        allocate(Bitrate::kbps(100), false, &[line(Screen, 720, screen(), Hidden)], &mut targets);
        assert_eq!(targets, [on(0)]);
    }

    #[test]
    fn a_picture_that_is_tried_gets_its_lowest_layer_and_no_more() {
        let mut d = line(Speaker, 720, camera(), Paused);
        d.insist = true;
        let (targets, outcome) = run(50, &[d, line(Rest, 720, camera(), Paused)]);
        assert_eq!(targets, [on(0), Paused]);
        assert_eq!(outcome.wanted, Some(Bitrate::kbps(132)), "probes go on");
    }

    #[test]
    fn a_pause_after_a_failed_step_up_is_kept() {
        let mut d = line(Speaker, 720, camera(), on(0));
        d.may_rise = false;
        assert_eq!(run(9_000, &[d]), (vec![on(0)], Outcome { spent: Bitrate::kbps(120), wanted: None }));
    }

    /// A surveillance camera: substream of 512 kbit/s (its keyframes 150) and main stream of 4 Mbit/s.
    fn patrol() -> Offers {
        let mut o = Offers::default();
        o[0] = LayerOffer {
            keyframes: Some(Bitrate::kbps(150)),
            upscale_max_percent: 150,
            ..LayerOffer::new(Bitrate::kbps(512), Some(360))
        };
        o[1] = LayerOffer::new(Bitrate::kbps(4_000), Some(1_080));
        o
    }

    /// How many of a wall's lines get nothing, stills, the substream, the main stream.
    fn wall(kbps: u64, demands: &[Demand]) -> [usize; 4] {
        let (targets, _) = run(kbps, demands);
        [Paused, Target::Keyframes(Layer(0)), on(0), on(1)].map(|t| targets.iter().filter(|x| **x == t).count())
    }

    #[test]
    fn a_wall_shows_stills_everywhere_before_anything_moves() {
        let tiles = vec![line(Rest, 270, patrol(), Hidden); 64];
        let mut enlarged = tiles.clone();
        enlarged[40] = line(Pinned, 1_080, patrol(), Hidden);
        for (what, kbps, demands, want) in [
            ("a wide line", 80_000, &tiles, [0, 0, 64, 0]),
            ("half of what moving pictures take", 20_000, &tiles, [0, 36, 28, 0]),
            ("stills for all and no more", 9_700, &tiles, [0, 64, 0, 0]),
            ("less than that", 5_000, &tiles, [64 - 33, 33, 0, 0]),
            ("one enlarged", 80_000, &enlarged, [0, 0, 63, 1]),
            ("the enlarged one first", 13_840, &enlarged, [0, 63, 0, 1]),
        ] {
            assert_eq!(wall(kbps, demands), want, "{what} at {kbps} kbit/s");
        }
    }

    #[test]
    fn stills_that_were_asked_for_stay_stills() {
        let mut overview = vec![line(Rest, 90, patrol(), Hidden); 64];
        overview.iter_mut().for_each(|d| d.thumbnail = true);
        assert_eq!(wall(90_000, &overview), [0, 64, 0, 0]);
        assert_eq!(run(90_000, &overview).1, Outcome { spent: Bitrate::kbps(64 * 150), wanted: None });
        let mut browser = line(Rest, 90, camera(), Hidden);
        browser.thumbnail = true;
        assert_eq!(run(9_000, &[browser]).0, [on(0)], "a source that does not offer them");
    }

    #[test]
    fn what_moves_goes_on_moving_on_less_than_it_takes_to_begin() {
        let kept = |previous| run(490, &[line(Rest, 270, patrol(), previous)]).0[0];
        assert_eq!((kept(Target::Keyframes(Layer(0))), kept(on(0))), (Target::Keyframes(Layer(0)), on(0)));
        let mut failed = line(Rest, 270, patrol(), Target::Keyframes(Layer(0)));
        failed.may_rise = false;
        assert_eq!(run(9_000, &[failed]).0, [Target::Keyframes(Layer(0))], "not again at once");
    }

    #[test]
    fn a_camera_shows_its_substream_up_to_half_as_tall_again() {
        for (height, want) in [(180, on(0)), (540, on(0)), (541, on(1)), (1_080, on(1))] {
            assert_eq!(run(90_000, &[line(Rest, height, patrol(), Hidden)]).0, [want], "tile of {height} lines");
        }
    }
}
