//! Why a request was refused, as a stable code, each with the rule that asks for it.

/// Why a request was refused. The codes are stable: journals, logs and alerts carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RiskReject {
    /// Trading is halted (SEC 15c3-5(c); RTS 6 art. 12 kill functionality).
    Halted = 1,
    /// The order entry session is not ready, or its orders are not settled after a reconnect (RTS 6 art. 17(3): our record is reconciled with the
    /// venue's; 15c3-5(c)(1)(i): what is not known counts in full).
    SessionDown = 2,
    /// No durable token is left: one may never be used twice (15c3-5(c)(1)(ii) duplicative orders; OUCH 5.0, *User Reference Number*).
    NoToken = 3,
    /// Zero shares, or more than the limit (RTS 6 art. 15(1)(c); 15c3-5(c)(1)(ii)).
    Quantity = 4,
    /// The limit price is not one that an order may carry: none, or off the tick (15c3-5(c)(1)(ii) erroneous orders; Reg NMS Rule 612).
    Price = 5,
    /// Money at the limit price above the limit (RTS 6 art. 15(1)(b)).
    Notional = 6,
    /// The venue does not let the instrument trade: halt, pause, quotation only, unknown (15c3-5(c)(2)(i); the LULD plan, section VII).
    NotTrading = 7,
    /// The book may be wrong, or the market data is old (FINRA 15-09, market data that is checked; without it the collar of RTS 6 art. 15(1)(a) has no ground).
    StaleMarket = 8,
    /// There is no validated reference price to collar with (RTS 6 art. 15(1)(a): the collar fails closed).
    NoReference = 9,
    /// Too far from the reference (RTS 6 art. 15(1)(a) price collar; 15c3-5(c)(1)(ii)).
    Collar = 10,
    /// The position with everything open filled would pass the limit (15c3-5(c)(1)(i)).
    Position = 11,
    /// Too many orders open (15c3-5(c)(1)(i); RTS 6 art. 15(5) limits of the firm as a whole).
    OpenOrders = 12,
    /// Too many messages in a second, or more than the gateway's throttle lets pass (RTS 6 art. 15(1)(d)).
    MessageRate = 13,
    /// The same order again within the window (FIA; RTS 6 art. 15(3) repeated execution).
    Duplicate = 14,
    /// It would trade against our own order (FINRA 5210.02; RTS 6 art. 12).
    SelfTrade = 15,
    /// The order named is not open (15c3-5(c)(1)(ii) erroneous orders).
    UnknownOrder = 16,
    /// Another request for the order is in flight: which would hold at the venue could not be told (15c3-5(c)(1)(ii) duplicative orders).
    Busy = 17,
    /// The instrument is not in the configuration (RTS 6 art. 15(5): no order in an instrument that there is no permission for).
    UnknownInstrument = 18,
    /// Arithmetic would leave 64 bits, so no limit could be said to hold (15c3-5(c)(1)).
    Overflow = 19,
    /// More intents than one callback may leave (RTS 6 art. 15(1)(d) message limits).
    TooManyIntents = 20,
    /// The short sale restriction forbids it at this price (Reg SHO Rule 201).
    ShortSale = 21,
    /// A replace would make a sale short that was sent as long; the mark cannot be changed (Reg SHO Rule 200(g)). Cancel and send anew.
    ShortMark = 22,
    /// Not a multiple of the round lot, of an instrument that takes nothing else (15c3-5(c)(1)(ii) erroneous orders; ITCH 5.0, Stock Directory, *Round Lots Only*).
    OddLot = 23,
    /// Outside market hours, or after the end of the venue's session (15c3-5(c)(2)(i) what has to hold before an order is entered).
    MarketClosed = 24,
    /// The book is whole but cannot be: locked or crossed for too long, or its best prices have jumped (FINRA 15-09, market data that is checked; Reg NMS
    /// Rule 610(d)).
    BookSanity = 25,
    /// The venue has refused for its own message rate, and new orders stay back for a while (RTS 6 art. 15(1)(d); RTS 7 art. 18: the venue has a throttle of its own).
    BackOff = 26,
    /// It is on the restricted list, or there is no such list to look at (15c3-5(c)(2)(i): it fails closed).
    Restricted = 27,
    /// It would not take the position towards nothing, and nothing else may be sent (15c3-5(c)(1)(i); RTS 6 art. 17(1): what exceeds a threshold is acted on).
    ReduceOnly = 28,
    /// Nothing but cancels may be sent (RTS 6 art. 12 kill functionality, a step before it).
    CancelOnly = 29,
    /// A person has taken the strategy off trading (RTS 6 art. 12(3): orders of one strategy or trader can be told apart and stopped).
    Clutch = 30,
    /// The worst cases of all positions, long and short added, would pass the limit (15c3-5(c)(1)(i) aggregate exposure).
    GrossNotional = 31,
    /// The worst cases of all positions, long against short, would pass the limit (15c3-5(c)(1)(i)).
    NetNotional = 32,
    /// A row of orders would lead too far from where the price was (RTS 6 art. 15(1)(a) over time).
    Impact = 33,
    /// The same order behind its own fill, once too often; the instrument is disabled until a person resumes (RTS 6 art. 15(3)).
    Repeated = 34,
    /// The instrument was disabled, and nobody has resumed since (RTS 6 art. 15(3): not again until a person has let it in).
    Disabled = 35,
    /// It is on the list of what may not be sold short, or there is no such list to look at (Reg SHO Rule 203(b)(1): no shares are located).
    ShortList = 36,
}

impl RiskReject {
    /// Whether there may be room a little later: what is refused so may wait.
    #[must_use]
    pub const fn is_of_pace(self) -> bool {
        matches!(self, RiskReject::MessageRate | RiskReject::BackOff)
    }

    /// Every one, by code.
    pub const ALL: [RiskReject; 36] = {
        use RiskReject::*;
        [
            Halted,
            SessionDown,
            NoToken,
            Quantity,
            Price,
            Notional,
            NotTrading,
            StaleMarket,
            NoReference,
            Collar,
            Position,
            OpenOrders,
            MessageRate,
            Duplicate,
            SelfTrade,
            UnknownOrder,
            Busy,
            UnknownInstrument,
            Overflow,
            TooManyIntents,
            ShortSale,
            ShortMark,
            OddLot,
            MarketClosed,
            BookSanity,
            BackOff,
            Restricted,
            ReduceOnly,
            CancelOnly,
            Clutch,
            GrossNotional,
            NetNotional,
            Impact,
            Repeated,
            Disabled,
            ShortList,
        ]
    };
}
