//! Control inputs as fields of a record.

use model::{Control, GatewayId, HaltReason, InstrumentId, Limit, ParamName, Setting, Token, Usd};

use super::super::bytes::{Malformed, Put, Take};
use super::{alarm, port_request};

pub(super) fn put(p: &mut Put, c: Control) {
    match c {
        Control::Halt(reason) => p.u8(1).u8(reason as u8),
        Control::Resume => p.u8(2),
        Control::CancelAll => p.u8(3),
        Control::Shutdown => p.u8(4),
        Control::Tokens { first, end } => p.u8(5).u32(first.0).u32(end.0),
        Control::WriteOff { token } => p.u8(6).u32(token.0),
        Control::Port { gateway, request } => p.u8(7).u8(gateway.0).u8(request as u8),
        Control::Trip { level, cause } => p.u8(8).u8(level as u8).u8(cause as u8),
        Control::Clutch { engaged } => p.u8(9).u8(engaged.into()),
        Control::Restrict { instrument, shorts, on } => {
            alarm::put_restriction(p.u8(10), instrument, shorts, on)
        }
        Control::Stage(setting) => put_setting(p.u8(11), setting),
        Control::Enact { change, count } => p.u8(12).u32(change).u8(count),
        Control::Drift(drift) => alarm::put_drift(p.u8(48), drift),
        Control::Best { pnl } => p.u8(49).i64(pnl.0),
        Control::Kill { instrument } => put_scope(p.u8(32), instrument),
        Control::Unkill { instrument } => put_scope(p.u8(33), instrument),
        Control::NeverSent { token } => p.u8(34).u32(token.0),
    };
}

pub(super) fn take(t: &mut Take<'_>) -> Result<Control, Malformed> {
    Ok(match t.u8()? {
        1 => Control::Halt(match t.u8()? {
            1 => HaltReason::Operator,
            2 => HaltReason::Shutdown,
            3 => HaltReason::Journal,
            4 => HaltReason::Loss,
            5 => HaltReason::Reconciliation,
            6 => HaltReason::Overflow,
            7 => HaltReason::RejectRate,
            8 => HaltReason::Drawdown,
            9 => HaltReason::Breaker,
            32 => HaltReason::Killed,
            _ => return Err(Malformed),
        }),
        2 => Control::Resume,
        3 => Control::CancelAll,
        4 => Control::Shutdown,
        5 => Control::Tokens { first: Token(t.u32()?), end: Token(t.u32()?) },
        6 => Control::WriteOff { token: Token(t.u32()?) },
        7 => Control::Port { gateway: GatewayId(t.u8()?), request: port_request(t)? },
        8 => Control::Trip { level: alarm::level(t)?, cause: alarm::cause(t)? },
        9 => Control::Clutch { engaged: t.bool()? },
        10 => alarm::restriction(t)?,
        11 => Control::Stage(setting(t)?),
        12 => Control::Enact { change: t.u32()?, count: t.u8()? },
        48 => Control::Drift(alarm::drift(t)?),
        49 => Control::Best { pnl: Usd(t.i64()?) },
        32 => Control::Kill { instrument: scope(t)? },
        33 => Control::Unkill { instrument: scope(t)? },
        34 => Control::NeverSent { token: Token(t.u32()?) },
        _ => return Err(Malformed),
    })
}

/// What a kill is of.
fn put_scope(p: &mut Put, instrument: Option<InstrumentId>) -> &mut Put {
    p.u8(instrument.is_some().into()).u16(instrument.map_or(0, |id| id.0))
}

fn scope(t: &mut Take<'_>) -> Result<Option<InstrumentId>, Malformed> {
    let (one, id) = (t.bool()?, t.u16()?);
    Ok(one.then_some(InstrumentId(id)))
}

/// A value of a change: 1 a number or 2 a switch, with the length of its name and its bytes; 3 a limit.
fn put_setting(p: &mut Put, setting: Setting) -> &mut Put {
    match setting {
        Setting::Number(name, value) => put_name(p.u8(1), &name).i64(value),
        Setting::Switch(name, value) => put_name(p.u8(2), &name).u8(value.into()),
        Setting::Limit(limit, value) => p.u8(3).u8(limit as u8).i64(value),
    }
}

fn put_name<'a>(p: &'a mut Put, name: &ParamName) -> &'a mut Put {
    let bytes = name.as_str().as_bytes();
    p.u8(bytes.len() as u8);
    bytes.iter().for_each(|b| {
        p.u8(*b);
    });
    p
}

fn setting(t: &mut Take<'_>) -> Result<Setting, Malformed> {
    Ok(match t.u8()? {
        1 => Setting::Number(name(t)?, t.i64()?),
        2 => Setting::Switch(name(t)?, t.bool()?),
        3 => {
            let code = t.u8()?;
            let limit = Limit::ALL.into_iter().find(|l| *l as u8 == code).ok_or(Malformed)?;
            Setting::Limit(limit, t.i64()?)
        }
        _ => return Err(Malformed),
    })
}

fn name(t: &mut Take<'_>) -> Result<ParamName, Malformed> {
    let len = t.u8()?;
    let mut text = String::with_capacity(usize::from(len));
    for _ in 0..len {
        text.push(char::from(t.u8()?));
    }
    ParamName::new(&text).ok_or(Malformed)
}
