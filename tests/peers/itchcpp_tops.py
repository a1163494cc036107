"""The best prices at the end of a BinaryFILE as itchcpp's own books have them.

    itchcpp_tops.py FILE SYMBOL...

A line for each ticker: `SYMBOL,bid_px,bid_sz,ask_px,ask_sz`, an absent side with an empty price and size 0.
"""

import sys

from itchcpp.book import BookManager


def raw(price):
    """Prices come as floats of dollars; four decimals of them are exact."""
    return round(price * 10_000)


file, *symbols = sys.argv[1:]
books = BookManager()
for symbol in symbols:
    books.track_symbol(symbol)
with open(file, "rb") as f:
    books.process_stream(f.read())
for symbol in symbols:
    book = books.book_for_symbol(symbol)
    top = book.bbo() if book else None
    bid = (raw(top.bid_price), top.bid_shares) if top and top.has_bid else ("", 0)
    ask = (raw(top.ask_price), top.ask_shares) if top and top.has_ask else ("", 0)
    print(symbol, *bid, *ask, sep=",")
