-- What a core's journal says, as tables: PostgreSQL and SQLite take this file alike. docs/storage.md tells each table and has queries.
--
-- Money and prices are integers of 1e-4 USD (_usd_e4), fees of 1e-6 USD (_usd_e6), times ns since the Unix epoch in UTC (_ns), flags 0 or 1.
-- A row is known by run and place: seq is the journal's record, sub the row's number within it. Numbers of a venue that need all 64 bits are text.

CREATE TABLE runs (
    run_id BIGINT NOT NULL PRIMARY KEY,
    core TEXT NOT NULL,
    run BIGINT NOT NULL,
    started_ns BIGINT NOT NULL,
    journal TEXT NOT NULL,
    format BIGINT NOT NULL,
    config_hash TEXT NOT NULL,
    config_toml TEXT NOT NULL,
    strategy TEXT NOT NULL,
    binary_sha256 TEXT,
    grain_ns BIGINT NOT NULL,
    -- 0: goes on, or was not read to its end; 1: ended in order; 2: ended in disorder.
    ended BIGINT NOT NULL DEFAULT 0,
    last_ns BIGINT NOT NULL DEFAULT 0,
    state_hash TEXT,
    -- The journal's records below this one are in the tables, and no other.
    next_seq BIGINT NOT NULL DEFAULT 0,
    UNIQUE (core, run, started_ns)
);

CREATE TABLE orders (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    token BIGINT NOT NULL,
    gateway TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    short BIGINT NOT NULL,
    tif TEXT NOT NULL,
    px_usd_e4 BIGINT NOT NULL,
    asked_shares BIGINT NOT NULL,
    open_shares BIGINT NOT NULL,
    executed_shares BIGINT NOT NULL,
    state TEXT NOT NULL,
    venue_order TEXT,
    created_ns BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    replaces BIGINT NOT NULL,
    adopted BIGINT NOT NULL,
    arrival_bid_usd_e4 BIGINT,
    arrival_ask_usd_e4 BIGINT,
    PRIMARY KEY (run_id, order_id)
);

CREATE TABLE order_events (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    kind TEXT NOT NULL,
    order_id BIGINT,
    token BIGINT,
    gateway TEXT,
    symbol TEXT,
    side TEXT,
    shares BIGINT,
    px_usd_e4 BIGINT,
    venue_seq BIGINT,
    venue_ts_ns BIGINT,
    state_from TEXT,
    state_to TEXT,
    reason TEXT,
    received_ns BIGINT,
    decoded_ns BIGINT,
    decided_ns BIGINT,
    sent_ns BIGINT,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX order_events_time ON order_events (time_ns);
CREATE INDEX order_events_order ON order_events (run_id, order_id);

CREATE TABLE fills (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    kind TEXT NOT NULL,
    booked BIGINT NOT NULL,
    replayed BIGINT NOT NULL,
    gateway TEXT NOT NULL,
    token BIGINT NOT NULL,
    order_id BIGINT,
    symbol TEXT,
    side TEXT,
    shares BIGINT,
    px_usd_e4 BIGINT,
    liquidity TEXT,
    match_number TEXT NOT NULL,
    venue_ts_ns BIGINT NOT NULL,
    fee_usd_e6 BIGINT NOT NULL,
    arrival_bid_usd_e4 BIGINT,
    arrival_ask_usd_e4 BIGINT,
    mark_usd_e4 BIGINT,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX fills_time ON fills (time_ns);
CREATE INDEX fills_match ON fills (match_number);

CREATE TABLE positions (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    shares BIGINT NOT NULL,
    bought_shares BIGINT NOT NULL,
    sold_shares BIGINT NOT NULL,
    fills BIGINT NOT NULL,
    mark_usd_e4 BIGINT NOT NULL,
    cash_usd_e4 BIGINT NOT NULL,
    cost_usd_e4 BIGINT NOT NULL,
    fifo_cost_usd_e4 BIGINT NOT NULL,
    realised_usd_e4 BIGINT NOT NULL,
    unrealised_usd_e4 BIGINT NOT NULL,
    fees_usd_e6 BIGINT NOT NULL,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX positions_symbol ON positions (run_id, symbol, seq, sub);

CREATE TABLE pnl_marks (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    pnl_usd_e4 BIGINT NOT NULL,
    realised_usd_e4 BIGINT NOT NULL,
    unrealised_usd_e4 BIGINT NOT NULL,
    fees_usd_e6 BIGINT NOT NULL,
    gross_usd_e4 BIGINT NOT NULL,
    net_usd_e4 BIGINT NOT NULL,
    open_orders BIGINT NOT NULL,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX pnl_marks_time ON pnl_marks (time_ns);

CREATE TABLE market_tops (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    bid_usd_e4 BIGINT,
    bid_shares BIGINT NOT NULL,
    ask_usd_e4 BIGINT,
    ask_shares BIGINT NOT NULL,
    validity TEXT NOT NULL,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX market_tops_time ON market_tops (symbol, time_ns);

CREATE TABLE risk_events (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    cause TEXT,
    symbol TEXT,
    percent BIGINT,
    -- USD at 1e-4 where is_money is 1, otherwise in the limit's own unit.
    value BIGINT,
    limit_value BIGINT,
    is_money BIGINT,
    operator TEXT,
    reason TEXT,
    detail TEXT,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX risk_events_time ON risk_events (time_ns);

CREATE TABLE link_events (
    run_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sub BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    from_number BIGINT,
    to_number BIGINT,
    detail TEXT,
    PRIMARY KEY (run_id, seq, sub, time_ns)
);
CREATE INDEX link_events_time ON link_events (time_ns);

-- Records of a run that were gone before they were read: [from_seq, to_seq).
CREATE TABLE losses (
    run_id BIGINT NOT NULL,
    from_seq BIGINT NOT NULL,
    to_seq BIGINT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (run_id, from_seq)
);

-- What was traded: booked by the core, corrections taken in, and not broken since.
CREATE VIEW trades AS
SELECT r.core, r.run, f.run_id, f.seq, f.time_ns, f.replayed, f.gateway, f.token, f.order_id, f.symbol, f.side,
       COALESCE((SELECT c.shares FROM fills c WHERE c.run_id = f.run_id AND c.gateway = f.gateway AND c.match_number = f.match_number
                 AND c.kind = 'corrected' AND (c.order_id IS NULL OR c.order_id = f.order_id) ORDER BY c.seq DESC LIMIT 1), f.shares) AS shares,
       COALESCE((SELECT c.px_usd_e4 FROM fills c WHERE c.run_id = f.run_id AND c.gateway = f.gateway AND c.match_number = f.match_number
                 AND c.kind = 'corrected' AND (c.order_id IS NULL OR c.order_id = f.order_id) ORDER BY c.seq DESC LIMIT 1), f.px_usd_e4) AS px_usd_e4,
       f.liquidity, f.match_number, f.fee_usd_e6, f.arrival_bid_usd_e4, f.arrival_ask_usd_e4
FROM fills f JOIN runs r ON r.run_id = f.run_id
WHERE f.kind = 'fill' AND f.booked = 1
  AND NOT EXISTS (SELECT 1 FROM fills b WHERE b.run_id = f.run_id AND b.gateway = f.gateway AND b.match_number = f.match_number
                  AND b.kind = 'broken' AND (b.order_id IS NULL OR b.order_id = f.order_id));

-- From the packet (or report) that caused an order to each step, ns.
CREATE VIEW order_latency AS
SELECT run_id, seq, time_ns, order_id, token, gateway, symbol,
       decoded_ns - received_ns AS decode_ns, decided_ns - decoded_ns AS decide_ns, sent_ns - decided_ns AS send_ns,
       sent_ns - received_ns AS total_ns
FROM order_events WHERE kind = 'sent';

-- The accounts as they stand.
CREATE VIEW positions_now AS
SELECT r.core, r.run, p.*
FROM positions p JOIN runs r ON r.run_id = p.run_id
WHERE NOT EXISTS (SELECT 1 FROM positions q WHERE q.run_id = p.run_id AND q.symbol = p.symbol
                  AND (q.seq > p.seq OR (q.seq = p.seq AND q.sub > p.sub)));
