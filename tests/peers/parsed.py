"""Decodes a BinaryFILE with itchfeed or itchcpp, encodes every message again, and builds books of what was decoded.

    parsed.py itchfeed|itchcpp FILE FOLDER

Writes into FOLDER: encoded.itch, bbo.csv, final.csv, counts.json.
"""

import json
import os
import sys
from collections import Counter

import reference_book

peer, file, folder = sys.argv[1:]
# itchfeed would decode with itchcpp where that is installed, and then there were one peer instead of two.
os.environ["ITCH_NO_CPP"] = "1"
if peer == "itchfeed":
    import itch
    from itch.parser import MessageParser

    assert not itch.USING_CPP_BACKEND
else:
    from itchcpp.parser import MessageParser

with open(file, "rb") as f:
    raw = f.read()
books = reference_book.Books()
types = Counter()
encoded = bytearray()
# Both stop at the end of a day (S with C); a file of several captures has more than one of these.
before = -1
while before < len(encoded) < len(raw):
    before = len(encoded)
    for message in MessageParser().parse_stream(raw[before:]):
        types[message.message_type.decode()] += 1
        again = message.to_bytes()
        encoded += len(again).to_bytes(2, "big") + again
        books.apply(message)

counts = {
    "messages": books.messages,
    "by_type": types,
    "live_orders": len(books.orders),
    "unknown_refs": books.unknown,
}
with open(os.path.join(folder, "encoded.itch"), "wb") as f:
    f.write(encoded)
with open(os.path.join(folder, "counts.json"), "w", encoding="ascii") as f:
    json.dump(counts, f)
reference_book.write(os.path.join(folder, "bbo.csv"), books.bbo)
reference_book.write(os.path.join(folder, "final.csv"), books.final())
