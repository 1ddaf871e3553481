//! What a run tells: tables and checks for the terminal, JSON for machines, one HTML file with plots for people.
//!
//! Does not belong here: measuring ([`crate::measure`]) or deciding what is good enough (each command).

mod html;

use anyhow::{Context, Result};
use serde::Serialize;
use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

/// Where a report goes besides the terminal.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Outputs {
    /// Write the numbers as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// A run's result.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was done.
    pub title: String,
    /// Wall clock at the start.
    pub started_unix_ms: i64,
    /// The machine and how busy it was.
    pub machine: Machine,
    /// Tables.
    pub tables: Vec<Table>,
    /// Plots.
    pub plots: Vec<Plot>,
    /// What was asked for and what came.
    pub checks: Vec<Check>,
}

/// The machine and how busy it was.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processors.
    pub cpus: usize,
    /// Kernel release.
    pub kernel: String,
    /// One-minute load average at the start.
    pub load_before: f64,
    /// One-minute load average at the end.
    pub load_after: f64,
}

/// A table of text cells.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// Column names.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

/// A plot of one or more curves.
#[derive(Debug, Clone, Serialize)]
pub struct Plot {
    /// Heading.
    pub title: String,
    /// Label of the x axis.
    pub x: String,
    /// Label of the y axis.
    pub y: String,
    /// Whether x is logarithmic.
    pub log_x: bool,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// A named line of points.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// One thing that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// What came.
    pub got: String,
    /// What was asked for.
    pub want: String,
    /// Whether it is so.
    pub ok: bool,
}

impl Check {
    /// `got` may be at most `limit`.
    #[must_use]
    pub fn at_most(name: &str, got: f64, limit: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            got: format!("{got:.2} {unit}"),
            want: format!("≤ {limit} {unit}"),
            ok: got <= limit,
        }
    }

    /// `got` must be at least `limit`.
    #[must_use]
    pub fn at_least(name: &str, got: f64, limit: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            got: format!("{got:.2} {unit}"),
            want: format!("≥ {limit} {unit}"),
            ok: got >= limit,
        }
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(title: &str, columns: &[&str]) -> Self {
        Self { title: title.to_owned(), columns: columns.iter().map(|c| (*c).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        writeln!(f, "{}", self.title)?;
        for (n, line) in lines().enumerate() {
            let mut text = String::new();
            for (i, (cell, width)) in line.iter().zip(&widths).enumerate() {
                // The first column names, the others count.
                if i == 0 { write!(text, "  {cell:<width$}")? } else { write!(text, "  {cell:>width$}")? }
            }
            writeln!(f, "{}", text.trim_end())?;
            if n == 0 {
                writeln!(f, "  {}", "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)))?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// An empty report that remembers how busy the machine is now.
    #[must_use]
    pub fn begin(title: &str) -> Self {
        let load = load_average();
        Self {
            title: title.to_owned(),
            started_unix_ms: lectern_media::UnixMillis::now().0,
            machine: Machine {
                cpus: std::thread::available_parallelism().map_or(1, Into::into),
                kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
                load_before: load,
                load_after: load,
            },
            tables: Vec::new(),
            plots: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Whether everything that was asked for came.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|c| c.ok)
    }

    /// Prints the report, writes its files; `extra` is added to the JSON as `data`.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn finish(mut self, outputs: &Outputs, extra: &impl Serialize) -> Result<bool> {
        self.machine.load_after = load_average();
        println!("{self}");
        let verdict = self.passed();
        if let Some(path) = &outputs.json {
            #[derive(Serialize)]
            struct Whole<'a, E> {
                #[serde(flatten)]
                report: &'a Report,
                passed: bool,
                data: &'a E,
            }
            let text = serde_json::to_string_pretty(&Whole { report: &self, passed: verdict, data: extra })?;
            write_file(path, &text)?;
        }
        if let Some(path) = &outputs.report {
            write_file(path, &html::page(&self))?;
        }
        Ok(verdict)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.machine;
        writeln!(f, "{}", self.title)?;
        writeln!(f, "{} CPUs, kernel {}, load {:.2} → {:.2}\n", m.cpus, m.kernel, m.load_before, m.load_after)?;
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        for check in &self.checks {
            let mark = if check.ok { "ok  " } else { "MISS" };
            writeln!(f, "{mark}  {}: {} (wanted {})", check.name, check.got, check.want)?;
        }
        let missed = self.checks.iter().filter(|c| !c.ok).count();
        match (self.checks.len(), missed) {
            (0, _) => write!(f, "verdict: measured, nothing was asked for"),
            (n, 0) => write!(f, "verdict: PASS, {n} of {n}"),
            (n, missed) => write!(f, "verdict: FAIL, {missed} of {n} missed"),
        }
    }
}

fn write_file(path: &std::path::Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The one-minute load average; 0 where the system doesn't tell.
#[must_use]
pub fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::begin("a <run>");
        let mut table = Table::new("viewers", &["name", "lost"]);
        table.row(["一".to_owned(), "12".to_owned()]);
        report.tables.push(table);
        report.plots.push(Plot {
            title: "delay".to_owned(),
            x: "ms".to_owned(),
            y: "share".to_owned(),
            log_x: true,
            curves: vec![Curve { name: "v1".to_owned(), points: vec![(1.0, 0.1), (10.0, 0.5), (200.0, 1.0)] }],
        });
        report.checks.push(Check::at_most("delay", 12.0, 200.0, "ms"));
        report
    }

    #[test]
    fn the_verdict_follows_the_checks() {
        let mut report = report();
        assert!(report.passed() && report.to_string().ends_with("verdict: PASS, 1 of 1"));
        report.checks.push(Check::at_least("frames", 98.0, 99.5, "%"));
        assert!(!report.passed() && report.to_string().ends_with("verdict: FAIL, 1 of 2 missed"));
    }

    #[test]
    fn the_page_is_self_contained_and_escaped() {
        let page = html::page(&report());
        assert!(page.contains("a &lt;run&gt;") && page.contains("<svg") && page.contains("polyline"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    }
}
