//! A standing on the disk, and how one is had of a run that is over.
//!
//! ```text
//!   standing      colo standing 1 crc32c 0a1b2c3d
//!                 {"run":7,"config_hash":"...","log_id":"...","segment_bytes":...,"segment":...,"offset":...,"index":...,"standing":{...}}
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::Nanos;
use ringbuf::log::{End, LogError, Place, Reader};
use serde::{Deserialize, Serialize};

use super::super::run::{self, RunDir};
use super::super::{Record, RunError};
use super::{EVERY, EVERY_RECORDS, Standing};

const FILE: &str = "standing";
const HEAD: &str = "colo standing 1 crc32c ";
/// A day's worth of trades and orders is some megabytes; what is longer is none of ours.
const BYTES_MAX: u64 = 64 << 20;

/// Why a standing cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// The disk says no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written, or is not of this run or place.
    #[error("{path}: {what}")]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The journal itself cannot be read.
    #[error("{path}: {source}")]
    Log {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: LogError,
    },
    /// The folder of runs.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What is in the file. Numbers of 64 bits are text, for not every reader of JSON keeps them whole.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    run: u32,
    config_hash: String,
    log_id: String,
    segment_bytes: usize,
    segment: u32,
    offset: u64,
    index: u64,
    standing: Standing,
}

/// What a run that is over left, for the start of the next.
#[derive(Debug)]
pub struct Before {
    /// Its number.
    pub run: u32,
    /// What stood.
    pub standing: Standing,
    /// Records that were read for it.
    pub records_read: u64,
    /// Why the file was of no use, where it was not.
    pub unfit: Option<StandingError>,
    /// How long it took.
    pub took: Duration,
}

/// Keeps the standing of a run that goes on, for whoever follows its journal.
pub struct Keeping {
    standing: Standing,
    run: PathBuf,
    number: u32,
    config_hash: u64,
    /// Whether what is written is synced.
    durable: bool,
    written: (u64, Nanos),
    /// Nothing more is asked of a disk that has failed.
    failed: bool,
}

impl Keeping {
    /// Of the run `number` in folder `run`, from its first record on; `durable`: what is written is synced.
    #[must_use]
    pub fn new(run: &Path, number: u32, config_hash: u64, durable: bool) -> Keeping {
        let (standing, run) = (Standing::default(), run.to_path_buf());
        Keeping { standing, run, number, config_hash, durable, written: (0, Nanos::ZERO), failed: false }
    }

    /// Takes the next record; `None` of one that cannot be decoded.
    pub fn on(&mut self, record: Option<&Record>) {
        match record {
            Some(record) => self.standing.on_record(record),
            None => self.standing.on_unknown(),
        }
    }

    /// Writes it where it is time to; `last` where the run is over. `place` is that of the next record.
    ///
    /// # Errors
    /// The disk's, once: nothing more is written from then on.
    pub fn tend(&mut self, place: Option<Place>, last: bool) -> Result<(), StandingError> {
        let (records, at) = self.written;
        let new = self.standing.records - records;
        let is_due = new >= EVERY_RECORDS && self.standing.now().since(at) >= EVERY;
        let Some(place) = place.filter(|p| !self.failed && p.index == self.standing.records) else {
            return Ok(());
        };
        if !(is_due || (last && new > 0)) {
            return Ok(());
        }
        self.written = (self.standing.records, self.standing.now());
        let written = write(&self.run, (self.number, self.config_hash), place, &self.standing, self.durable);
        self.failed = written.is_err();
        written
    }
}

fn write(
    run: &Path,
    (number, config_hash): (u32, u64),
    place: Place,
    standing: &Standing,
    durable: bool,
) -> Result<(), StandingError> {
    let (path, new) = (run.join(FILE), run.join("standing.new"));
    let kept = Kept {
        run: number,
        config_hash: format!("{config_hash:016x}"),
        log_id: format!("{:016x}", place.log_id),
        segment_bytes: place.segment_bytes,
        segment: place.segment,
        offset: place.offset,
        index: place.index,
        standing: standing.clone(),
    };
    let done = || -> io::Result<()> {
        let body = serde_json::to_string(&kept)?;
        let text = format!("{HEAD}{:08x}\n{body}\n", crc32c::crc32c(body.as_bytes()));
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.custom_flags(libc::O_NOFOLLOW).open(&new)?;
        file.write_all(text.as_bytes())?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&new, &path)?;
        if durable { File::open(run)?.sync_all() } else { Ok(()) }
    };
    done().map_err(|source| {
        let _ = fs::remove_file(&new);
        StandingError::Io { path: path.clone(), source }
    })
}

fn read(run: &Path, number: u32, config_hash: u64) -> Result<Option<(Place, Standing)>, StandingError> {
    let path = run.join(FILE);
    let unfit = |what| StandingError::Unfit { path: path.clone(), what };
    let io = |source| StandingError::Io { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match options.open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    let there = file.metadata().map_err(io)?;
    if !there.is_file() || there.len() > BYTES_MAX {
        return Err(unfit("not a standing"));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    let text = str::from_utf8(&bytes).map_err(|_| unfit("not text"))?;
    let (head, body) = text.split_once('\n').ok_or_else(|| unfit("torn"))?;
    let body = body.strip_suffix('\n').ok_or_else(|| unfit("torn"))?;
    if head != format!("{HEAD}{:08x}", crc32c::crc32c(body.as_bytes())) {
        return Err(unfit("not what was written"));
    }
    let kept: Kept = serde_json::from_str(body).map_err(|_| unfit("not a standing of this version"))?;
    if (kept.run, kept.config_hash) != (number, format!("{config_hash:016x}")) {
        return Err(unfit("of another run"));
    }
    if kept.standing.records != kept.index || !kept.standing.restraint.is_understood() {
        return Err(unfit("not a standing of this version"));
    }
    let log_id =
        u64::from_str_radix(&kept.log_id, 16).map_err(|_| unfit("not a standing of this version"))?;
    let Kept { segment_bytes, segment, offset, index, standing, .. } = kept;
    Ok(Some((Place { log_id, segment_bytes, segment, offset, index }, standing)))
}

/// Folds what `reader` has left; how many records that was. The end of a killed process is an end.
fn fold(reader: &mut Reader, standing: &mut Standing) -> Result<u64, LogError> {
    let from = standing.records;
    while let Some(r) = reader.next()? {
        match Record::decode(r.kind, r.payload) {
            Ok(record) => standing.on_record(&record),
            Err(_) => standing.on_unknown(),
        }
    }
    match reader.end()? {
        End::Clean | End::Torn { .. } => Ok(standing.records - from),
    }
}

/// What stands at the end of a run that is over, of every record of it; and how many that were.
///
/// # Errors
/// [`StandingError::Log`].
pub fn of_all(run: &Path) -> Result<(Standing, u64), StandingError> {
    let core = RunDir::core(run);
    let mut standing = Standing::default();
    let read = Reader::open(&core).and_then(|mut reader| fold(&mut reader, &mut standing));
    let records = read.map_err(|source| StandingError::Log { path: core, source })?;
    Ok((standing, records))
}

/// What stands at the end of the run `number` in folder `run`, which is over: of its standing on the disk and the records behind it, or of all where there is none that fits.
///
/// # Errors
/// [`StandingError::Log`] where the journal cannot be read either.
pub fn of_run(run: &Path, number: u32) -> Result<Before, StandingError> {
    let began = Instant::now();
    let core = RunDir::core(run);
    let mut unfit = None;
    let config_hash =
        read_config_hash(run).map_err(|source| StandingError::Io { path: run.into(), source })?;
    match read(run, number, config_hash) {
        Ok(None) => {}
        Ok(Some((place, mut standing))) => {
            let read = Reader::open_at(&core, place).and_then(|mut reader| fold(&mut reader, &mut standing));
            match read {
                Ok(records_read) => {
                    return Ok(Before { run: number, standing, records_read, unfit, took: began.elapsed() });
                }
                Err(source) => unfit = Some(StandingError::Log { path: core, source }),
            }
        }
        Err(e) => unfit = Some(e),
    }
    let (standing, records_read) = of_all(run)?;
    Ok(Before { run: number, standing, records_read, unfit, took: began.elapsed() })
}

/// The hash of the configuration that a run was started with, as its `Start` record has it.
fn read_config_hash(run: &Path) -> io::Result<u64> {
    Ok(crate::core::config_hash(&fs::read_to_string(run.join("config.toml"))?))
}

/// What the last run before `number` in a folder of journals left; `None` where there is none. A run that was ended before it took anything in is passed over: what restrains
/// was not in its journal yet.
///
/// # Errors
/// [`StandingError`], where it cannot be told.
pub fn before(journal_dir: &Path, number: u32) -> Result<Option<Before>, StandingError> {
    let mut number = number;
    while let Some((run, path)) = run::last_before(journal_dir, number)? {
        number = run;
        if !RunDir::core(&path).is_dir() {
            continue;
        }
        match of_run(&path, run) {
            Err(StandingError::Log { source: LogError::Empty { .. }, .. }) => {}
            Ok(before) if before.standing.records <= 1 => {}
            found => return found.map(Some),
        }
    }
    Ok(None)
}
