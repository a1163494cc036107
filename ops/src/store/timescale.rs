//! TimescaleDB, where the server has it: the tables that grow become hypertables, and by-the-minute aggregates are kept up by the server. Elsewhere the same aggregates are views,
//! so a question is the same on both.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// A day, ns: the span of a chunk.
const CHUNK_NS: i64 = 86_400_000_000_000;

/// What grows.
const GROWING: [&str; 7] =
    ["order_events", "fills", "positions", "pnl_marks", "market_tops", "risk_events", "link_events"];

/// By the minute: name, and what it selects.
pub(super) const BY_MINUTE: [(&str, &str); 3] = [
    (
        "pnl_by_minute",
        "run_id, {bucket} AS minute_ns, MIN(pnl_usd_e4) AS low_usd_e4, MAX(pnl_usd_e4) AS high_usd_e4 FROM pnl_marks GROUP BY run_id, {bucket}",
    ),
    (
        "fills_by_minute",
        "run_id, {bucket} AS minute_ns, symbol, side, COUNT(*) AS fills, CAST(SUM(shares) AS BIGINT) AS shares \
         FROM fills WHERE kind = 'fill' AND booked = 1 GROUP BY run_id, {bucket}, symbol, side",
    ),
    (
        "events_by_minute",
        "run_id, {bucket} AS minute_ns, kind, COUNT(*) AS events FROM order_events GROUP BY run_id, {bucket}, kind",
    ),
];

/// Makes hypertables and aggregates, or views. Done again it changes nothing.
///
/// # Errors
/// The server's.
pub(super) async fn prepare(client: &Client) -> Result<(), tokio_postgres::Error> {
    if !is_there(client).await? {
        return views(client).await;
    }
    client
        .batch_execute(
            "CREATE OR REPLACE FUNCTION colo_now_ns() RETURNS BIGINT LANGUAGE SQL STABLE AS \
             $$ SELECT CAST(EXTRACT(EPOCH FROM now()) * 1000000000 AS BIGINT) $$",
        )
        .await?;
    for table in GROWING {
        let made = format!(
            "SELECT create_hypertable('{table}', 'time_ns', chunk_time_interval => {CHUNK_NS}::bigint, if_not_exists => TRUE, migrate_data => TRUE)"
        );
        client.batch_execute(&made).await?;
        client
            .batch_execute(&format!(
                "SELECT set_integer_now_func('{table}', 'colo_now_ns', replace_if_exists => TRUE)"
            ))
            .await?;
    }
    for (name, select) in BY_MINUTE {
        let known = client.query_opt("SELECT 1 FROM pg_class WHERE relname = $1", &[&name]).await?;
        if known.is_none() {
            // What the server has not aggregated yet it adds when it is asked (not its default), and it goes back without end: a journal may be shipped days late.
            let select = select.replace("{bucket}", "time_bucket(60000000000::bigint, time_ns)");
            let made = format!(
                "CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS SELECT {select} WITH NO DATA"
            );
            client.batch_execute(&made).await?;
            let policy = format!(
                "SELECT add_continuous_aggregate_policy('{name}', start_offset => NULL::bigint, end_offset => 60000000000::bigint, \
                 schedule_interval => INTERVAL '1 minute', if_not_exists => TRUE)"
            );
            client.batch_execute(&policy).await?;
        }
    }
    Ok(())
}

/// Whether this database has the extension. One that the server has and this database has not is made where our role may; only a superuser may by itself.
async fn is_there(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let offered =
        "SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'timescaledb'";
    match client.query_opt(offered, &[]).await? {
        None => Ok(false),
        Some(row) if row.get(0) => Ok(true),
        Some(_) => match client.batch_execute("CREATE EXTENSION IF NOT EXISTS timescaledb").await {
            Ok(()) => Ok(true),
            Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(false),
            Err(e) => Err(e),
        },
    }
}

/// An aggregate as any server takes it.
pub(super) fn plain(select: &str) -> String {
    select.replace("{bucket}", "time_ns - time_ns % 60000000000")
}

async fn views(client: &Client) -> Result<(), tokio_postgres::Error> {
    for (name, select) in BY_MINUTE {
        client.batch_execute(&format!("CREATE OR REPLACE VIEW {name} AS SELECT {}", plain(select))).await?;
    }
    Ok(())
}
