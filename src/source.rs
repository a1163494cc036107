//! Historical files.
use std::path::Path;
/// A file.
pub struct Source {
    bytes: Vec<u8>,
    at: usize,
}
impl Source {
    /// Opens.
    /// # Errors
    /// io
    pub fn open(p: &Path) -> std::io::Result<Source> {
        Ok(Source { bytes: std::fs::read(p)?, at: 0 })
    }
    /// Next.
    /// # Errors
    /// io
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        let Some(h) = self.bytes.get(self.at..self.at + 2) else { return Ok(None) };
        let l = usize::from(u16::from_be_bytes([h[0], h[1]]));
        let s = self.at + 2;
        self.at = s + l;
        Ok(self.bytes.get(s..s + l))
    }
}
