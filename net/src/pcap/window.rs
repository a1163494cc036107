//! A stream's bytes through a buffer of fixed size: what is wanted next lies there in one piece.
//!
//! ```text
//!   buf: [ passed before | passed last | read ahead |  free  ]
//!                        ^ last        ^ from       ^ to
//! ```

use std::io::{self, Read};

/// Bytes of a window: the most that can be wanted at once.
pub const WINDOW: usize = 1 << 20;

/// A stream read front to back through a buffer of fixed size: what is wanted next lies there in one piece.
///
/// Where the stream ends for now (a file that is being written), the next call looks again.
pub struct Window {
    input: Box<dyn Read + Send>,
    buf: Box<[u8]>,
    last: usize,
    from: usize,
    to: usize,
    offset: u64,
}

impl Window {
    /// A window on `input`. Allocates [`WINDOW`] bytes.
    pub fn new(input: impl Read + Send + 'static) -> Window {
        let buf = vec![0; WINDOW].into_boxed_slice();
        Window { input: Box::new(input), buf, last: 0, from: 0, to: 0, offset: 0 }
    }

    /// Bytes passed so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What comes next: at least `n` bytes (at most [`WINDOW`]), fewer only where the stream ends before.
    ///
    /// # Errors
    /// The stream's own.
    pub fn want(&mut self, n: usize) -> io::Result<&[u8]> {
        debug_assert!(n <= WINDOW);
        if self.to - self.from < n {
            self.read_ahead(n)?;
        }
        Ok(&self.buf[self.from..self.to])
    }

    #[cold]
    fn read_ahead(&mut self, n: usize) -> io::Result<()> {
        self.buf.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        (self.last, self.from) = (0, 0);
        while self.to < n {
            match self.input.read(&mut self.buf[self.to..]) {
                Ok(0) => break,
                Ok(more) => self.to += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Passes `n` bytes that [`Window::want`] has shown.
    pub fn pass(&mut self, n: usize) {
        let n = n.min(self.to - self.from);
        self.last = self.from;
        self.from += n;
        self.offset += n as u64;
    }

    /// What the last [`Window::pass`] passed; until the next [`Window::want`].
    #[must_use]
    pub fn passed(&self) -> &[u8] {
        &self.buf[self.last..self.from]
    }

    /// Passes `n` bytes, however many, and returns how many are left to be passed: some only where the stream ends before.
    ///
    /// # Errors
    /// The stream's own.
    pub fn skip(&mut self, mut n: u64) -> io::Result<u64> {
        while n > 0 {
            let here = (self.want(1)?.len() as u64).min(n);
            if here == 0 {
                break;
            }
            self.pass(here as usize);
            n -= here;
        }
        Ok(n)
    }
}

/// What is left of the stream.
impl Read for Window {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.want(1)?.len().min(out.len());
        self.pass(n);
        out[..n].copy_from_slice(self.passed());
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, and an interruption before each.
    struct Drip(Vec<u8>, bool);

    impl Read for Drip {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() || out.is_empty() {
                return Ok(0);
            }
            out[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn what_is_wanted_is_there_in_one_piece_however_it_comes() {
        let mut w = Window::new(Drip(b"abcdefgh".to_vec(), false));
        assert_eq!(w.want(3).unwrap(), b"abc");
        w.pass(2);
        assert_eq!((w.passed(), w.offset()), (&b"ab"[..], 2));
        assert_eq!(w.want(4).unwrap(), b"cdef");
        assert_eq!(w.skip(3).unwrap(), 0);
        assert_eq!(w.want(9).unwrap(), b"fgh");
        assert_eq!(w.skip(4).unwrap(), 1);
        assert_eq!(w.want(1).unwrap(), b"");
        assert_eq!(w.offset(), 8);
    }
}
