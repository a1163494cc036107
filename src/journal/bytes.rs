//! Fixed-layout little-endian fields in a small buffer on the stack.

/// Largest encoded record.
pub(super) const MAX: usize = 96;

/// Writes fields one after another.
pub(super) struct Put {
    buf: [u8; MAX],
    len: usize,
}

impl Put {
    #[inline]
    pub(super) fn new() -> Put {
        Put { buf: [0; MAX], len: 0 }
    }

    #[inline]
    pub(super) fn bytes<const N: usize>(&mut self, b: [u8; N]) -> &mut Put {
        self.buf[self.len..self.len + N].copy_from_slice(&b);
        self.len += N;
        self
    }

    #[inline]
    pub(super) fn u8(&mut self, v: u8) -> &mut Put {
        self.bytes([v])
    }

    #[inline]
    pub(super) fn u16(&mut self, v: u16) -> &mut Put {
        self.bytes(v.to_le_bytes())
    }

    #[inline]
    pub(super) fn u32(&mut self, v: u32) -> &mut Put {
        self.bytes(v.to_le_bytes())
    }

    #[inline]
    pub(super) fn u64(&mut self, v: u64) -> &mut Put {
        self.bytes(v.to_le_bytes())
    }

    #[inline]
    pub(super) fn i64(&mut self, v: i64) -> &mut Put {
        self.bytes(v.to_le_bytes())
    }

    #[inline]
    pub(super) fn done(&self) -> &[u8] {
        &self.buf[..self.len]
    }
}

/// The payload ended before its fields did, or a field holds what it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads fields one after another.
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl Take<'_> {
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.bytes::<1>()?[0])
    }

    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.bytes()?))
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
