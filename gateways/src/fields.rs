//! Fixed fields of big-endian messages, read and written at places that are constants where these are called: no check is left in the code.

use model::Side;

use crate::codec::DecodeError;
use crate::order::EncodeError;
use crate::soupbintcp::packet_type::UNSEQUENCED;

/// The `N` bytes at `at`.
#[inline(always)]
pub(crate) fn at<const N: usize>(m: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&m[at..at + N]);
    out
}

#[inline(always)]
pub(crate) fn u32_at(m: &[u8], i: usize) -> u32 {
    u32::from_be_bytes(at(m, i))
}

#[inline(always)]
pub(crate) fn u64_at(m: &[u8], i: usize) -> u64 {
    u64::from_be_bytes(at(m, i))
}

/// The fixed part of `N` bytes and what follows it.
#[inline(always)]
pub(crate) fn split<const N: usize>(msg: &[u8]) -> Result<(&[u8; N], &[u8]), DecodeError> {
    match msg.split_first_chunk::<N>() {
        Some(parts) => Ok(parts),
        None => Err(short(msg, N)),
    }
}

#[cold]
fn short(msg: &[u8], least: usize) -> DecodeError {
    DecodeError::Short { kind: msg.first().copied().unwrap_or_default(), len: msg.len(), least }
}

/// The side, and whether a sale is marked short.
#[inline(always)]
pub(crate) fn side(letter: u8) -> Result<(Side, bool), DecodeError> {
    match letter {
        b'B' => Ok((Side::Buy, false)),
        b'S' => Ok((Side::Sell, false)),
        b'T' | b'E' => Ok((Side::Sell, true)),
        other => Err(DecodeError::Side(other)),
    }
}

#[inline]
pub(crate) const fn side_letter(side: Side, short: bool) -> Result<u8, EncodeError> {
    match (side, short) {
        (Side::Buy, false) => Ok(b'B'),
        (Side::Sell, false) => Ok(b'S'),
        (Side::Sell, true) => Ok(b'T'),
        (Side::Buy, true) => Err(EncodeError::ShortBuy),
    }
}

/// Whether an order was accepted dead.
#[inline(always)]
pub(crate) fn dead(state: u8) -> Result<bool, DecodeError> {
    match state {
        b'L' => Ok(false),
        b'D' => Ok(true),
        other => Err(DecodeError::OrderState(other)),
    }
}

/// Writes `bytes` at `at`.
#[inline(always)]
pub(crate) fn put<const N: usize, const M: usize>(packet: &mut [u8; N], at: usize, bytes: [u8; M]) {
    packet[at..at + M].copy_from_slice(&bytes);
}

/// A SoupBinTCP packet around a message of one letter and spaces.
#[inline(always)]
pub(crate) const fn blank<const N: usize>(message_type: u8) -> [u8; N] {
    let mut p = [b' '; N];
    let [hi, lo] = (N as u16 - 2).to_be_bytes();
    p[0] = hi;
    p[1] = lo;
    p[2] = UNSEQUENCED;
    p[3] = message_type;
    p
}
