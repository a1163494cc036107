//! Which secrets a command reads: those that it needs, and no others.

/// Whether passwords are read: a replay needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Read them.
    Read,
    /// Those of market data alone: no gateway's is touched.
    Market,
    /// Leave them empty.
    Skip,
}

impl Secrets {
    /// For what is heard, and for what orders go by.
    pub(super) const fn apart(self) -> (Secrets, Secrets) {
        match self {
            Secrets::Read => (Secrets::Read, Secrets::Read),
            Secrets::Market => (Secrets::Read, Secrets::Skip),
            Secrets::Skip => (Secrets::Skip, Secrets::Skip),
        }
    }
}
