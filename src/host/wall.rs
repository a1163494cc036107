//! What the kernel knows of how well its wall clock is kept.

use std::io;

use model::Nanos;

/// The largest error that the kernel lets a clock be kept with (`NTP_PHASE_LIMIT` of `linux/timex.h`); beyond it nobody keeps it.
const ERROR_US_MAX: i64 = 16_000_000;

/// How far the wall clock may be from UTC, as whoever keeps it has told the kernel: chrony and ntpd at each update, phc2sys once it has the clock. `None`: nobody
/// keeps it. `STA_UNSYNC` is not asked: chrony leaves it set unless it also writes the hardware clock.
///
/// Source: adjtimex(2). Cost: a system call; it asks for no privilege, for it sets nothing.
///
/// # Errors
/// The kernel's.
pub fn wall_error() -> io::Result<Option<Nanos>> {
    // SAFETY: zeros are a value of this plain C structure: set nothing.
    let mut found: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is live for the call, which writes nothing else.
    if unsafe { libc::adjtimex(&raw mut found) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(estimate(found.maxerror, found.esterror))
}

fn estimate(most_us: i64, estimated_us: i64) -> Option<Nanos> {
    let estimated = u64::try_from(estimated_us).unwrap_or(u64::MAX);
    (most_us < ERROR_US_MAX).then(|| Nanos(estimated.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nobody_keeps_has_no_error_that_anybody_knows() {
        assert_eq!(estimate(15_999_999, 87), Some(Nanos(87_000)));
        assert_eq!(estimate(ERROR_US_MAX, 87), None);
        assert_eq!(estimate(0, -1), Some(Nanos(u64::MAX)), "nonsense is no small error");
    }

    #[test]
    fn the_kernel_answers() {
        wall_error().unwrap();
    }
}
