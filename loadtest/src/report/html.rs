//! The report as one HTML file: no script, no request, plots as inline SVG.

use super::{Plot, Report, Table};
use std::fmt::Write as _;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#16181d;--soft:#5b6472;--line:#d5dae2;--paper:#fff;--good:#18794e;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#eceef2;--soft:#9aa4b2;--line:#333a45;--paper:#14161a;--good:#5bd6a0;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,'Noto Sans CJK SC',sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{color:var(--soft);margin:.2rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right}th:first-child,td:first-child{text-align:left}
.ok{color:var(--good)}.miss{color:var(--bad);font-weight:600}svg{width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}.axis{stroke:var(--line)}.legend{fill:var(--ink)!important}
";

const COLOURS: [&str; 8] = ["#1d5fd1", "#d9480f", "#18794e", "#9c36b5", "#c2255c", "#0b7285", "#e67700", "#5c677d"];

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut body = String::new();
    let m = &report.machine;
    let missed = report.checks.iter().filter(|c| !c.ok).count();
    let _ = write!(
        body,
        "<h1>{}</h1><p>{} CPUs, kernel {}, load {:.2} → {:.2}</p>",
        escape(&report.title),
        m.cpus,
        escape(&m.kernel),
        m.load_before,
        m.load_after
    );
    if !report.checks.is_empty() {
        let (class, word) = if missed == 0 { ("ok", "PASS") } else { ("miss", "FAIL") };
        let _ =
            write!(body, "<p class={class}>{word}: {} of {}</p>", report.checks.len() - missed, report.checks.len());
        body.push_str("<table><tr><th>check<th>got<th>wanted<th></tr>");
        for c in &report.checks {
            let (class, word) = if c.ok { ("ok", "✓") } else { ("miss", "✗") };
            let (name, got, want) = (escape(&c.name), escape(&c.got), escape(&c.want));
            let _ = write!(body, "<tr><td>{name}<td>{got}<td>{want}<td class={class}>{word}</tr>");
        }
        body.push_str("</table>");
    }
    for t in &report.tables {
        table(&mut body, t);
    }
    for p in &report.plots {
        plot(&mut body, p);
    }
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{}</title><style>{STYLE}</style>{body}</html>\n",
        escape(&report.title)
    )
}

fn table(out: &mut String, table: &Table) {
    let _ = write!(out, "<h2>{}</h2><table><tr>", escape(&table.title));
    for column in &table.columns {
        let _ = write!(out, "<th>{}", escape(column));
    }
    for row in &table.rows {
        out.push_str("</tr><tr>");
        for cell in row {
            let _ = write!(out, "<td>{}", escape(cell));
        }
    }
    out.push_str("</tr></table>");
}

fn plot(out: &mut String, plot: &Plot) {
    let points = || plot.curves.iter().flat_map(|c| &c.points).filter(|(x, _)| !plot.log_x || *x > 0.0);
    if points().next().is_none() {
        return;
    }
    let bend = |x: f64| if plot.log_x { x.log10() } else { x };
    let (x0, x1) = span(points().map(|(x, _)| bend(*x)));
    let (y0, y1) = span(points().map(|(_, y)| *y).chain([0.0]));
    let px = |x: f64| LEFT + (bend(x) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let py = |y: f64| HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP);
    let _ = write!(
        out,
        "<h2>{0}</h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{0}\">",
        escape(&plot.title)
    );
    for step in 0..=4 {
        let part = f64::from(step) / 4.0;
        let (y, at) = (y0 + part * (y1 - y0), x0 + part * (x1 - x0));
        let x = if plot.log_x { 10f64.powf(at) } else { at };
        let (gy, gx) = (py(y), px(x));
        let _ = write!(
            out,
            "<line class=axis x1={LEFT} x2={} y1={gy:.1} y2={gy:.1} /><text x={} y={:.1} text-anchor=end>{}</text>\
             <text x={gx:.1} y={} text-anchor=middle>{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            gy + 4.0,
            short(y),
            HEIGHT - BOTTOM + 16.0,
            short(x),
        );
    }
    for (n, curve) in plot.curves.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let path: String = curve
            .points
            .iter()
            .filter(|(x, _)| !plot.log_x || *x > 0.0)
            .map(|(x, y)| format!("{:.1},{:.1} ", px(*x), py(*y)))
            .collect();
        let _ = write!(out, "<polyline fill=none stroke=\"{colour}\" stroke-width=2 points=\"{path}\" />");
        if n < COLOURS.len() {
            let y = TOP + 14.0 * (n + 1) as f64;
            let _ = write!(
                out,
                "<text class=legend x={} y={y} text-anchor=end>{} <tspan fill=\"{colour}\">●</tspan></text>",
                WIDTH - RIGHT - 4.0,
                escape(&curve.name)
            );
        }
    }
    let _ = write!(
        out,
        "<text x={} y={} text-anchor=middle>{}</text><text x={LEFT} y=10>{}</text></svg>",
        f64::midpoint(LEFT, WIDTH),
        HEIGHT - 8.0,
        escape(&plot.x),
        escape(&plot.y)
    );
}

/// Smallest and largest; never an empty stretch.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
}

fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
