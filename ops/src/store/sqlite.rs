//! The embedded store: one SQLite file beside the journal, no server. Write-ahead logging, so that who reads does not hold up who writes.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};

use super::tables::{ADDED, ORDERS};
use super::{Batch, Cell, Ended, Place, Row, RunFacts, Store, StoreError, Table, timescale};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// How long a file that somebody else writes to is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Sqlite {
    name: String,
    file: Connection,
    run: Option<(i64, RunFacts)>,
}

impl Sqlite {
    /// Opens a file, makes it where it is not there, and brings its tables up to this version.
    ///
    /// # Errors
    /// The file's; or its tables are of a later version, or were changed.
    pub fn open(path: &Path) -> Result<Sqlite, StoreError> {
        let at = |e: &dyn std::fmt::Display| StoreError::Refused(format!("{}: {e}", path.display()));
        let mut file = Connection::open(path).map_err(|e| at(&e))?;
        file.busy_timeout(PATIENCE).map_err(|e| at(&e))?;
        // A transaction that a power failure takes away is shipped again: its place went with it.
        file.pragma_update(None, "journal_mode", "wal")
            .and_then(|()| file.pragma_update(None, "synchronous", "normal"))
            .map_err(|e| at(&e))?;
        migrations::migrations::runner().run(&mut file).map_err(|e| at(&e))?;
        for (name, select) in timescale::BY_MINUTE {
            let view = format!("CREATE VIEW IF NOT EXISTS {name} AS SELECT {}", timescale::plain(select));
            file.execute_batch(&view).map_err(|e| at(&e))?;
        }
        Ok(Sqlite { name: format!("SQLite {}", path.display()), file, run: None })
    }

    /// The connection, for questions.
    pub(super) fn connection(&self) -> &Connection {
        &self.file
    }
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Int(v) => ToSqlOutput::Owned(Value::Integer(*v)),
            Cell::Text(s) => ToSqlOutput::Borrowed(ValueRef::Text(s.as_bytes())),
        })
    }
}

/// A file that is full or busy may be free again; one that is damaged may not.
fn failure(e: rusqlite::Error) -> StoreError {
    match e.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen,
        ) => StoreError::away(e),
        _ => StoreError::refused(e),
    }
}

/// `INSERT` into a table, with a place for each column.
fn insert(table: &Table) -> String {
    let places: Vec<String> = (1..=table.columns().count()).map(|k| format!("?{k}")).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.names(), places.join(", "))
}

fn add<'a>(
    tx: &Transaction<'_>,
    sql: &str,
    run_id: i64,
    rows: impl Iterator<Item = &'a Row>,
) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(sql)?;
    for row in rows {
        let cells = std::iter::once(Cell::Int(run_id)).chain(row.all());
        statement.execute(rusqlite::params_from_iter(cells))?;
    }
    Ok(())
}

impl Store for Sqlite {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&mut self, run: &RunFacts) -> Result<Place, StoreError> {
        let tx = self.file.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let known = tx
            .query_row(
                "SELECT run_id, next_seq, ended, grain_ns FROM runs WHERE core = ?1 AND run = ?2 AND (started_ns = ?3 OR ?3 = 0) ORDER BY started_ns DESC LIMIT 1",
                params![run.core, run.run, Cell::from(run.started_ns)],
                |r| Ok((r.get(0)?, r.get::<_, i64>(1)?, r.get(2)?, r.get::<_, i64>(3)?)),
            )
            .optional()
            .map_err(failure)?;
        let (run_id, place) = match known {
            Some((run_id, next, ended, grain)) => {
                let grain_ns = u64::try_from(grain).ok();
                (
                    run_id,
                    Place { seq: next.try_into().unwrap_or(0), sub: 0, ended: Ended::of(ended), grain_ns },
                )
            }
            None => {
                let run_id = tx
                    .query_row("SELECT COALESCE(MAX(run_id), 0) + 1 FROM runs", [], |r| r.get(0))
                    .map_err(failure)?;
                let cells = super::tables::run_cells(run_id, run);
                tx.execute(&super::tables::insert_run("?"), rusqlite::params_from_iter(cells))
                    .map_err(failure)?;
                (run_id, Place::default())
            }
        };
        tx.commit().map_err(failure)?;
        self.run = Some((run_id, run.clone()));
        Ok(place)
    }

    fn keep(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some((run_id, _)) = self.run else { return Err(StoreError::refused("no run was begun")) };
        let tx = self.file.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let moved = tx
            .execute(
                "UPDATE runs SET next_seq = ?1, last_ns = ?2, ended = ?3, state_hash = COALESCE(?4, state_hash) \
                 WHERE run_id = ?5 AND next_seq = ?6",
                params![
                    Cell::from(batch.to),
                    Cell::from(batch.last_ns),
                    batch.ended as u8,
                    batch.state_hash.map(|h| format!("{h:016x}")),
                    run_id,
                    Cell::from(batch.from)
                ],
            )
            .map_err(failure)?;
        if moved != 1 {
            return Err(StoreError::refused(super::tables::ANOTHER));
        }
        for table in ADDED {
            let rows = batch.rows.iter().filter(|r| std::ptr::eq(r.table, table));
            add(&tx, &insert(table), run_id, rows).map_err(failure)?;
        }
        let upsert = format!(
            "{} ON CONFLICT (run_id, order_id) DO UPDATE SET {}",
            insert(&ORDERS),
            ORDERS.overwritten()
        );
        add(&tx, &upsert, run_id, batch.orders.values()).map_err(failure)?;
        for loss in &batch.losses {
            tx.execute(
                "INSERT INTO losses (run_id, from_seq, to_seq, why) VALUES (?1, ?2, ?3, ?4)",
                params![run_id, Cell::from(loss.from), Cell::from(loss.to), loss.why],
            )
            .map_err(failure)?;
        }
        tx.commit().map_err(failure)
    }
}
