//! NATS JetStream: each row a message, for whoever wants a core's events elsewhere.
//!
//! ```text
//!   stream   COLO-<core>                     one for each core: its messages are in the journal's order
//!   subject  colo.<core>.<table>             order_events, fills, positions, pnl_marks, market_tops, risk_events, link_events
//!   header   Nats-Msg-Id: <started_ns>.<run>.<seq>.<sub>
//!   payload  {"core":..., "run":..., "seq":..., "sub":..., "time_ns":..., then the table's columns}
//! ```
//!
//! Exactly once without a cursor of one's own: each message says which number of the stream it will have (`Nats-Expected-Last-Sequence`), so one that got lost takes all behind it with
//! it, and the last message that the stream holds says by its id up to where it has the journal. The stream's own window of duplicates, which forgets, is a second line only.
//! A stream whose messages were all deleted says nothing any more: `Marker`, a file beside the journal, then does.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, stream};
use async_nats::{ConnectErrorKind, ConnectOptions};
use rustls::ClientConfig;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

use super::tls::{self, Reach};
use super::{Batch, Cell, Ended, Place, Row, RunFacts, Store, StoreError};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages under way before their answers are waited for.
const UNDER_WAY: usize = 256;
/// How long the stream knows a message's id.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Where a message stands in a core's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
struct Id {
    started_ns: u64,
    run: u32,
    seq: u64,
    sub: u32,
}

impl Id {
    fn text(self) -> String {
        format!("{}.{}.{}.{}", self.started_ns, self.run, self.seq, self.sub)
    }

    fn of_text(text: &str) -> Option<Id> {
        let mut parts = text.split('.');
        let id = Id {
            started_ns: parts.next()?.parse().ok()?,
            run: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
            sub: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(id)
    }
}

/// The last message, kept on the disk.
struct Marker(PathBuf);

impl Marker {
    fn read(&self) -> Option<(u64, Id)> {
        serde_json::from_slice(&fs::read(&self.0).ok()?).ok()
    }

    fn write(&self, number: u64, id: Id) -> std::io::Result<()> {
        let new = self.0.with_extension("new");
        fs::write(&new, json!([number, id]).to_string())?;
        fs::rename(&new, &self.0)
    }
}

/// See the module.
pub struct JetStream {
    name: String,
    address: String,
    credentials: Option<String>,
    /// Where it is encrypted.
    tls: Option<ClientConfig>,
    marker: Marker,
    runtime: Runtime,
    context: Option<Context>,
    run: Option<RunFacts>,
    /// The number of the stream's last message.
    last: u64,
}

impl JetStream {
    /// A server by `host:port`, or `tls://host:port`; `credentials` are `user:password`, or a token. `marker` is a file of its own. Connects to nothing yet.
    ///
    /// A server of this host is reached without TLS unless `tls://` asks for it, one elsewhere with it.
    ///
    /// # Errors
    /// It is no address, or there is no authority to hold the server's certificate to.
    pub fn new(
        address: &str,
        credentials: Option<String>,
        marker: &Path,
        reach: &Reach,
    ) -> Result<JetStream, StoreError> {
        let (asked, address) = match address.strip_prefix("tls://") {
            Some(rest) => (Some(true), rest),
            None => (None, address.strip_prefix("nats://").unwrap_or(address)),
        };
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "4222"));
        let is_host = !host.is_empty() && !host.contains(['/', '@', '?', ',', ' ']);
        if !is_host || port.parse::<u16>().is_err() {
            return Err(StoreError::refused("the bus is given as ADDRESS:PORT, or tls://ADDRESS:PORT"));
        }
        let is_encrypted = reach.is_encrypted(tls::is_near(host), asked)?;
        let tls = if is_encrypted { Some(reach.client()?) } else { None };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StoreError::refused)?;
        Ok(JetStream {
            name: format!("NATS {host}:{port}"),
            address: format!("{host}:{port}"),
            credentials,
            tls,
            marker: Marker(marker.to_owned()),
            runtime,
            context: None,
            run: None,
            last: 0,
        })
    }

    fn connect(&mut self) -> Result<Context, StoreError> {
        if let Some(context) = &self.context {
            return Ok(context.clone());
        }
        let options = match self.credentials.as_deref().map(|c| c.split_once(':').ok_or(c)) {
            None => ConnectOptions::new(),
            Some(Ok((user, password))) => {
                ConnectOptions::with_user_and_password(user.into(), password.into())
            }
            Some(Err(token)) => ConnectOptions::with_token(token.into()),
        };
        // One that goes away is connected to anew by the next question: so it is known what it holds.
        let options = options.name("colo-monitor").connection_timeout(PATIENCE).max_reconnects(1);
        // No server that this one names: it might be elsewhere.
        let options = options.ignore_discovered_servers();
        let options = match &self.tls {
            Some(tls) => options.require_tls(true).tls_client_config(tls.clone()),
            None => options,
        };
        let address = &self.address;
        let context = self.runtime.block_on(within(async {
            let client = options.connect(address.as_str()).await.map_err(|e| {
                let refused = matches!(
                    e.kind(),
                    ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
                );
                if refused { StoreError::refused(e) } else { StoreError::away(e) }
            })?;
            // It starts a task of its own, so within the runtime.
            let mut context = jetstream::new(client);
            context.set_timeout(PATIENCE);
            Ok(context)
        }))?;
        self.context = Some(context.clone());
        Ok(context)
    }

    /// Whatever failed, what the stream holds has to be asked for again.
    fn lose<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.is_err() {
            self.context = None;
        }
        done
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::away(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// The number and id of the stream's last message; 0 and none where it is new.
async fn last_message(context: &Context, core: &str) -> Result<(u64, Option<Id>), StoreError> {
    let config = stream::Config {
        name: format!("COLO-{core}"),
        subjects: vec![format!("colo.{core}.>")],
        duplicate_window: DUPLICATES,
        ..stream::Config::default()
    };
    let stream = context.get_or_create_stream(config).await.map_err(StoreError::away)?;
    let state = &stream.cached_info().state;
    let last = state.last_sequence;
    if state.messages == 0 {
        return Ok((last, None));
    }
    let message = stream.get_raw_message(last).await.map_err(StoreError::away)?;
    let id = message.headers.get("Nats-Msg-Id").and_then(|id| Id::of_text(id.as_str()));
    match id {
        Some(id) => Ok((last, Some(id))),
        None => Err(StoreError::Refused(format!(
            "message {last} of stream COLO-{core} is not one of a journal: somebody else writes there"
        ))),
    }
}

/// A row as a message's payload.
fn payload(run: &RunFacts, row: &Row) -> String {
    let mut all = Map::new();
    all.insert("core".into(), run.core.as_str().into());
    all.insert("run".into(), run.run.into());
    let names = row.table.columns().map(|(name, _)| name).skip(1);
    for (name, cell) in names.zip(row.all()) {
        let value = match cell {
            Cell::Null => Value::Null,
            Cell::Int(v) => v.into(),
            Cell::Text(s) => s.into(),
        };
        all.insert(name.into(), value);
    }
    Value::Object(all).to_string()
}

impl Store for JetStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&mut self, run: &RunFacts) -> Result<Place, StoreError> {
        // The stream is asked anew each time: this is what is done when it is not certain what it holds.
        self.context = None;
        let context = self.connect()?;
        let asked = self.runtime.block_on(within(last_message(&context, &run.core)));
        let (last, id) = self.lose(asked)?;
        self.last = last;
        self.run = Some(run.clone());
        let id = id.or_else(|| self.marker.read().filter(|(number, _)| *number == last).map(|(_, id)| id));
        let Some(id) = id else { return Ok(Place::default()) };
        // Of a run whose first record is gone it is not known when it began.
        let started_ns =
            if run.started_ns == 0 && id.run == run.run { id.started_ns } else { run.started_ns };
        let (there, here) = ((id.started_ns, id.run), (started_ns, run.run));
        Ok(match there.cmp(&here) {
            std::cmp::Ordering::Less => Place::default(),
            std::cmp::Ordering::Equal => {
                Place { seq: id.seq, sub: id.sub.saturating_add(1), ..Place::default() }
            }
            // It has a later run: this one it has had whole.
            std::cmp::Ordering::Greater => {
                Place { seq: u64::MAX, ended: Ended::InDisorder, ..Place::default() }
            }
        })
    }

    fn keep(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some(run) = self.run.clone() else { return Err(StoreError::refused("no run was begun")) };
        let context = self.connect()?;
        for part in batch.rows.chunks(UNDER_WAY) {
            let first = self.last;
            let sent = self.runtime.block_on(within(publish(&context, &run, first, part)));
            self.last = self.lose(sent)?;
        }
        if let Some(row) = batch.rows.last() {
            let id = Id { started_ns: run.started_ns, run: run.run, seq: row.seq, sub: row.sub };
            self.marker
                .write(self.last, id)
                .map_err(|e| StoreError::Away(format!("{}: {e}", self.marker.0.display())))?;
        }
        Ok(())
    }
}

/// Publishes rows behind message `last`; answers with the number of the last of them.
async fn publish(context: &Context, run: &RunFacts, last: u64, rows: &[Row]) -> Result<u64, StoreError> {
    let mut answers = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(last..) {
        let id = Id { started_ns: run.started_ns, run: run.run, seq: row.seq, sub: row.sub };
        let message = PublishMessage::build()
            .payload(payload(run, row).into())
            .message_id(id.text())
            .expected_last_sequence(expected);
        let subject = format!("colo.{}.{}", run.core, row.table.name);
        answers.push(context.send_publish(subject, message).await.map_err(StoreError::away)?);
    }
    let mut at = last;
    for answer in answers {
        let ack = answer.await.map_err(|e| match e.kind() {
            // A part of what was sent before had come; the place says what.
            PublishErrorKind::WrongLastSequence => StoreError::Away("the stream stands elsewhere".into()),
            _ => StoreError::away(e),
        })?;
        // One that was a duplicate is not behind the last: what came before it is there already.
        if ack.duplicate || ack.sequence != at + 1 {
            return Err(StoreError::Away("the stream stands elsewhere".into()));
        }
        at = ack.sequence;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tables::FILLS;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is_one() {
        let id = Id { started_ns: u64::MAX, run: 7, seq: 12, sub: 3 };
        assert_eq!(Id::of_text(&id.text()), Some(id));
        for bad in ["", "1.2.3", "1.2.3.4.5", "a.2.3.4", "1.2.3.-4", "1.4294967296.3.4"] {
            assert_eq!(Id::of_text(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_one_and_elsewhere_means_tls() {
        let dir = tempfile::tempdir().unwrap();
        let of = |address: &str, reach: &Reach| JetStream::new(address, None, &dir.path().join("m"), reach);
        let plain = Reach { plain: true, ..Reach::default() };
        for (good, by_tls, allowed) in [
            ("127.0.0.1:4222", false, false),
            ("[::1]:4222", false, false),
            ("tls://127.0.0.1:4222", true, true),
            ("10.0.0.1:4222", true, false),
            ("nats.example.org:4222", true, false),
            ("tls://nats.example.org", true, true),
        ] {
            for (reach, encrypted) in [(&Reach::default(), by_tls), (&plain, allowed)] {
                assert_eq!(of(good, reach).unwrap().tls.is_some(), encrypted, "{good} {reach:?}");
            }
        }
        for bad in ["127.0.0.1:x", "", "tls://", "nats://u:p@127.0.0.1:4222", "127.0.0.1:1,10.0.0.1:2"] {
            assert!(of(bad, &plain).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_payload_names_every_column() {
        let run = RunFacts {
            core: "c".into(),
            run: 3,
            started_ns: 9,
            journal: String::new(),
            format: 1,
            config_hash: 0,
            config_toml: String::new(),
            strategy: String::new(),
            binary_sha256: None,
            grain_ns: 1,
        };
        let cells = FILLS.own.iter().map(|(name, _)| Cell::from(*name)).collect();
        let row = Row { table: &FILLS, seq: 5, sub: 1, time_ns: 7, cells };
        let said: Value = serde_json::from_str(&payload(&run, &row)).unwrap();
        assert_eq!(
            (&said["core"], &said["run"], &said["seq"], &said["time_ns"]),
            (&"c".into(), &3.into(), &5.into(), &7.into())
        );
        assert!(FILLS.own.iter().all(|(name, _)| said[*name] == *name), "{said}");
    }
}
