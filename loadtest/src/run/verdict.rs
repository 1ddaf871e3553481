//! What many viewers felt, as percentiles over the viewers, and whether that is good enough.
//!
//! Belongs here: the figures of `watch` and `class` and what is asked of them. Does not belong here: measuring one viewer
//! ([`crate::measure`]), writing it down ([`crate::report`]).

use crate::{
    client::peer::ViewerResult,
    measure::percent,
    report::{Check, Curve, Outputs, Plot, Report, Table},
    stats::{self, Histogram, Summary},
};
use anyhow::Result;
use serde::Serialize;

/// A still picture of a second is what people call a frozen class.
const FREEZE_MS_MAX: f64 = 1000.0;

/// One figure of each viewer.
#[derive(Debug, Clone, Serialize)]
struct Figure {
    name: &'static str,
    /// Percentiles over the viewers.
    viewers: Summary,
    #[serde(skip)]
    values: Vec<f64>,
}

/// Reports what the viewers felt and what is good enough of it.
///
/// # Errors
/// If a file can't be written.
pub fn conclude(mut report: Report, results: &[Result<ViewerResult>], outputs: &Outputs) -> Result<bool> {
    let good: Vec<&ViewerResult> = results.iter().filter_map(|r| r.as_ref().ok()).collect();
    let failed: Vec<String> = results.iter().filter_map(|r| r.as_ref().err()).map(|e| format!("{e:#}")).collect();
    for why in &failed {
        eprintln!("a viewer failed: {why}");
    }
    let mut delays = Histogram::default();
    good.iter().for_each(|r| delays.merge(&r.delays));
    let figures = figures(&good);
    report.tables.extend([felt(&figures, &delays), totals(&good, results.len())]);
    report.plots.extend(plots(&figures, &delays));
    report.checks.extend(checks(&good, results.len(), &figures, &delays));

    #[derive(Serialize)]
    struct Data<'a> {
        percentiles: Vec<Figure>,
        delay_us: Summary,
        viewers: Vec<&'a ViewerResult>,
        failed: Vec<String>,
    }
    report.finish(outputs, &Data { percentiles: figures, delay_us: delays.summary(), viewers: good, failed })
}

const CONNECTED: &str = "request to connection, ms";
const FIRST_FRAME: &str = "request to first frame, ms";
const LOST: &str = "packets lost, %";
const SHOWN: &str = "frames shown, %";
const FREEZES: &str = "freezes";
const FROZEN: &str = "frozen in all, ms";
const FREEZE_MAX: &str = "longest freeze, ms";
const GAP_MAX: &str = "longest gap in sound, ms";

fn figures(good: &[&ViewerResult]) -> Vec<Figure> {
    let of = |name, value: &dyn Fn(&ViewerResult) -> Option<f64>| {
        let values: Vec<f64> = good.iter().filter_map(|r| value(r)).collect();
        Figure { name, viewers: stats::summary(&values), values }
    };
    vec![
        of(CONNECTED, &|r| r.connected_ms),
        of(FIRST_FRAME, &|r| r.video.first_frame_ms),
        of(LOST, &|r| {
            let (received, lost) = (r.video.packets + r.audio.packets, r.video.lost + r.audio.lost);
            Some(percent(lost, received + lost))
        }),
        of(SHOWN, &|r| Some(r.video.shown_percent())),
        of(FREEZES, &|r| Some(r.video.freezes as f64)),
        of(FROZEN, &|r| Some(r.video.freeze_ms)),
        of(FREEZE_MAX, &|r| Some(r.video.freeze_ms_max)),
        of(GAP_MAX, &|r| Some(r.audio.gap_ms_max)),
    ]
}

fn of<'a>(figures: &'a [Figure], name: &str) -> &'a Figure {
    figures.iter().find(|f| f.name == name).expect("every name of this file is a figure")
}

fn felt(figures: &[Figure], delays: &Histogram) -> Table {
    let mut table = Table::new("what viewers felt", &["", "count", "min", "p50", "p95", "p99", "max"]);
    let mut row = |name: &str, s: Summary, scale: f64| {
        let cells = [s.min, s.p50, s.p95, s.p99, s.max].map(|v| format!("{:.1}", v * scale));
        table.row([name.to_owned(), s.count.to_string()].into_iter().chain(cells));
    };
    for figure in figures {
        row(figure.name, figure.viewers, 1.0);
    }
    row("delay of each frame, ms", delays.summary(), 1e-3);
    table
}

fn totals(good: &[&ViewerResult], viewers: usize) -> Table {
    let sum = |f: &dyn Fn(&ViewerResult) -> u64| good.iter().map(|r| f(r)).sum::<u64>();
    let mut table = Table::new("totals", &["", "value"]);
    for (name, value) in [
        ("viewers", format!("{} of {viewers}", good.len())),
        ("frames shown / skipped", format!("{} / {}", sum(&|r| r.video.frames), sum(&|r| r.video.frames_missing))),
        (
            "packets received / lost",
            format!("{} / {}", sum(&|r| r.video.packets + r.audio.packets), sum(&|r| r.video.lost + r.audio.lost)),
        ),
        ("freezes", sum(&|r| r.video.freezes).to_string()),
    ] {
        table.row([name.to_owned(), value]);
    }
    table
}

fn plots(figures: &[Figure], delays: &Histogram) -> Vec<Plot> {
    let over_viewers = |title: &str, x: &str, log_x: bool, names: &[&str]| Plot {
        title: title.to_owned(),
        x: x.to_owned(),
        y: "share of viewers at or below".to_owned(),
        log_x,
        curves: names
            .iter()
            .map(|name| Curve { name: (*name).to_owned(), points: stats::curve(&of(figures, name).values) })
            .collect(),
    };
    let delay = Curve {
        name: "delay".to_owned(),
        points: delays.curve().into_iter().map(|(us, share)| (us * 1e-3, share)).collect(),
    };
    vec![
        Plot {
            title: "Delay of frames".to_owned(),
            x: "milliseconds".to_owned(),
            y: "share of frames at or below".to_owned(),
            log_x: true,
            curves: vec![delay],
        },
        over_viewers("Joining", "milliseconds", true, &[CONNECTED, FIRST_FRAME]),
        over_viewers("Standing still", "milliseconds", false, &[FROZEN, FREEZE_MAX, GAP_MAX]),
        over_viewers("Loss", "per cent of the packets", false, &[LOST]),
    ]
}

fn checks(good: &[&ViewerResult], viewers: usize, figures: &[Figure], delays: &Histogram) -> Vec<Check> {
    let share =
        |with: &dyn Fn(&ViewerResult) -> bool| percent(good.iter().filter(|r| with(r)).count() as u64, viewers as u64);
    let seen = |name| of(figures, name).viewers;
    vec![
        Check::at_least("viewers with a picture", share(&|r| r.video.frames > 0), 100.0, "%"),
        Check::at_least("viewers with sound", share(&|r| r.audio.packets > 0), 100.0, "%"),
        Check::at_most("first frame p95", seen(FIRST_FRAME).p95, 1000.0, "ms"),
        Check::at_least("frames shown, worst viewer", seen(SHOWN).min, 99.5, "%"),
        Check::at_most("longest freeze, worst viewer", seen(FREEZE_MAX).max, FREEZE_MS_MAX, "ms"),
        Check::at_most("delay p95", delays.summary().p95 / 1000.0, 200.0, "ms"),
        Check::at_most("longest gap in sound, p95", seen(GAP_MAX).p95, 100.0, "ms"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{AudioResult, VideoResult};

    fn viewer() -> ViewerResult {
        let video = VideoResult { first_frame_ms: Some(80.0), packets: 1000, frames: 500, ..VideoResult::default() };
        let audio = AudioResult { packets: 1000, lost: 0, gap_ms_max: 24.0 };
        let mut delays = Histogram::default();
        delays.record(12_000.0);
        ViewerResult { connected_ms: Some(40.0), video, audio, delays }
    }

    /// The names of the checks that this class misses.
    fn missed(results: &[Option<ViewerResult>]) -> Vec<String> {
        let good: Vec<&ViewerResult> = results.iter().flatten().collect();
        let mut delays = Histogram::default();
        good.iter().for_each(|r| delays.merge(&r.delays));
        let checks = checks(&good, results.len(), &figures(&good), &delays);
        checks.into_iter().filter(|c| !c.ok).map(|c| c.name).collect()
    }

    #[test]
    fn a_good_class_misses_nothing() {
        assert_eq!(missed(&[Some(viewer()), Some(viewer())]), [""; 0]);
    }

    #[test]
    fn one_bad_viewer_among_good_ones_is_noticed() {
        let with = |change: &dyn Fn(&mut ViewerResult)| {
            let mut bad = viewer();
            change(&mut bad);
            let mut all: Vec<_> = (0..9).map(|_| Some(viewer())).collect();
            all.push(Some(bad));
            missed(&all)
        };
        let frozen = with(&|r| (r.video.freezes, r.video.freeze_ms, r.video.freeze_ms_max) = (1, 9_000.0, 9_000.0));
        assert_eq!(frozen, ["longest freeze, worst viewer"]);
        assert_eq!(with(&|r| r.video.frames_missing = 10), ["frames shown, worst viewer"]);
        assert_eq!(
            with(&|r| r.audio = AudioResult { packets: 0, lost: 0, gap_ms_max: 30_000.0 }),
            ["viewers with sound", "longest gap in sound, p95"]
        );
        assert_eq!(
            with(&|r| r.video = VideoResult::default()),
            ["viewers with a picture", "frames shown, worst viewer"]
        );
    }

    #[test]
    fn a_viewer_that_failed_is_one_without_picture_and_sound() {
        assert_eq!(missed(&[Some(viewer()), None]), ["viewers with a picture", "viewers with sound"]);
        assert!(missed(&[None]).contains(&"viewers with a picture".to_owned()));
    }

    #[test]
    fn loss_and_freezes_are_told_as_percentiles_over_viewers() {
        let mut one = viewer();
        (one.video.lost, one.video.freezes, one.video.freeze_ms) = (500, 3, 700.0);
        let (two, three) = (viewer(), viewer());
        let figures = figures(&[&one, &two, &three]);
        assert_eq!((of(&figures, LOST).viewers.p50, of(&figures, LOST).viewers.max), (0.0, 20.0));
        assert_eq!((of(&figures, FREEZES).viewers.p50, of(&figures, FROZEN).viewers.max), (0.0, 700.0));
        let table = felt(&figures, &Histogram::default()).to_string();
        assert!(table.contains("packets lost, %") && table.contains("20.0"), "{table}");
    }
}
