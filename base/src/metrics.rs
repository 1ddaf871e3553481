//! The one recorder of metrics, in Prometheus' text form. Names are `lectern_<part>_<what>_<unit>[_total]`; drops and
//! refusals carry the label `reason`.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::OnceLock, time::Duration};
use tokio_util::task::AbortOnDropHandle;

/// How often the values of histograms are counted into their buckets. Until then every single one is kept, whether anybody
/// reads the metrics or not.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Seconds at which durations are counted: from a forwarded frame to a slow request.
const SECONDS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// Installs the recorder for the whole process, once, and gives the handle that renders it.
pub fn install() -> PrometheusHandle {
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
                .expect("the list of buckets is not empty");
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder of metrics was installed before; /metrics stays empty");
            }
            handle
        })
        .clone()
}

/// Keeps the memory that metrics take bounded, until it is dropped.
#[derive(Debug)]
pub struct Upkeep(#[expect(dead_code, reason = "held to be dropped")] AbortOnDropHandle<()>);

/// Begins the upkeep of the recorder, which it does not do by itself.
#[must_use = "upkeep ends when it is dropped"]
pub fn upkeep(handle: PrometheusHandle) -> Upkeep {
    every(UPKEEP_EVERY, move || handle.run_upkeep())
}

fn every(period: Duration, mut work: impl FnMut() + Send + 'static) -> Upkeep {
    let task = tokio::spawn(async move {
        let mut due = tokio::time::interval(period);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            work();
        }
    });
    Upkeep(AbortOnDropHandle::new(task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn upkeep_goes_on_until_it_is_dropped() {
        let (done, mut seen) = tokio::sync::mpsc::channel(1);
        let upkeep = every(Duration::from_millis(1), move || {
            done.try_send(()).ok();
        });
        for _ in 0..3 {
            assert_eq!(seen.recv().await, Some(()));
        }
        drop(upkeep);
        while seen.recv().await.is_some() {}
    }
}
