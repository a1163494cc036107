"use strict";
(() => {
  const all = JSON.parse(document.getElementById("figures-of-days").textContent);
  const $ = (id) => document.getElementById(id);
  // What is shown is set as text, never as markup: names are those of files.
  const el = (tag, text, cls) => {
    const e = document.createElement(tag);
    if (text !== undefined && text !== null) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (v, digits) => (v === null || v === undefined ? "-" : v.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const short = (v) => (v === null || v === undefined ? "" : Math.abs(v) >= 1e6 ? number(v / 1e6, 1) + "M" : Math.abs(v) >= 1e4 ? number(v / 1e3, 0) + "k" : number(v, Math.abs(v) < 10 && v !== 0 ? 2 : 0));
  const span = (ns) => (ns === null || ns === undefined ? "-" : ns < 1e3 ? ns + " ns" : ns < 1e6 ? number(ns / 1e3, 1) + " us" : ns < 1e9 ? number(ns / 1e6, 1) + " ms" : number(ns / 1e9, 1) + " s");
// The axis leaves nights out: a place on it is of the last day that begins before it.
  const day = (v) => all.begins.findLast(([from], k) => from <= v || k === 0) || [0, 0];
  const when = (v) => (v === null || v === undefined ? "-" : new Date((v - day(v)[0] + day(v)[1]) * 1e3).toISOString().replace("T", " ").slice(0, 23));

  document.title = all.title;
  $("title").textContent = all.title;
  $("about").textContent = all.about;
  $("tiles").append(
    ...all.tiles.map(([name, value, sign]) => {
      const d = el("div");
      d.append(el("b", value, sign > 0 ? "good" : sign < 0 ? "bad" : ""), el("small", name));
      return d;
    })
  );

  const table = (id, heads, rows) => {
    const t = $(id);
    const line = (cell, cells) => {
      const tr = el("tr");
      cells.forEach((c) => tr.append(el(cell, c)));
      return tr;
    };
    if (heads) t.append(line("th", heads));
    rows.forEach((r) => t.append(line("td", r)));
  };
  table("figures", null, all.rows);
  table(
    "days",
    ["File", "P&L, USD", "Messages", "Orders", "Fills", "Commands' hash"],
    all.days.map((d) => [d.file, number(d.pnl, 2), number(d.messages, 0), number(d.orders_sent, 0), number(d.fills, 0), d.commands_hash])
  );
  table(
    "legs",
    ["Leg", "p50", "p99", "p99.9", "max", "n"],
    all.legs.map((l) => [l.name, span(l.p50), span(l.p99), span(l.p999), span(l.max), number(l.n, 0)])
  );

  const widest = Math.max(1e-9, ...all.markouts.map((m) => (m.bps === null ? 0 : Math.abs(m.bps) + 2 * (m.error || 0))));
  all.markouts.forEach((m) => {
    const track = el("div", null, "track " + (m.bps < 0 ? "bad" : "good"));
    if (m.bps !== null) {
      const half = (v) => (Math.abs(v) / widest) * 50;
      const bar = el("i");
      bar.style.left = (m.bps < 0 ? 50 - half(m.bps) : 50) + "%";
      bar.style.width = half(m.bps) + "%";
      track.append(bar);
      if (m.error !== null) {
        const error = el("u");
        error.style.left = Math.max(0, 50 + ((m.bps - 2 * m.error) / widest) * 50) + "%";
        error.style.width = half(4 * m.error) + "%";
        track.append(error);
      }
    }
    $("markouts").append(el("span", m.after), track, el("span", m.bps === null ? "-" : `${number(m.bps, 3)} (${number(m.fills, 0)})`));
  });

  const STEPS = [0.001, 0.01, 0.1, 1, 5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200, 864000, 2592000];
  const plots = [];
  const draw = (id, series, columns, value, extra) => {
    const box = $(id);
    box.replaceChildren();
    const axes = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "11px system-ui" };
    const options = {
      width: Math.max(200, box.clientWidth),
      height: window.innerWidth < 520 ? 200 : 240,
      scales: { x: { time: false } },
      cursor: { y: false },
      series: [{ label: "time", value: (_, v) => when(v) }, ...series],
      axes: [{ ...axes, space: 90, incrs: STEPS, values: (_, ticks) => ticks.map((v) => when(v).slice(...(day(ticks[0]) === day(ticks[ticks.length - 1]) ? [11, 19] : [5, 16]))) }, { ...axes, size: 74, values: (_, ticks) => ticks.map(value) }],
      ...extra,
    };
    const u = new uPlot(options, columns, box);
    plots.push([box, u]);
  };
  const line = (label, color, shown, more) => ({ label, stroke: css(color), width: 1.5, points: { show: false }, value: (_, v) => shown(v), ...more });
  const usd = (v) => number(v, 2);
  const stepped = { paths: uPlot.paths.stepped({ align: 1 }) };

  let chosen = 0;
  const fills = () => {
    const s = all.symbols[chosen];
    [...$("symbols").children].forEach((b, k) => b.setAttribute("aria-pressed", k === chosen));
    if (!s) {
      $("fills-note").textContent = "No order was sent.";
      return;
    }
    $("fills-note").textContent = s.shown < s.fills ? `${number(s.shown, 0)} of ${number(s.fills, 0)} fills are drawn, evenly chosen.` : `${number(s.fills, 0)} fills.`;
    const dots = (label, color) => ({ label, stroke: css(color), width: 2, paths: () => null, points: { show: true, size: 6, width: 1, stroke: css("--back"), fill: css(color) }, value: (_, v) => (v === null || v === undefined ? "-" : number(v, 4)) });
    const joined = uPlot.join([[s.t, s.price], [s.buys.t, s.buys.px], [s.sells.t, s.sells.px]]);
    draw("prices", [line("middle of the book", "--dim", (v) => number(v, 4), { spanGaps: false }), dots("bought", "--good"), dots("sold", "--bad")], joined, (v) => (v === null ? "" : number(v, 2)));
    draw("shares", [line(s.symbol, "--accent", (v) => number(v, 0), { ...stepped, fill: css("--accent") + "22" })], [s.t, s.shares], short);
  };
  const legs = () => {
    const drawn = all.legs.filter((l) => l.n > 0);
    if (!drawn.length) return;
    const colors = ["--accent", "--warn", "--good"];
    // How much took at most so long.
    const curve = (l) => {
      let below = 0;
      return [l.parts.map((p) => Math.max(1, p[0])), l.parts.map((p) => ((below += p[1]), (below / l.n) * 100))];
    };
    const joined = uPlot.join(drawn.map(curve));
    // A curve that ends stays at 100.
    joined.slice(1).forEach((column) => {
      const last = column.findLastIndex((v) => v !== null && v !== undefined);
      for (let k = last + 1; k < column.length; k++) column[k] = 100;
    });
    const axes = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, font: "11px system-ui" };
    const curves = drawn.map((l, k) => line(l.name, colors[k % 3], (v) => (v === null || v === undefined ? "-" : number(v, 2) + " %"), { spanGaps: true, paths: uPlot.paths.stepped({ align: 1 }), points: { show: drawn.every((l) => l.parts.length < 3) } }));
    draw(
      "latency",
      curves,
      joined,
      short,
      {
        series: [{ label: "at most", value: (_, v) => span(v) }, ...curves],
        scales: { x: { time: false, distr: 3 }, y: { range: [0, 101] } },
        axes: [{ ...axes, values: (_, t) => t.map((v) => (v === null ? "" : span(v))) }, { ...axes, size: 64, values: (_, t) => t.map((v) => v + " %") }],
      }
    );
  };
  const pictures = () => {
    plots.splice(0).forEach(([, u]) => u.destroy());
    draw("equity", [line("equity", "--accent", usd, { fill: css("--accent") + "22" })], [all.equity.t, all.equity.v], (v) => (v === null ? "" : number(v, 0)));
    draw("drawdown", [line("below the peak, %", "--bad", (v) => number(v, 3), { fill: css("--bad") + "33" })], [all.drawdown.t, all.drawdown.v], (v) => (v === null ? "" : number(v, 2)));
    draw("positions", [line("net", "--accent", usd, stepped), line("long and short added", "--warn", usd, stepped)], [all.exposure.t, all.exposure.net, all.exposure.gross], short);
    fills();
    legs();
  };
  all.symbols.forEach((s, k) => {
    const b = el("button", s.symbol);
    b.type = "button";
    b.addEventListener("click", () => {
      chosen = k;
      pictures();
    });
    $("symbols").append(b);
  });
  pictures();
  window.addEventListener("resize", () => plots.forEach(([box, u]) => u.setSize({ width: Math.max(200, box.clientWidth), height: u.height })));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", pictures);
  document.documentElement.dataset.drawn = "yes";
})();
