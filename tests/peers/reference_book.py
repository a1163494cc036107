"""Books the slow and obvious way, over messages that a peer has decoded; written in the formats of `colo book`."""


class Books:
    def __init__(self):
        self.orders = {}  # reference -> [locate, side, price, shares]
        self.levels = {}  # (locate, side) -> {price: [shares, orders]}
        self.symbols = {}  # locate -> ticker
        self.unknown = {}  # type -> count
        self.messages = 0
        self.bbo = ["msg_index,timestamp,locate,symbol,bid_px,bid_sz,ask_px,ask_sz"]

    def apply(self, m):
        """One decoded message, with the field names that itchfeed and itchcpp share."""
        self.messages += 1
        if hasattr(m, "stock"):
            self.symbols.setdefault(m.stock_locate, m.stock.decode().rstrip())
        kind = m.message_type.decode()
        if kind not in "AFECXDU":
            return
        ref = m.order_reference_number
        # A reduction concerns the book that the order rests in.
        locate = self.orders[ref][0] if ref in self.orders else m.stock_locate
        before = self.top(locate)
        if kind in "AF":
            self.add(ref, locate, m.buy_sell_indicator.decode(), m.price, m.shares)
        elif ref not in self.orders:
            self.unknown[kind] = self.unknown.get(kind, 0) + 1
        elif kind in "EC":  # the price of a C is the trade's, not where the order rests
            self.take(ref, m.executed_shares)
        elif kind == "X":
            self.take(ref, m.cancelled_shares)
        else:
            _, side, _, shares = self.orders[ref]
            self.take(ref, shares)
            if kind == "U":
                self.add(m.new_order_reference_number, locate, side, m.price, m.shares)
        after = self.top(locate)
        if after != before:
            sides = ",".join(",".join(map(str, side)) for side in after)
            self.bbo.append(f"{self.messages},{m.timestamp},{locate},{self.symbols[locate]},{sides}")

    def add(self, ref, locate, side, price, shares):
        if ref in self.orders or shares == 0:
            return
        self.orders[ref] = [locate, side, price, shares]
        level = self.levels.setdefault((locate, side), {}).setdefault(price, [0, 0])
        level[0] += shares
        level[1] += 1

    def take(self, ref, shares):
        order = self.orders[ref]
        locate, side, price, rest = order
        shares = min(shares, rest)
        levels = self.levels[locate, side]
        levels[price][0] -= shares
        order[3] -= shares
        if order[3] == 0:
            del self.orders[ref]
            levels[price][1] -= 1
            if levels[price][1] == 0:
                del levels[price]

    def top(self, locate):
        return tuple(
            (best := pick(levels), levels[best][0]) if (levels := self.levels.get((locate, side))) else ("", 0)
            for side, pick in (("B", max), ("S", min))
        )

    def final(self):
        return final(self.levels, self.symbols)


def final(levels, symbols):
    """The rows of `--final`: by locate, bids before asks, the best price first."""
    rows = ["locate,symbol,side,price,shares,orders"]
    for (locate, side), prices in sorted(levels.items()):
        for price in sorted(prices, reverse=side == "B"):
            shares, orders = prices[price]
            rows.append(f"{locate},{symbols[locate]},{side},{price},{shares},{orders}")
    return rows


def write(path, rows):
    with open(path, "w", encoding="ascii") as f:
        f.writelines(row + "\n" for row in rows)
