//! `publish`: sends the clip into a class by WHIP, as a recording host does.

use super::{SourceArgs, Target, interrupted, origin, runtime};
use crate::{
    client::{
        api::Api,
        near_and_far,
        peer::{Sender, Stopped},
    },
    report::{Check, Outputs, Report, Table},
};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// `lectern-loadtest publish`
#[derive(Debug, Clone, clap::Args)]
pub struct PublishArgs {
    #[command(flatten)]
    target: Target,
    /// The whole address of the WHIP endpoint, instead of --url and --room.
    #[arg(long, required_unless_present = "room")]
    whip: Option<String>,
    /// The room.
    #[arg(long)]
    room: Option<String>,
    /// The bearer token.
    #[arg(long, env = "LECTERN_TOKEN", hide_env_values = true)]
    token: String,
    #[command(flatten)]
    source: SourceArgs,
    /// How long, in seconds; without it, until interrupted.
    #[arg(long)]
    secs: Option<u64>,
    #[command(flatten)]
    outputs: Outputs,
}

impl PublishArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// If nothing could be sent.
    pub fn run(&self) -> Result<bool> {
        let source = self.source.prepare()?;
        runtime()?.block_on(async {
            let endpoint = match (&self.whip, &self.room) {
                (Some(whip), _) => whip.clone(),
                (None, room) => format!("{}/whip/{}", self.target.url, room.as_deref().unwrap_or_default()),
            };
            let mut report = Report::begin(&format!("publishing to {endpoint}"));
            let api = Api::new(&origin(&endpoint), self.target.insecure)?;
            let begun = Instant::now();
            let (near, _) = near_and_far(api.url());
            let (mut sender, offer) = Sender::new(&source, near).await?;
            let (session, answer) = api.offer(&endpoint, &self.token, offer).await?;
            sender.accept(&answer).await?;
            let connected = begun.elapsed();
            println!("publishing; interrupt to stop");
            let on_air = Instant::now();
            let until = self.secs.map(|secs| on_air + Duration::from_secs(secs));
            let stopped = tokio::select! {
                stopped = sender.run(&source, until) => stopped?,
                stop = interrupted() => stop.map(|()| Stopped::InTime)?,
            };
            let (sent, lasted) = (sender.sent(), on_air.elapsed());
            if stopped == Stopped::InTime {
                api.end_session(&session, &self.token).await.context("ending the session")?;
            }
            sender.close().await;
            let mut table = Table::new("sent", &["", "value"]);
            table.row(["request to connection, ms".to_owned(), connected.as_millis().to_string()]);
            table.row(["frames of each layer".to_owned(), sent.frames.to_string()]);
            table.row(["packets".to_owned(), sent.packets.to_string()]);
            report.tables.push(table);
            let kept = f64::from(u8::from(stopped == Stopped::InTime));
            report.checks.push(Check::at_least("connections that lasted", kept, 1.0, "of 1"));
            let due = lasted.as_secs_f64() * f64::from(source.fps);
            report.checks.push(Check::at_least("frames sent in time", 100.0 * f64::from(sent.frames) / due, 99.0, "%"));
            report.finish(&self.outputs, &sent)
        })
    }
}
