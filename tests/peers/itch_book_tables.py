"""Books of a BinaryFILE by itch-book, in the formats of `colo book`.

    itch_book_tables.py FILE FOLDER

Writes into FOLDER: bbo.csv, final.csv (from what is left of each order), depth.csv (the best 50 levels of each side, from
its books), stats.json. Tickers are the test's business: there is none in itch-book's rows, so the column is left out.
"""

import json
import os
import sys

import reference_book
from itch_book._core import Session

DEPTH = 50

file, folder = sys.argv[1:]
session = Session(tables=["bbo", "messages"], depth=DEPTH, symbols=[])
with open(file, "rb") as f:
    session.feed(f.read())


def rows(table, names):
    return zip(*(table[name].tolist() for name in names))


def side(price, size):
    return f"{price if size else ''},{size}"


# itch-book writes a row too when only the number of orders at the best price has changed.
bbo = ["msg_index,timestamp,locate,bid_px,bid_sz,ask_px,ask_sz"]
last = {}
columns = ("seq", "ts", "locate", "bid_px", "bid_sz", "ask_px", "ask_sz")
for seq, ts, locate, *top in rows(session.take_bbo(), columns):
    if last.get(locate) != top:
        last[locate] = top
        bbo.append(f"{seq},{ts},{locate},{side(*top[:2])},{side(*top[2:])}")
reference_book.write(os.path.join(folder, "bbo.csv"), bbo)

orders = {}
columns = ("locate", "side", "px", "remaining", "order_id", "old_order_id", "type")
for locate, letter, price, rest, ref, old, kind in rows(session.take_messages(), columns):
    if kind == ord("U"):
        orders.pop(old, None)
    if kind == ord("C"):  # its price is the trade's
        price = orders[ref][2] if ref in orders else price
    orders.pop(ref, None)
    if rest:
        orders[ref] = (locate, chr(letter), price, rest)
levels = {}
for locate, letter, price, rest in orders.values():
    level = levels.setdefault((locate, letter), {}).setdefault(price, [0, 0])
    level[0] += rest
    level[1] += 1


def final(levels):
    return [",".join(row.split(",")[:1] + row.split(",")[2:]) for row in reference_book.final(levels, Nameless())]


class Nameless(dict):
    def __missing__(self, _):
        return ""


reference_book.write(os.path.join(folder, "final.csv"), final(levels))

table = session.take_depth()
last = {locate: i for i, locate in enumerate(table["locate"].tolist())}
levels = {}
for locate, i in last.items():
    for letter, name in (("B", "bid"), ("S", "ask")):
        for n in range(DEPTH):
            price, size, orders = (int(table[f"{name}_{what}_{n:02}"][i]) for what in ("px", "sz", "ct"))
            if size:
                levels.setdefault((locate, letter), {})[price] = [size, orders]
reference_book.write(os.path.join(folder, "depth.csv"), final(levels))
with open(os.path.join(folder, "stats.json"), "w", encoding="ascii") as f:
    json.dump(session.stats(), f)
