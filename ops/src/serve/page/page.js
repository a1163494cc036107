"use strict";
(() => {
  const KEPT = { recent: 600, day: 8640, lines: 300 };
  const $ = (id) => document.getElementById(id);
  const asked = new URLSearchParams(location.search).get("core");
  let state = null;
  let range = "recent";
  let stage = "tick_to_order";
  const plots = {};

  // What is shown is set as text, never as markup: names and messages are those of a file.
  const el = (tag, text, cls) => {
    const e = document.createElement(tag);
    if (text !== undefined && text !== null) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };
  const span = (ns) => {
    if (ns === null || ns === undefined) return "-";
    if (ns < 1e3) return `${Math.round(ns)} ns`;
    if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} us`;
    if (ns < 1e9) return `${(ns / 1e6).toFixed(1)} ms`;
    if (ns < 60e9) return `${(ns / 1e9).toFixed(1)} s`;
    const m = Math.floor(ns / 60e9);
    return m < 60 ? `${m}m${String(Math.floor(ns / 1e9) % 60).padStart(2, "0")}s` : `${Math.floor(m / 60)}h${String(m % 60).padStart(2, "0")}m`;
  };
  const short = (n) => {
    if (n === null || n === undefined) return "-";
    for (const unit of ["", "k", "M", "G", "T"]) {
      if (Math.abs(n) < 100000) return (unit && Math.abs(n) < 100 ? n.toFixed(1) : Math.round(n)) + unit;
      n /= 1000;
    }
    return Math.round(n) + "P";
  };
  const usd = (v) => (v === null || v === undefined ? "-" : v.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
  const bytes = (n) => (n === null || n === undefined ? "-" : n >= 1e9 ? `${(n / 1e9).toFixed(1)} GB` : `${(n / 1e6).toFixed(1)} MB`);
  const sign = (v) => (v > 0 ? "good" : v < 0 ? "bad" : "");

  // A table of columns [title, value(row), class(row)?, "l" | "w"?].
  const table = (id, rows, columns, none) => {
    const t = el("table");
    const head = el("tr");
    columns.forEach(([title, , , kind]) => head.append(el("th", title, kind ? "l" : "")));
    t.append(head);
    rows.forEach((row) => {
      const tr = el("tr");
      columns.forEach(([, value, cls, kind]) => tr.append(el("td", value(row), [kind || "", cls ? cls(row) : ""].join(" ").trim())));
      t.append(tr);
    });
    if (!rows.length) {
      const tr = el("tr");
      const td = el("td", none || "none", "l dim");
      td.colSpan = columns.length;
      tr.append(td);
      t.append(tr);
    }
    $(id).replaceChildren(...t.childNodes);
  };

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const plot = (id, series, data, axis) => {
    const box = $(id);
    const size = { width: Math.max(200, box.clientWidth), height: window.innerWidth < 520 ? 170 : 220 };
    const key = JSON.stringify([series.map((s) => s.label), css("--ink")]);
    if (plots[id] && plots[id].key === key) {
      plots[id].u.setData(data);
      return;
    }
    if (plots[id]) plots[id].u.destroy();
    const axes = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "11px system-ui" };
    const u = new uPlot({ ...size, series: [{ label: "time", value: (_, v) => (v === null ? "-" : new Date(v * 1e3).toISOString().slice(11, 19)) }, ...series], axes: [axes, { ...axes, size: 62, values: (_, all) => all.map(axis) }], cursor: { y: false } }, data, box);
    plots[id] = { u, key };
  };
  window.addEventListener("resize", () => Object.entries(plots).forEach(([id, p]) => p.u.setSize({ width: Math.max(200, $(id).clientWidth), height: p.u.height })));

  const curves = () => {
    const c = state[range];
    const gain = { label: "P&L, USD", stroke: css("--accent"), fill: css("--accent") + "22", width: 2, value: (_, v) => usd(v) };
    plot("equity", [gain], [c.t, c.pnl], (v) => (v === null ? "" : Math.abs(v) < 1000 ? usd(v) : short(v)));
    const s = c.stages[stage] || c.stages.tick_to_order;
    const line = (label, color) => ({ label, stroke: css(color), width: 1.5, spanGaps: true, value: (_, v) => span(v) });
    plot("latency", [line("p50", "--good"), line("p99", "--warn"), line("p99.9", "--bad")], [c.t, s.p50, s.p99, s.p999], (v) => (v === null ? "" : span(v)));
  };

  const tiles = (t) => {
    const r = t.risk || {};
    const tick = (t.latency_ns || {}).tick_to_order || {};
    const all = [
      ["P&L, USD", usd(r.pnl), sign(r.pnl)],
      ["orders", short(t.counts.orders)],
      ["fills", short(t.counts.fills)],
      ["rejected", short(t.counts.rejected), t.counts.rejected ? "warn" : ""],
      ["refused by risk", short(t.counts.refusals)],
      ["open orders", short(r.open_orders)],
      ["tradable", short(r.tradable)],
      ["tick to order p50", tick.n ? span(tick.p50) : "-"],
      ["tick to order p99", tick.n ? span(tick.p99) : "-"],
      ["journal lag", short(t.journal.lag)],
      ["disk free", bytes(t.journal.free_bytes)],
      ["clock offset", span(t.journal.clock_offset_ns)],
    ];
    $("tiles").replaceChildren(
      ...all.map(([name, value, cls]) => {
        const d = el("div");
        d.append(el("b", value, cls), el("span", name));
        return d;
      })
    );
  };

  const limits = (all) =>
    $("limits").replaceChildren(
      ...all.map((l) => {
        const share = l.limit > 0 ? Math.max(0, l.used / l.limit) : 0;
        const cls = share >= 0.9 ? "bad" : share >= 0.75 ? "warn" : "good";
        const d = el("div", null, "bar");
        const p = el("p");
        p.append(el("span", l.name), el("span", `${short(l.used)} of ${short(l.limit)} ${l.unit}, ${Math.round(share * 100)} %`, "dim"));
        const track = el("div");
        const i = el("i", null, cls);
        i.style.width = `${Math.min(100, share * 100)}%`;
        track.append(i);
        d.append(p, track);
        return d;
      })
    );

  const level = (e) => (e.level === "error" ? "bad" : e.level === "warn" ? "warn" : "");
  const lines = (id, all) => table(id, all.slice(-KEPT.lines).reverse(), [["time", (e) => e.at.slice(11, 23), () => "dim", "l"], ["", (e) => e.message, level, "l"], ["", (e) => e.detail, null, "w"]]);

  const show = (t) => {
    $("cores").replaceChildren(
      ...t.cores.map((name) => {
        const a = el("a", name);
        a.href = `?core=${encodeURIComponent(name)}`;
        if (name === t.core) a.setAttribute("aria-current", "page");
        return a;
      })
    );
    document.title = `${t.core} - colo`;
    $("clock").textContent = new Date(t.at_ms).toISOString().slice(11, 19) + " UTC";
    const tag = $("state");
    $("down").hidden = t.alive;
    $("main").hidden = !t.alive;
    if (!t.alive) {
      tag.textContent = t.reason;
      tag.className = "tag bad";
      $("down").textContent = t.message;
      return;
    }
    const r = t.risk;
    const word = t.kill === 2 ? "KILLED, flat" : t.kill ? "KILLED, NOT FLAT" : !r ? "?" : r.halted ? `HALTED (${r.halted})` : r.level !== "normal" ? r.level : r.clutch === "out" ? "CLUTCH OUT" : "trading enabled";
    tag.textContent = word;
    tag.className = "tag " + (word === "trading enabled" ? "good" : r && r.halted ? "bad" : "warn");
    $("alerts").replaceChildren(
      ...t.alerts.map((a) => {
        const p = el("p", null, a.severity === "critical" ? "bad" : "warn");
        p.append(el("b", a.severity), document.createTextNode(a.summary));
        return p;
      })
    );
    tiles(t);
    limits(t.limits);
    const side = (px, qty) => (qty ? `${short(qty)} x ${usd(px)}` : "-");
    table("positions", t.instruments, [
      ["symbol", (i) => i.symbol, null, "l"],
      ["state", (i) => (i.validity === "valid" ? "valid" : `${i.validity} ${i.reason}`), (i) => (i.validity === "valid" ? "good" : "warn"), "l"],
      ["position", (i) => i.position.toLocaleString("en-US")],
      ["P&L", (i) => usd(i.pnl), (i) => sign(i.pnl)],
      ["bid", (i) => side(i.bid, i.bid_qty)],
      ["ask", (i) => side(i.ask, i.ask_qty)],
      ["fills", (i) => short(i.fills)],
    ]);
    const ring = (x) => (x.capacity ? `${Math.round((100 * x.fill) / x.capacity)} %` : "-");
    table("feeds", t.feeds, [
      ["feed", (f) => f.id, null, "l"],
      ["synced", (f) => (f.synced ? "yes" : "NO"), (f) => (f.synced ? "good" : "bad")],
      ["lines", (f) => f.lines.map((l, k) => (l.silent ? "-" : String.fromCharCode(65 + k))).join("") || "-"],
      ["last heard", (f) => span(Math.min(...f.lines.map((l) => (l.age_ns === null ? Infinity : l.age_ns)), Infinity) === Infinity ? null : Math.min(...f.lines.filter((l) => l.age_ns !== null).map((l) => l.age_ns)))],
      ["msg/s", (f) => short(f.messages_per_s)],
      ["messages", (f) => short(f.messages)],
      ["gaps", (f) => `${short(f.gaps)} (${short(f.gaps_open)} open)`, (f) => (f.gaps_open ? "warn" : "")],
      ["filled", (f) => short(f.filled)],
      ["lost", (f) => short(f.lost), (f) => (f.lost ? "bad" : "")],
      ["ring", (f) => ring(f.ring)],
    ]);
    table("gateways", t.gateways, [
      ["gateway", (g) => g.id, null, "l"],
      ["state", (g) => g.state, (g) => (g.state === "ready" ? "good" : "bad"), "l"],
      ["sent", (g) => short(g.sent)],
      ["reports", (g) => short(g.reports)],
      ["unsent", (g) => short(g.unsent)],
      ["connects", (g) => short(g.connects)],
      ["errors", (g) => short(g.errors), (g) => (g.errors ? "warn" : "")],
      ["rings", (g) => `${ring(g.order_ring)} / ${ring(g.report_ring)}`],
    ]);
    const phase = ["starting", "", "ended", "FAILED"];
    table("agents", t.agents, [
      ["agent", (a) => a.name, null, "l"],
      ["core", (a) => (a.core === null ? "-" : a.core)],
      ["heartbeat", (a) => phase[a.phase] || span(a.beat_age_ns), (a) => (a.phase === 3 ? "bad" : "")],
      ["cycles/s", (a) => short(a.cycles_per_s)],
      ["work/s", (a) => short(a.work_per_s)],
      ["allocations", (a) => short(a.allocations)],
      ["faults", (a) => short(a.minor_faults)],
      ["preempted", (a) => short(a.preempted)],
    ]);
    const measured = state.stages.filter((s) => t.latency_ns[s] && t.latency_ns[s].n);
    table("stages", measured, [
      ["stage", (s) => s, null, "l"],
      ["p50", (s) => span(t.latency_ns[s].p50)],
      ["p99", (s) => span(t.latency_ns[s].p99)],
      ["p99.9", (s) => span(t.latency_ns[s].p999)],
      ["max", (s) => span(t.latency_ns[s].max)],
      ["n", (s) => short(t.latency_ns[s].n)],
    ], "nothing measured yet");
    table("orders", t.orders, [
      ["token", (o) => o.token, null, "l"],
      ["symbol", (o) => o.symbol, null, "l"],
      ["side", (o) => (o.side === "B" ? "buy" : "sell"), (o) => (o.side === "B" ? "good" : "bad"), "l"],
      ["open", (o) => short(o.open)],
      ["price", (o) => usd(o.px)],
      ["executed", (o) => short(o.executed)],
      ["state", (o) => o.state, null, "l"],
    ]);
    lines("tape", state.tape);
    lines("events", state.events);
    curves();
  };

  const append = (c, p, kept) => {
    const put = (column, more) => {
      column.push(...more);
      if (column.length > kept) column.splice(0, column.length - kept);
    };
    ["t", "pnl", "orders", "fills", "messages"].forEach((k) => put(c[k], p[k]));
    Object.entries(c.stages).forEach(([name, s]) => ["p50", "p99", "p999"].forEach((q) => put(s[q], p.stages[name][q])));
  };

  const source = new EventSource(`events${asked ? `?core=${encodeURIComponent(asked)}` : ""}`);
  source.addEventListener("all", (e) => {
    state = JSON.parse(e.data);
    $("stage").replaceChildren(...state.stages.map((s) => el("option", s)));
    $("stage").value = stage;
    state.turns = 0;
    show(state.turn);
  });
  source.addEventListener("turn", (e) => {
    if (!state) return;
    const t = JSON.parse(e.data);
    t.new.forEach((line) => state[line.kind === "tape" ? "tape" : "events"].push(line));
    ["tape", "events"].forEach((k) => state[k].splice(0, Math.max(0, state[k].length - KEPT.lines)));
    if (t.point) {
      append(state.recent, t.point, KEPT.recent);
      // The day's grain is coarser; its percentiles are the server's, and come with the next load.
      state.turns += 1;
      if (state.turns % 10 === 0) append(state.day, t.point, KEPT.day);
    }
    show(t);
  });
  source.addEventListener("none", () => {
    $("state").textContent = "no core";
    $("state").className = "tag bad";
    $("down").hidden = false;
    $("main").hidden = true;
    $("down").textContent = asked ? `there is no core ${asked} on this host` : "no core is running on this host";
  });
  // What was last said is not shown as if it were now.
  source.onerror = () => {
    $("state").textContent = "connection lost";
    $("state").className = "tag bad";
    $("down").hidden = false;
    $("main").hidden = true;
    $("down").textContent = "colo-monitor does not answer: nothing is shown until it does";
  };
  $("stage").addEventListener("change", (e) => {
    stage = e.target.value;
    if (range === "day" && stage !== "tick_to_order") pick("recent");
    else curves();
  });
  const pick = (to) => {
    range = to;
    if (to === "day") $("stage").value = stage = "tick_to_order";
    document.querySelectorAll("[data-range]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.range === to)));
    curves();
  };
  document.querySelectorAll("[data-range]").forEach((b) => b.addEventListener("click", () => pick(b.dataset.range)));
})();
