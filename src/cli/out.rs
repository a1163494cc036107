//! Where a command's data goes: a file, or stdout by the name `-`. A write that fails is one sentence; a reader of stdout that has gone away (`| head`)
//! ends the command quietly.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Exit, Failure, Outcome};

/// Why a command stops before its end.
pub(super) enum Stop {
    /// Nobody reads stdout any more.
    Unread,
    /// Something failed.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(f: Failure) -> Stop {
        Stop::Failed(f)
    }
}

/// What the command returns.
pub(super) fn outcome(end: Result<Exit, Stop>) -> Outcome {
    match end {
        Ok(exit) => Ok(exit),
        Err(Stop::Unread) => Ok(Exit::Ok),
        Err(Stop::Failed(f)) => Err(f),
    }
}

/// An output being written, buffered.
pub(super) struct Out {
    name: PathBuf,
    writer: BufWriter<Box<dyn Write>>,
}

/// Whether a path names stdout.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl Out {
    pub(super) fn stdout() -> Out {
        Out { name: "-".into(), writer: BufWriter::with_capacity(1 << 16, Box::new(io::stdout())) }
    }

    /// Creates a file, or takes stdout for `-`. A file that is one of `inputs` is refused: it would be emptied before it is read.
    pub(super) fn create(path: &Path, inputs: &[&Path]) -> Result<Out, Failure> {
        if is_stdout(path) {
            return Ok(Out::stdout());
        }
        if inputs.iter().any(|input| is_same(input, path)) {
            let sentence = format!("{}: is read by this command and would be overwritten", path.display());
            return Err(Failure::with(Exit::Usage, sentence));
        }
        let file = File::create(path).map_err(|e| failed(path, &e))?;
        Ok(Out { name: path.into(), writer: BufWriter::with_capacity(1 << 16, Box::new(file)) })
    }

    pub(super) fn write(&mut self, text: fmt::Arguments<'_>) -> Result<(), Stop> {
        let wrote = self.writer.write_fmt(text);
        self.checked(wrote)
    }

    /// Makes what was written visible.
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        let flushed = self.writer.flush();
        self.checked(flushed)
    }

    fn checked(&self, result: io::Result<()>) -> Result<(), Stop> {
        result.map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe if is_stdout(&self.name) => Stop::Unread,
            _ => Stop::Failed(failed(&self.name, &e)),
        })
    }
}

/// The same file, by whatever name. A path that cannot be looked at is not: creating it will say why.
fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |p: &Path| std::fs::metadata(p).ok().map(|m| (m.is_file(), m.dev(), m.ino()));
    matches!((id(a), id(b)), (Some(a), Some(b)) if a == b && a.0)
}

fn failed(path: &Path, e: &io::Error) -> Failure {
    let name = if is_stdout(path) { "stdout".into() } else { path.display().to_string() };
    Failure::new(format!("{name}: cannot be written: {e}"))
}
