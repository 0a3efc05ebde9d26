//! `stack fetch` and `stack run`.

use std::{
    env,
    ffi::OsString,
    io,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use stack::{External, Options, Stack};
use tokio::{
    process::Command,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::Failure;

pub(crate) fn fetch() -> Result<ExitCode, Failure> {
    stack::fetch()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a stack around `command`, or until we are told to stop.
pub(crate) async fn run(
    data_dir: Option<PathBuf>,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let throw_away = data_dir.is_none().then(throw_away_folder).transpose()?;
    let mut options = match (data_dir, &throw_away) {
        (None, Some(folder)) => Options { throw_away: true, ..Options::new(folder.path()) },
        (folder, _) => Options::new(folder.unwrap_or_default()),
    };
    options.external = External::from_environment();
    let stack = Stack::start(&options).await?;

    let code = match command.split_first() {
        None => {
            print_exports(&stack)?;
            tokio::select! {
                () = signals.any() => Ok(ExitCode::SUCCESS),
                server = stack.failed() => Err(Failure::from(format!("{server} is down"))),
            }
        }
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).envs(stack.variables()).kill_on_drop(true);
            if let Some(programs) = stack.postgres_programs() {
                command.env("PATH", path_with(programs)?);
            }
            tokio::select! {
                status = command.status() => status.map(code_of).map_err(Failure::from),
                () = signals.any() => Ok(ExitCode::FAILURE),
            }
        }
    };
    stack.stop().await;
    code
}

fn code_of(status: std::process::ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn path_with(programs: &Path) -> Result<OsString, env::JoinPathsError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(programs.to_path_buf()).chain(env::split_paths(&path)))
}

fn print_exports(stack: &Stack) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (name, url) in stack.variables() {
        writeln!(out, "export {name}='{url}'")?;
    }
    out.flush()
}

/// Starts of the names of folders for the data of tests.
pub(crate) const THROW_AWAY_PREFIX: &str = "moim-stack-";

/// A folder that is removed with the value, and that any user may enter, for
/// the servers may run as another one.
pub(crate) fn throw_away_folder() -> io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o711);
    tempfile::Builder::new().prefix(THROW_AWAY_PREFIX).permissions(mode).tempdir()
}

/// The signals that ask us to end.
pub(crate) struct Signals([Signal; 3]);

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    pub(crate) async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
