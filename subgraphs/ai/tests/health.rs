//! Whether its engine can be asked shows in the service's health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use platform::health::Status;
use platform::testing::eventually;
use text::{Action, Analysis, Engine, EngineError, Extractive, Found, Said, Schedule, Summary};

use crate::stage::{DEADLINE, Stage};

/// The built-in engine behind a line that can be cut.
#[derive(Default)]
struct Remote {
    cut: AtomicBool,
}

impl Engine for Remote {
    fn name(&self) -> &'static str {
        "remote"
    }

    fn check(&self) -> BoxFuture<'static, Result<(), EngineError>> {
        let cut = self.cut.load(Ordering::SeqCst);
        ready(if cut { Err(EngineError::Away("the line is cut".into())) } else { Ok(()) }).boxed()
    }

    fn summarise<'a>(&'a self, said: &'a Said) -> Found<'a, Summary> {
        Extractive.summarise(said)
    }

    fn schedule<'a>(&'a self, said: &'a Said) -> Found<'a, Schedule> {
        Extractive.schedule(said)
    }

    fn analyse<'a>(&'a self, said: &'a Said) -> Found<'a, Analysis> {
        Extractive.analyse(said)
    }

    fn actions<'a>(&'a self, said: &'a Said) -> Found<'a, Vec<Action>> {
        Extractive.actions(said)
    }
}

#[tokio::test]
async fn a_worker_is_degraded_while_its_engine_is_away() {
    let engine = Arc::new(Remote::default());
    let stage = Stage::with(engine.clone()).await;
    let engine_is = async |status: Status| {
        eventually(DEADLINE, || async {
            let report = stage.kernel.health.report().await;
            let of_engine = report.components.iter().find(|it| it.name == "ai.engine").unwrap();
            let detail = of_engine.detail.as_deref();
            assert!(detail.is_none_or(|detail| detail.contains("the line is cut")), "{detail:?}");
            of_engine.status == status && report.status == status
        })
        .await;
    };
    engine_is(Status::Up).await;
    engine.cut.store(true, Ordering::SeqCst);
    engine_is(Status::Degraded).await;
    engine.cut.store(false, Ordering::SeqCst);
    engine_is(Status::Up).await;
}
