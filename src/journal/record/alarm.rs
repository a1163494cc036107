//! Alarms, and what else names a level, a cause or perhaps an instrument, as fields of a record.

use engine::{Alarm, Measure};
use model::{BreakerCause, BreakerLevel, Control, Drift, DriftFigure, InstrumentId, Usd};

use super::super::bytes::{Malformed, Put, Take};

/// Where no instrument is named.
pub(super) const NO_INSTRUMENT: u16 = u16::MAX;

pub(super) fn put(p: &mut Put, alarm: &Alarm) {
    match *alarm {
        Alarm::Breaker { level, cause } => p.u8(1).u8(level as u8).u8(cause as u8),
        Alarm::Disabled { instrument, cause } => p.u8(2).u16(instrument.0).u8(cause as u8),
        Alarm::NotFlat { instrument, shares, orders } => p.u8(4).u16(instrument.0).i64(shares).u32(orders),
        Alarm::Drift(drift) => put_drift(p.u8(8), drift),
        Alarm::Best { pnl } => p.u8(9).i64(pnl.0),
        Alarm::Warning { measure, instrument, percent, value, limit } => {
            let instrument = instrument.map_or(NO_INSTRUMENT, |id| id.0);
            p.u8(3).u8(measure as u8).u16(instrument).u8(percent).i64(value).i64(limit)
        }
    };
}

pub(super) fn take(t: &mut Take<'_>) -> Result<Alarm, Malformed> {
    Ok(match t.u8()? {
        1 => Alarm::Breaker { level: level(t)?, cause: cause(t)? },
        2 => Alarm::Disabled { instrument: InstrumentId(t.u16()?), cause: cause(t)? },
        3 => Alarm::Warning {
            measure: *Measure::ALL.get(usize::from(t.u8()?)).ok_or(Malformed)?,
            instrument: instrument(t)?,
            percent: t.u8()?,
            value: t.i64()?,
            limit: t.i64()?,
        },
        4 => Alarm::NotFlat { instrument: InstrumentId(t.u16()?), shares: t.i64()?, orders: t.u32()? },
        8 => Alarm::Drift(drift(t)?),
        9 => Alarm::Best { pnl: Usd(t.i64()?) },
        _ => return Err(Malformed),
    })
}

pub(super) fn put_drift(p: &mut Put, d: Drift) -> &mut Put {
    p.u8(d.figure as u8).u8(d.is_beyond.into()).i64(d.value).i64(d.bound)
}

pub(super) fn drift(t: &mut Take<'_>) -> Result<Drift, Malformed> {
    let figure = *DriftFigure::ALL.get(usize::from(t.u8()?)).ok_or(Malformed)?;
    Ok(Drift { figure, is_beyond: t.bool()?, value: t.i64()?, bound: t.i64()? })
}

/// The second of the two bits is the list of what may not be sold short; journals of before have none there.
pub(super) fn put_restriction(p: &mut Put, of: Option<InstrumentId>, shorts: bool, on: bool) -> &mut Put {
    p.u16(of.map_or(NO_INSTRUMENT, |id| id.0)).u8(u8::from(shorts) << 1 | u8::from(on))
}

pub(super) fn restriction(t: &mut Take<'_>) -> Result<Control, Malformed> {
    let instrument = instrument(t)?;
    match t.u8()? {
        bits @ 0..=3 => Ok(Control::Restrict { instrument, shorts: bits & 2 != 0, on: bits & 1 != 0 }),
        _ => Err(Malformed),
    }
}

pub(super) fn level(t: &mut Take<'_>) -> Result<BreakerLevel, Malformed> {
    BreakerLevel::ALL.get(usize::from(t.u8()?)).copied().ok_or(Malformed)
}

pub(super) fn cause(t: &mut Take<'_>) -> Result<BreakerCause, Malformed> {
    let code = t.u8()?;
    BreakerCause::ALL.into_iter().find(|c| *c as u8 == code).ok_or(Malformed)
}

pub(super) fn instrument(t: &mut Take<'_>) -> Result<Option<InstrumentId>, Malformed> {
    Ok(Some(t.u16()?).filter(|id| *id != NO_INSTRUMENT).map(InstrumentId))
}
