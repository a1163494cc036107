//! Fixed-layout little-endian fields, put together in whole words on the stack.

/// Largest encoded record, words.
const WORDS: usize = 12;

/// Writes fields one after another. They are put together in whole words, which is how the log copies them: a word read from bytes that were stored one field
/// at a time waits until all of these have left the store buffer, and there they stand behind the last record's way to memory.
pub(super) struct Put {
    words: [u64; WORDS],
    /// Bytes put.
    len: usize,
}

impl Put {
    #[inline(always)]
    pub(super) fn new() -> Put {
        Put { words: [0; WORDS], len: 0 }
    }

    /// The low `N` bytes of `v`, whose other bytes are zero.
    #[inline(always)]
    fn low<const N: usize>(&mut self, v: u64) -> &mut Put {
        let (at, bits) = (self.len / 8, self.len % 8 * 8);
        self.words[at] |= v << bits;
        if bits + N * 8 > 64 {
            self.words[at + 1] = v >> (64 - bits);
        }
        self.len += N;
        self
    }

    #[inline(always)]
    pub(super) fn u8(&mut self, v: u8) -> &mut Put {
        self.low::<1>(v.into())
    }

    #[inline(always)]
    pub(super) fn u16(&mut self, v: u16) -> &mut Put {
        self.low::<2>(v.into())
    }

    #[inline(always)]
    pub(super) fn u32(&mut self, v: u32) -> &mut Put {
        self.low::<4>(v.into())
    }

    #[inline(always)]
    pub(super) fn u64(&mut self, v: u64) -> &mut Put {
        self.low::<8>(v)
    }

    #[inline(always)]
    pub(super) fn i64(&mut self, v: i64) -> &mut Put {
        self.u64(v as u64)
    }

    /// The words, the last filled up with zeros, and how many bytes of them are fields.
    #[inline(always)]
    pub(super) fn done(&self) -> (&[u64], usize) {
        (&self.words[..self.len.div_ceil(8)], self.len)
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
