//! Distributions in bounded memory: a histogram whose buckets grow by two per cent.

use serde::Serialize;

const GROWTH: f64 = 1.02;
/// From 1 to 10⁹ (microseconds: a quarter of an hour) in steps of two per cent.
const BUCKETS: usize = 1048;

/// Counts of positive values; the relative error of a percentile is at most two per cent.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, sum: 0.0, min: f64::MAX, max: 0.0 }
    }
}

/// What is told of a distribution, in the unit that was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Smallest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl Histogram {
    /// Records one value; below 1 counts as less than 1.
    pub fn record(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let bucket = if value < 1.0 { 0 } else { 1 + (value.ln() / GROWTH.ln()) as usize };
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *to += from;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The value below which the share `q` of all values lies; 0 for an empty histogram.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, n) in self.buckets.iter().enumerate() {
            seen += u64::from(*n);
            if seen >= rank {
                let middle = if bucket == 0 { 0.5 } else { GROWTH.powf(bucket as f64 - 0.5) };
                return middle.clamp(self.min, self.max);
            }
        }
        0.0
    }

    /// Percentiles and all.
    #[must_use]
    pub fn summary(&self) -> Summary {
        if self.count == 0 {
            return Summary::default();
        }
        Summary {
            count: self.count,
            mean: self.sum / self.count as f64,
            min: self.min,
            p50: self.quantile(0.50),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            max: self.max,
        }
    }

    /// The distribution as a curve: (value, share of values at or below it), for a plot.
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let mut seen = 0;
        let mut points = Vec::new();
        for (bucket, n) in self.buckets.iter().enumerate().filter(|(_, n)| **n > 0) {
            seen += u64::from(*n);
            let value = if bucket == 0 { 1.0 } else { GROWTH.powi(bucket as i32) };
            points.push((value.min(self.max), seen as f64 / self.count as f64));
        }
        points
    }
}

/// Percentiles of a few values, exactly: the smallest value that at least the share lies at or below.
#[must_use]
pub fn summary(values: &[f64]) -> Summary {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return Summary::default() };
    let rank = |q: f64| sorted[((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1];
    Summary {
        count: sorted.len() as u64,
        mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
        min: *min,
        p50: rank(0.50),
        p95: rank(0.95),
        p99: rank(0.99),
        max: *max,
    }
}

/// A few values as a curve: (value, share of values at or below it), for a plot.
#[must_use]
pub fn curve(values: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let len = sorted.len() as f64;
    sorted.into_iter().zip(1..).map(|(value, n)| (value, f64::from(n) / len)).collect()
}

/// The median of a few values; 0 for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_two_per_cent() {
        let mut h = Histogram::default();
        for v in 1..=10_000 {
            h.record(f64::from(v));
        }
        let s = h.summary();
        for (got, want) in [(s.p50, 5000.0), (s.p95, 9500.0), (s.p99, 9900.0), (s.mean, 5000.5)] {
            assert!((got / want - 1.0).abs() < 0.021, "{got} for {want}");
        }
        assert_eq!((s.min, s.max, s.count), (1.0, 10_000.0, 10_000));
        assert_eq!(h.curve().last(), Some(&(10_000.0, 1.0)));
    }

    #[test]
    fn merging_is_recording_together() {
        let (mut a, mut b, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
        for v in [0.2, 3.0, 70.0] {
            a.record(v);
            both.record(v);
        }
        for v in [5.0, 1e12] {
            b.record(v);
            both.record(v);
        }
        a.merge(&b);
        assert_eq!(a.summary(), both.summary());
        assert_eq!(Histogram::default().summary(), Summary::default());
    }

    #[test]
    fn few_values_have_exact_percentiles() {
        assert_eq!(summary(&[]), Summary::default());
        let s = summary(&[0.0, 0.5, 0.25]);
        assert_eq!((s.count, s.min, s.p50, s.p95, s.max, s.mean), (3, 0.0, 0.25, 0.5, 0.5, 0.25));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let s = summary(&hundred);
        assert_eq!((s.p50, s.p95, s.p99), (50.0, 95.0, 99.0));
        assert_eq!(curve(&[2.0, 1.0]), [(1.0, 0.5), (2.0, 1.0)]);
    }

    #[test]
    fn medians() {
        assert_eq!((median(&[]), median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])), (0.0, 2.0, 2.5));
    }
}
