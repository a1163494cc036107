//! PostgreSQL: a batch is one transaction, its rows go by binary COPY straight into their tables.
//!
//! Everything waits for the server at most `PATIENCE`; a server that is away or says nothing is connected to again by the next question. What was asked when it went away may have
//! been done: the place says.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tables::{ADDED, ORDERS};
use super::tls::{self, Reach};
use super::{Batch, Cell, Ended, Kind, Place, Row, RunFacts, Store, StoreError, Table, tables, timescale};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who brings the tables up to this version holds this lock, so that two shippers that start together do not.
const MIGRATING: i64 = 0x636f_6c6f;

/// See the module.
pub struct Postgres {
    name: String,
    config: Config,
    /// Used where the configuration requires it.
    tls: MakeRustlsConnect,
    runtime: Runtime,
    client: Option<Client>,
    migrated: bool,
    run_id: Option<i64>,
}

impl Postgres {
    /// Takes an address with its password: `host=... port=... user=... dbname=... password=... sslmode=...`, or a URL. Connects to nothing yet.
    ///
    /// A server of this host is reached without TLS unless `sslmode=require` asks for it, one elsewhere with it.
    ///
    /// # Errors
    /// It is no address, or one of another host that asks for no TLS; or there is no authority to hold its certificate to.
    pub fn new(address: &str, reach: &Reach) -> Result<Postgres, StoreError> {
        // The parser's own words repeat what it was given.
        let mut config: Config = address.parse().map_err(|_| {
            StoreError::refused("the address of the database is not one: host=... user=... dbname=...")
        })?;
        let is_near = |h: &Host| match h {
            Host::Unix(_) => true,
            Host::Tcp(name) => tls::is_near(name),
        };
        if config.get_hosts().is_empty() {
            config.host("127.0.0.1");
        }
        let asked = match config.get_ssl_mode() {
            SslMode::Disable => Some(false),
            SslMode::Require => Some(true),
            _ => None,
        };
        let is_encrypted = reach.is_encrypted(config.get_hosts().iter().all(is_near), asked)?;
        config.ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
        let tls = MakeRustlsConnect::new(reach.client()?);
        config.connect_timeout(Duration::from_secs(5)).application_name("colo-monitor");
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StoreError::refused)?;
        let at = config.get_hosts().first().map_or_else(String::new, |h| match h {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let name = format!("PostgreSQL {at}:{port}/{}", config.get_dbname().unwrap_or_default());
        Ok(Postgres { name, config, tls, runtime, client: None, migrated: false, run_id: None })
    }

    /// Connects where it is not.
    fn connect(&mut self) -> Result<(), StoreError> {
        if self.client.as_ref().is_some_and(|c| !c.is_closed()) {
            return Ok(());
        }
        self.client = None;
        let (config, tls, migrated) = (&self.config, self.tls.clone(), self.migrated);
        let client = self.runtime.block_on(within(async {
            let (mut client, connection) = config.connect(tls).await.map_err(failure)?;
            // Ends with the connection; why it ended is told by the question that found it gone.
            tokio::spawn(async move {
                let _ = connection.await;
            });
            if !migrated {
                migrate(&mut client).await?;
            }
            Ok(client)
        }))?;
        self.migrated = true;
        self.client = Some(client);
        Ok(())
    }

    /// Asks over a connection that stands; one that fails is not used again.
    fn with<T>(
        &mut self,
        f: impl AsyncFnOnce(&mut Client) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connect()?;
        let Some(client) = &mut self.client else { return Err(StoreError::away("not connected")) };
        let done = self.runtime.block_on(within(f(client)));
        if matches!(done, Err(StoreError::Away(_))) {
            self.client = None;
        }
        done
    }

    /// Rows of a question.
    pub(super) fn rows(&mut self, sql: &str, given: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.with(async |client| {
            let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|c| c as _).collect();
            let rows = client.query(sql, &given).await.map_err(failure)?;
            let cell = |row: &tokio_postgres::Row, k: usize| {
                let read = match *row.columns()[k].type_() {
                    Type::INT8 => row.try_get::<_, Option<i64>>(k).map(Cell::from),
                    _ => row.try_get::<_, Option<String>>(k).map(Cell::from),
                };
                read.map_err(failure)
            };
            rows.iter().map(|row| (0..row.len()).map(|k| cell(row, k)).collect()).collect()
        })
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::away(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn migrate(client: &mut Client) -> Result<(), StoreError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATING]).await.map_err(failure)?;
    let done = migrations::migrations::runner().run_async(client).await;
    done.map_err(|e| if client.is_closed() { StoreError::away(e) } else { StoreError::refused(e) })?;
    timescale::prepare(client).await.map_err(failure)?;
    client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATING]).await.map_err(failure)?;
    Ok(())
}

/// A server that is away, starting, stopping or full may come back; one that does not know us, or that has other tables, will not.
fn failure(e: tokio_postgres::Error) -> StoreError {
    let Some(said) = e.as_db_error() else {
        let why =
            std::error::Error::source(&e).map_or_else(|| e.to_string(), |source| format!("{e}: {source}"));
        return StoreError::Away(why);
    };
    let code = said.code().code();
    let passes = ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class));
    let why = format!("{} ({code})", said.message());
    if passes { StoreError::Away(why) } else { StoreError::Refused(why) }
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Int(v) => v.to_sql(ty, out),
            Cell::Text(s) => s.as_str().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT)
    }

    to_sql_checked!();
}

/// Rows into a table, by binary COPY.
async fn copy<'a>(
    tx: &Transaction<'_>,
    table: &Table,
    into: &str,
    run_id: i64,
    rows: impl Iterator<Item = &'a Row>,
) -> Result<(), StoreError> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let types: Vec<Type> =
        table.columns().map(|(_, kind)| if kind == Kind::Int { Type::INT8 } else { Type::TEXT }).collect();
    let sql = format!("COPY {into} ({}) FROM STDIN (FORMAT binary)", table.names());
    let mut writer = pin!(BinaryCopyInWriter::new(tx.copy_in(&sql).await.map_err(failure)?, &types));
    let mut cells = Vec::with_capacity(types.len());
    for row in rows {
        cells.clear();
        cells.push(Cell::Int(run_id));
        cells.extend(row.all());
        if cells.len() != types.len() {
            return Err(StoreError::refused(format!("a row of {} has {} columns", table.name, cells.len())));
        }
        writer.as_mut().write_raw(cells.iter()).await.map_err(failure)?;
    }
    writer.finish().await.map_err(failure).map(drop)
}

impl Store for Postgres {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&mut self, run: &RunFacts) -> Result<Place, StoreError> {
        let (run_id, place) = self.with(async |client| {
            let tx = client.transaction().await.map_err(failure)?;
            // Two who begin a run at once would both take the next number.
            tx.batch_execute("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE").await.map_err(failure)?;
            let known = "SELECT run_id, next_seq, ended, grain_ns FROM runs WHERE core = $1 AND run = $2 AND (started_ns = $3 OR $3 = 0) ORDER BY started_ns DESC LIMIT 1";
            let (number, started) = (Cell::from(run.run), Cell::from(run.started_ns));
            let found = tx.query_opt(known, &[&run.core, &number, &started]).await.map_err(failure)?;
            let answer = match found {
                Some(row) => {
                    let (next, ended, grain): (i64, i64, i64) = (row.get(1), row.get(2), row.get(3));
                    let grain_ns = u64::try_from(grain).ok();
                    (row.get(0), Place { seq: next.try_into().unwrap_or(0), sub: 0, ended: Ended::of(ended), grain_ns })
                }
                None => {
                    let next = tx.query_one("SELECT COALESCE(MAX(run_id), 0) + 1 FROM runs", &[]).await.map_err(failure)?;
                    let run_id: i64 = next.get(0);
                    let cells = tables::run_cells(run_id, run);
                    let given: Vec<&(dyn ToSql + Sync)> = cells.iter().map(|c| c as _).collect();
                    tx.execute(&tables::insert_run("$"), &given).await.map_err(failure)?;
                    (run_id, Place::default())
                }
            };
            tx.commit().await.map_err(failure)?;
            Ok(answer)
        })?;
        self.run_id = Some(run_id);
        Ok(place)
    }

    fn keep(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some(run_id) = self.run_id else { return Err(StoreError::refused("no run was begun")) };
        self.with(async |client| {
            let tx = client.transaction().await.map_err(failure)?;
            let hash = Cell::from(batch.state_hash.map(|h| format!("{h:016x}")));
            let numbers = [batch.to.into(), batch.last_ns.into(), Cell::Int(batch.ended as i64), hash, Cell::Int(run_id), batch.from.into()];
            let given: Vec<&(dyn ToSql + Sync)> = numbers.iter().map(|c| c as _).collect();
            let turn = "UPDATE runs SET next_seq = $1, last_ns = $2, ended = $3, state_hash = COALESCE($4, state_hash) \
                        WHERE run_id = $5 AND next_seq = $6";
            if tx.execute(turn, &given).await.map_err(failure)? != 1 {
                return Err(StoreError::refused(tables::ANOTHER));
            }
            for table in ADDED {
                let rows = batch.rows.iter().filter(|r| std::ptr::eq(r.table, table));
                copy(&tx, table, table.name, run_id, rows).await?;
            }
            if !batch.orders.is_empty() {
                tx.batch_execute("CREATE TEMP TABLE IF NOT EXISTS orders_new (LIKE orders) ON COMMIT DELETE ROWS")
                    .await
                    .map_err(failure)?;
                copy(&tx, &ORDERS, "orders_new", run_id, batch.orders.values()).await?;
                let names = ORDERS.names();
                let upsert = format!(
                    "INSERT INTO orders ({names}) SELECT {names} FROM orders_new ON CONFLICT (run_id, order_id) DO UPDATE SET {}",
                    ORDERS.overwritten()
                );
                tx.execute(&upsert, &[]).await.map_err(failure)?;
            }
            for loss in &batch.losses {
                let cells = [Cell::Int(run_id), loss.from.into(), loss.to.into(), loss.why.as_str().into()];
                let given: Vec<&(dyn ToSql + Sync)> = cells.iter().map(|c| c as _).collect();
                tx.execute("INSERT INTO losses (run_id, from_seq, to_seq, why) VALUES ($1, $2, $3, $4)", &given)
                    .await
                    .map_err(failure)?;
            }
            tx.commit().await.map_err(failure)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_this_host_or_encrypted_and_its_password_in_no_message() {
        for near in [
            "host=127.0.0.1 user=u password=hunter2",
            "host=/run/postgresql user=u",
            "postgres://u:hunter2@localhost:5433/colo",
            // Elsewhere: by TLS.
            "host=10.0.0.1 user=u password=hunter2",
            "postgres://u:hunter2@db.example.org/x?sslmode=require",
        ] {
            let store = Postgres::new(near, &Reach::default()).unwrap();
            assert!(!store.name().contains("hunter2"), "{}", store.name());
        }
        for bad in [
            "host=10.0.0.1 user=u password=hunter2 sslmode=disable",
            "host=127.0.0.1,10.0.0.1 user=u password=hunter2 sslmode=disable",
            "postgres://u:hunter2@db.example.org/x?sslmode=disable",
            "password=hunter2 nonsense",
        ] {
            let refused = Postgres::new(bad, &Reach::default()).err().expect("refused").to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
