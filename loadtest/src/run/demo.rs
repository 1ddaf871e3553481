//! `demo`: a synthetic teacher gives a lesson on a running server until interrupted, so that a newcomer has a class to
//! look at.

use super::{
    LogIn, SourceArgs, Target,
    class::{Teaching, teacher_secret},
    interrupted, runtime,
};
use crate::client::{
    api::Api,
    world::{ClassWish, World},
};
use anyhow::{Context, Result};
use lectern_protocol::api::ClassMode;
use std::time::{Duration, Instant};
use tokio::{sync::oneshot, time::sleep};

/// How long a server may take to start.
const READY_MAX: Duration = Duration::from_secs(60);
/// Between two attempts to go on teaching after the server went away.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// `lectern-loadtest demo`
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    #[command(flatten)]
    target: Target,
    /// An administrator, who makes school, teacher and class.
    #[command(flatten)]
    admin: LogIn,
    #[command(flatten)]
    source: SourceArgs,
    /// Do not record the lesson.
    #[arg(long)]
    no_record: bool,
}

impl DemoArgs {
    /// Teaches until interrupted.
    ///
    /// # Errors
    /// If the class can't be made.
    pub fn run(&self) -> Result<bool> {
        let source = self.source.prepare()?;
        runtime()?.block_on(async {
            let password = self.admin.password()?;
            let mut admin = Api::new(&self.target.url, self.target.insecure)?;
            let begun = Instant::now();
            while !admin.ready().await {
                anyhow::ensure!(begun.elapsed() < READY_MAX, "no server answers at {}", self.target.url);
                sleep(Duration::from_millis(100)).await;
            }
            admin.sign_in(&self.admin.login, &password).await.context("signing in")?;
            let wish = ClassWish {
                title: "第三课　分数的初步认识（示范课）",
                mode: ClassMode::Dedicated,
                record: !self.no_record,
                minutes: 240,
            };
            let World { teacher, class } = World::make(&admin, &teacher_secret(&password), wish).await?;
            let teaching = Teaching { api: teacher, code: class.code.clone() };
            println!("{}/c/{}", admin.url(), class.code);
            // One wait for the whole run: a signal between two lessons counts as well.
            let mut interrupt = std::pin::pin!(interrupted());
            loop {
                let (stop, stopped) = oneshot::channel();
                let mut lesson = std::pin::pin!(teaching.teach(&source, None, stopped, true));
                tokio::select! {
                    ended = &mut lesson => {
                        if let Err(error) = ended {
                            eprintln!("the lesson was interrupted: {error:#}; going on");
                        }
                    }
                    signal = &mut interrupt => {
                        signal?;
                        let _ = stop.send(()); // the lesson ends for all
                        return lesson.await.map(|_| true);
                    }
                }
                tokio::select! {
                    () = sleep(AGAIN_AFTER) => {}
                    signal = &mut interrupt => return signal.map(|()| true),
                }
            }
        })
    }
}
