//! `demo`: a recording host gives a lesson on a running server until interrupted, so that a newcomer has a class to look
//! at. It publishes by WHIP, so that the teacher's own place in the class stays free for the newcomer.

use super::{
    LogIn, SourceArgs, Target,
    class::{end_for_all, enter_as_teacher, teacher_secret},
    interrupted, runtime,
};
use crate::{
    client::{
        api::Api,
        near_and_far,
        peer::{Sender, Stopped},
        world::{ClassWish, TEACHER_LOGIN, World},
    },
    source::Source,
};
use anyhow::{Context, Result};
use lectern_media::UnixMillis;
use lectern_protocol::{
    api::{Class, ClassMode, ClassPreview},
    ws::LessonState,
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a server may take to start.
const READY_MAX: Duration = Duration::from_secs(60);
/// Between two attempts to go on teaching after the server went away.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A device's token is renewed this long before it expires; the class sees one short interruption.
const RENEW_BEFORE: Duration = Duration::from_secs(600);

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
            let secret = teacher_secret(&password);
            // One wait for the whole run: a signal between two lessons counts as well.
            let mut interrupt = std::pin::pin!(interrupted());
            loop {
                let wish = ClassWish {
                    title: "第三课　分数的初步认识（示范课）",
                    mode: ClassMode::Dedicated,
                    record: !self.no_record,
                    minutes: 600,
                };
                let World { teacher, class } = World::make(&admin, &secret, wish).await?;
                println!(
                    "\nA class is being taught by a synthetic teacher.\n\n  \
                     join it as a student     {url}/c/{code}\n  \
                     as a classroom screen    {url}/screen/{code}\n  \
                     be its teacher           {url}/c/{code}  as {TEACHER_LOGIN}, password: {secret}\n",
                    url = admin.url(),
                    code = class.code,
                );
                tokio::select! {
                    () = lesson(&teacher, &class, &source) => eprintln!("the lesson was ended; giving another one"),
                    signal = &mut interrupt => {
                        signal?;
                        // The lesson is over for all and in the library, not one that lost its teacher.
                        let room = enter_as_teacher(&teacher, &class.code).await?;
                        return end_for_all(room).await.map(|()| true);
                    }
                }
            }
        })
    }
}

/// Publishes until somebody ends the class; goes on by itself after anything else.
async fn lesson(teacher: &Api, class: &Class, source: &Source) {
    loop {
        if let Err(error) = publish(teacher, class, source).await {
            eprintln!("the lesson was interrupted: {error:#}; going on");
        }
        let preview: Result<ClassPreview> = teacher.get(&format!("/api/v1/classes/by-code/{}", class.code)).await;
        if preview.is_ok_and(|p| p.state == LessonState::Over) {
            return;
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Publishes until shortly before the token expires or the connection ends.
async fn publish(teacher: &Api, class: &Class, source: &Source) -> Result<()> {
    let device = teacher.device_token(class).await?;
    let endpoint = device.whip.context("the token does not publish")?;
    let good_for = Duration::from_millis(device.expires.0.saturating_sub(UnixMillis::now().0).max(0) as u64);
    let until = Instant::now() + good_for.saturating_sub(RENEW_BEFORE);
    let (near, _) = near_and_far(teacher.url());
    let (mut sender, offer) = Sender::new(source, near).await?;
    let (session, answer) = teacher.offer(&endpoint, &device.token, offer).await?;
    sender.accept(&answer).await?;
    let stopped = sender.run(source, Some(until)).await;
    sender.close().await;
    if stopped? == Stopped::InTime {
        teacher.end_session(&session, &device.token).await?;
    }
    Ok(())
}
