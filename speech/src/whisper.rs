//! The built-in engine: whisper.cpp on one thread, window by window.

mod recognition;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::task;
use tokio_util::sync::CancellationToken;
use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperState};

use crate::engine::{Engine, Event, Job, Outcome, Sink};
use crate::error::SpeechError;
use crate::voice::Voice;
use crate::weights::Weights;
use recognition::Recognition;

/// How a running job is watched and stopped from outside.
pub struct Control {
    cancelled: AtomicBool,
    pulse: Box<dyn Fn() + Send + Sync>,
}

impl Control {
    /// `pulse` is called many times a second while the engine computes, as a
    /// sign that it lives: it must be quick.
    #[must_use]
    pub fn new(pulse: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { cancelled: AtomicBool::new(false), pulse: Box::new(pulse) })
    }

    /// Asks the job to stop; it ends with [`SpeechError::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), SpeechError> {
        (self.pulse)();
        if self.is_cancelled() { Err(SpeechError::Cancelled) } else { Ok(()) }
    }
}

/// Takes the events of a blocking recognition; an error ends it.
pub type Emit<'a> = &'a mut dyn FnMut(Event) -> Result<(), SpeechError>;

/// The loaded models; one job at a time. Its memory is about 400 MB.
struct Models {
    whisper: WhisperState,
    voice: Voice,
}

/// Whisper in this process. A crash of the native code takes the process
/// along, so servers use [`crate::ProcessEngine`].
#[derive(Clone)]
pub struct WhisperEngine(Arc<Mutex<Models>>);

impl fmt::Debug for WhisperEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WhisperEngine")
    }
}

impl WhisperEngine {
    /// Loads the weights; takes about a second.
    ///
    /// # Errors
    /// [`SpeechError::Engine`], not retryable, when the files aren't models.
    pub fn load(weights: &Weights) -> Result<Self, SpeechError> {
        // whisper.cpp talks a lot, partly on standard output.
        whisper_rs::install_logging_hooks();
        let refused = |path: &Path, error: &dyn fmt::Display| SpeechError::Engine {
            reason: format!("{}: {error}", path.display()),
            retryable: false,
        };
        let mut parameters = WhisperContextParameters::new();
        parameters.use_gpu(false);
        let model = &weights.model;
        let whisper = WhisperContext::new_with_params(model, parameters)
            .and_then(|context| context.create_state())
            .map_err(|error| refused(model, &error))?;
        let voice = Voice::load(weights)?;
        Ok(Self(Arc::new(Mutex::new(Models { whisper, voice }))))
    }

    /// Recognises one recording on the calling thread. Jobs on one engine wait
    /// for each other.
    ///
    /// # Errors
    /// See [`SpeechError`].
    pub fn recognise(
        &self,
        job: &Job,
        control: &Arc<Control>,
        emit: Emit<'_>,
    ) -> Result<Outcome, SpeechError> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Recognition::open(job, &mut models, control.clone(), emit)?.run()
    }
}

impl Engine for WhisperEngine {
    fn transcribe(
        &self,
        job: Job,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Outcome, SpeechError>> {
        let engine = self.clone();
        Box::pin(async move {
            let control = Control::new(|| {});
            let stopped = control.clone();
            let work = task::spawn_blocking(move || {
                engine.recognise(&job, &stopped, &mut |event| {
                    sink.blocking_send(event).map_err(|_| SpeechError::Cancelled)
                })
            });
            // Also stops the thread when the caller drops this future.
            let guard = CancelOnDrop(control);
            tokio::pin!(work);
            let joined = tokio::select! {
                joined = &mut work => joined,
                () = cancel.cancelled() => {
                    guard.0.cancel();
                    work.await
                }
            };
            joined.unwrap_or_else(|panic| Err(SpeechError::engine(panic)))
        })
    }
}

struct CancelOnDrop(Arc<Control>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
