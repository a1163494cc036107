//! What an order has to be to be taken, and the limits of accounts.

use std::collections::BTreeMap;

use model::{Px, Qty, Side, Symbol};

use super::accounts::{Order, ROUND_LOT};
use super::entry::{Cause, Enter, MARKET_PRICE, Tags};
use super::floor::Floor;
use super::latency::RateWindow;

/// Prices of a dollar and more are whole cents.
const DOLLAR: u64 = 10_000;
const CENT: u64 = 100;
/// The highest price that means "market".
const MARKET_PRICE_MAX: u64 = 0x7FFF_FFFF;
/// A day's seconds: orders with a time of their own live shorter.
const DAY_S: u32 = 86_400;
/// Kinds of orders whose rate is remembered at once.
const RATES: usize = 4_096;

/// Orders of an account that are refused. Nothing is refused where nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Shares of an order (31).
    pub max_quantity: Option<u32>,
    /// Shares times price of an order, 1e-4 USD (30).
    pub max_notional_e4: Option<i64>,
    /// The same over all open orders and the new one, 1e-4 USD (20).
    pub max_exposure_e4: Option<i64>,
    /// Shares of a symbol that trade or are asked for in a day (25).
    pub max_day_shares: Option<u64>,
    /// How far beyond the other side's best a limit may be, percent (26).
    pub fat_finger_percent: Option<u32>,
    /// New orders and replaces of a symbol within a second (28).
    pub symbol_rate: Option<u32>,
    /// Orders alike within a second (2A).
    pub duplicate_rate: Option<u32>,
    /// Symbols not to be traded (22).
    pub restricted: Vec<Symbol>,
    /// Symbols not to be sold short (23).
    pub short_restricted: Vec<Symbol>,
    /// No short sales (2B).
    pub no_short: bool,
    /// No short sales that are exempt (2F).
    pub no_short_exempt: bool,
    /// A short sale has to say that its shares are located (27).
    pub locate_required: bool,
    /// No orders without a limit (2C).
    pub no_market_orders: bool,
    /// No inter-market sweeps (24).
    pub no_iso: bool,
}

/// How often an account sent what.
#[derive(Debug, Default)]
pub struct Rates {
    symbols: BTreeMap<Symbol, RateWindow>,
    alike: BTreeMap<(Symbol, u8, u32, u64), RateWindow>,
    asked: BTreeMap<Symbol, u64>,
}

/// Values that a new order and a replace have both.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Where its symbol is listed.
    pub listing: usize,
    /// Its symbol.
    pub symbol: Symbol,
    /// As sent.
    pub side: u8,
    /// As sent.
    pub quantity: u32,
    /// As sent.
    pub price: u64,
    /// As sent.
    pub tif: u8,
    /// As sent.
    pub display: u8,
    /// As sent.
    pub iso: u8,
    /// N for the continuous book.
    pub cross_type: u8,
    /// As sent, with what a replace inherits.
    pub tags: Tags,
}

/// An order that may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// Where.
    pub listing: usize,
    /// On which side of the book.
    pub side: Side,
    /// At which price, which may be another than was asked.
    pub px: Px,
    /// Until when.
    pub expires_at: Option<u64>,
}

/// Everything about a new order that can be wrong, in the order a client would ask about it.
///
/// # Errors
/// The first that is.
pub fn admit(floor: &mut Floor, account: u16, e: &Enter) -> Result<Admitted, Cause> {
    let own = &floor.accounts[usize::from(account)];
    if own.entry_disabled || e.tags.firm.is_some_and(|firm| !own.may_trade_for(firm)) {
        return Err(Cause::FirmNotAuthorized);
    }
    side_of(e.side).ok_or(Cause::Side)?;
    if !is_quantity(e.quantity) {
        return Err(Cause::Quantity);
    }
    let listing = floor.find(e.symbol).ok_or(Cause::Symbol)?;
    if !matches!(e.capacity, b'A' | b'P' | b'R' | b'O') {
        return Err(Cause::Other);
    }
    let asked = Asked {
        listing,
        symbol: e.symbol,
        side: e.side,
        quantity: e.quantity,
        price: e.price,
        tif: e.tif,
        display: e.display,
        iso: e.iso,
        cross_type: e.cross_type,
        tags: e.tags,
    };
    let admitted = admit_values(floor, &asked)?;
    risk(floor, account, &asked, None)?;
    Ok(admitted)
}

/// What a new order and a replace have to be alike.
///
/// # Errors
/// The first that is not.
pub fn admit_values(floor: &Floor, asked: &Asked) -> Result<Admitted, Cause> {
    let listing = asked.listing;
    let side = side_of(asked.side).ok_or(Cause::Side)?;
    let is_trading = floor.listings[listing].state == b'T';
    match asked.cross_type {
        b'N' if !is_trading => return Err(Cause::Halted),
        b'N' if !floor.is_market_open => return Err(Cause::DestinationClosed),
        b'N' => {}
        b'O' if !floor.is_market_open => {}
        b'C' if floor.rules.hours.is_some_and(|h| h.close_ns.is_some()) => {}
        b'H' if !is_trading => {}
        _ => return Err(Cause::CrossOrder),
    }
    let mut px = price(asked.price).ok_or(Cause::Price)?;
    if asked.price < MARKET_PRICE && asked.cross_type == b'N' {
        px = floor.within_bands(listing, side, px).ok_or(Cause::Price)?;
    }
    check_display(asked)?;
    if !matches!(asked.iso, b'Y' | b'N') {
        return Err(Cause::IsoNotAllowed);
    }
    let expires_at = match (asked.tif, asked.tags.expire_s) {
        (b'0' | b'3' | b'5', None) => None,
        (b'6', Some(s)) if (1..DAY_S).contains(&s) => Some(floor.now + u64::from(s) * 1_000_000_000),
        _ => return Err(Cause::Other),
    };
    let tags = &asked.tags;
    if let Some(cause) = tags.refusal {
        return Err(cause);
    }
    // A least size is for orders that never rest: what rests here trades with whoever comes.
    let minimum = tags.min_quantity.unwrap_or(0);
    if minimum > 0 && (asked.tif != b'3' || minimum > asked.quantity) {
        return Err(Cause::MinQuantity);
    }
    let is_letter = |tag: Option<u8>, letters: &[u8]| tag.is_none_or(|letter| letters.contains(&letter));
    if !is_letter(tags.post_only, b"PN")
        || !is_letter(tags.trade_now, b"YN ")
        || !is_letter(tags.self_match, b"ONBD")
        || (tags.post_only == Some(b'P') && asked.tif == b'3')
    {
        return Err(Cause::Other);
    }
    Ok(Admitted { listing, side, px, expires_at })
}

/// What is shown: all, nothing, or a part in round lots.
fn check_display(asked: &Asked) -> Result<(), Cause> {
    let reserve = asked.tags.max_floor.filter(|n| *n > 0);
    let spread = asked.tags.random_reserve;
    match (asked.display, reserve) {
        (b'Y' | b'A' | b'N', None) if spread.is_none() => Ok(()),
        (b'Y' | b'A', Some(shown))
            if shown.is_multiple_of(ROUND_LOT)
                && shown < asked.quantity
                && spread.is_none_or(|s| s.is_multiple_of(ROUND_LOT) && s < shown) =>
        {
            Ok(())
        }
        (b'Y' | b'A' | b'N', _) => Err(Cause::MaxFloor),
        _ => Err(Cause::Display),
    }
}

/// The limits of an account. `old` is the order that a replace would take the place of.
///
/// # Errors
/// The first limit that is hit.
pub fn risk(floor: &mut Floor, account: u16, asked: &Asked, old: Option<&Order>) -> Result<(), Cause> {
    let now = floor.now;
    let best = side_of(asked.side).and_then(|side| {
        let shown = |o: &&super::matching::Resting| o.is_shown;
        floor.listings[asked.listing].book.queue(side.opposite()).find(shown).map(|o| o.px)
    });
    let reference = best.or(floor.listings[asked.listing].last_px);
    let own = &mut floor.accounts[usize::from(account)];
    let limits = &own.rules.limits;
    let is_market = asked.price >= MARKET_PRICE;
    let px = if is_market { reference.unwrap_or_default() } else { price(asked.price).unwrap_or_default() };
    let notional = |px: Px, shares: u32| i128::from(px.0) * i128::from(shares);
    let is_short = matches!(asked.side, b'T' | b'E');
    let check = |is_over: bool, cause| if is_over { Err(cause) } else { Ok(()) };

    check(limits.restricted.contains(&asked.symbol), Cause::RiskRestrictedStock)?;
    check(is_short && limits.no_short, Cause::RiskShortSell)?;
    check(asked.side == b'E' && limits.no_short_exempt, Cause::RiskShortExempt)?;
    check(
        asked.side == b'T' && limits.short_restricted.contains(&asked.symbol),
        Cause::RiskShortSellRestricted,
    )?;
    check(is_short && limits.locate_required && asked.tags.located != Some(b'Y'), Cause::RiskLocateRequired)?;
    check(is_market && limits.no_market_orders, Cause::RiskMarketOrder)?;
    check(asked.iso == b'Y' && limits.no_iso, Cause::RiskIso)?;
    check(limits.max_quantity.is_some_and(|n| asked.quantity > n), Cause::RiskMaxQuantity)?;
    let value = notional(px, asked.quantity);
    check(limits.max_notional_e4.is_some_and(|n| value > i128::from(n)), Cause::RiskSingleOrderNotional)?;
    let beyond = |percent: u32| {
        let (best, percent) = (best.unwrap_or(px).0, i64::from(percent));
        match side_of(asked.side) {
            Some(Side::Sell) => px.0 * 100 < best * (100 - percent),
            Some(Side::Buy) | None => px.0 * 100 > best * (100 + percent),
        }
    };
    check(limits.fat_finger_percent.is_some_and(|p| !is_market && beyond(p)), Cause::RiskFatFinger)?;
    if let Some(most) = limits.max_exposure_e4 {
        let open: i128 = own.orders.values().map(|o| notional(o.px, o.open.0)).sum();
        let gone = old.map_or(0, |o| notional(o.px, o.open.0));
        let spent = notional(px, old.map_or(0, |o| o.spent.0));
        check(open - gone + value - spent > i128::from(most), Cause::RiskAggregateExposure)?;
    }
    let more = u64::from(asked.quantity).saturating_sub(old.map_or(0, |o| u64::from(o.spent.0 + o.open.0)));
    let day = own.rates.asked.get(&asked.symbol).copied().unwrap_or(0) + more;
    check(limits.max_day_shares.is_some_and(|n| day > n), Cause::RiskAverageDailyVolume)?;

    // What takes room in a window comes last: an order that is refused for something else takes none.
    if let Some(limit) = limits.duplicate_rate {
        let kind = (asked.symbol, asked.side, asked.quantity, asked.price);
        if own.rates.alike.len() >= RATES {
            own.rates.alike.retain(|_, window| window.has_any(now));
        }
        let window = own.rates.alike.entry(kind).or_default();
        check(!window.take(now, limit), Cause::RiskDuplicateRate)?;
    }
    if let Some(limit) = limits.symbol_rate {
        let window = own.rates.symbols.entry(asked.symbol).or_default();
        check(!window.take(now, limit), Cause::RiskSymbolRate)?;
    }
    own.rates.asked.insert(asked.symbol, day);
    Ok(())
}

/// The side of the book of a letter.
#[must_use]
pub fn side_of(letter: u8) -> Option<Side> {
    match letter {
        b'B' => Some(Side::Buy),
        b'S' | b'T' | b'E' => Some(Side::Sell),
        _ => None,
    }
}

/// Whether an order may have so many shares.
#[must_use]
pub fn is_quantity(quantity: u32) -> bool {
    (1..=Qty::MAX_ORDER.0).contains(&quantity)
}

/// A price as sent: a limit above 0, in whole cents from a dollar on; or no limit.
fn price(raw: u64) -> Option<Px> {
    let px = Px(i64::try_from(raw).ok()?);
    let is_limit = px.is_orderable() && raw < MARKET_PRICE && (raw < DOLLAR || raw.is_multiple_of(CENT));
    let is_market = (MARKET_PRICE..=MARKET_PRICE_MAX).contains(&raw);
    (is_limit || is_market).then_some(px)
}
