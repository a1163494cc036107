//! Views: the bytes of one message, read field by field where they lie.
//!
//! A view borrows `&[u8; N]`, got once, so its length is checked once and every accessor is a load at a constant offset; that each field lies inside its
//! message is asserted at compile time.

use model::Symbol;

/// A field's type: how it is read at a constant offset of a message of constant length.
pub(crate) trait Field: Sized {
    /// Its most significant byte first.
    fn be<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self;

    /// Its least significant byte first. Of text that is the same.
    #[inline(always)]
    fn le<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self {
        Self::be::<OFFSET, N>(msg)
    }
}

macro_rules! integer_fields {
    ($($ty:ty: $len:literal)*) => {$(
        impl Field for $ty {
            #[inline(always)]
            fn be<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self {
                <$ty>::from_be_bytes(<[u8; $len]>::be::<OFFSET, N>(msg))
            }

            #[inline(always)]
            fn le<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self {
                <$ty>::from_le_bytes(<[u8; $len]>::be::<OFFSET, N>(msg))
            }
        }
    )*};
}

integer_fields! { u8: 1 u16: 2 u32: 4 u64: 8 }

impl<const LEN: usize> Field for [u8; LEN] {
    #[inline(always)]
    fn be<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self {
        const { assert!(OFFSET + LEN <= N, "a field lies inside its message") };
        let mut out = [0; LEN];
        out.copy_from_slice(&msg[OFFSET..OFFSET + LEN]);
        out
    }
}

impl Field for Symbol {
    #[inline(always)]
    fn be<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self {
        Symbol(<[u8; 8]>::be::<OFFSET, N>(msg))
    }
}

/// What the messages of a venue have in common where [`views`] names no other: nothing.
macro_rules! no_header {
    (accessors $($of:tt)*) => {};
    (debug $($of:tt)*) => {};
}
pub(crate) use no_header;

/// Gives each `name = kind, length bytes { field: type = offset, about; .. }` a view, whose integers are `le` or `be`, and all of them a table. `header` is a
/// macro for what all of a venue's messages begin with, like [`no_header`]: its `accessors KIND LENGTH` go into each view, and its `debug view out` writes
/// them.
macro_rules! views {
    ($order:ident $header:ident $(
        $(#[$doc:meta])*
        $view:ident = $kind:literal, $len:literal bytes {
            $($field:ident: $ty:ty = $offset:literal, $about:literal;)*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq)]
            #[repr(transparent)]
            pub struct $view<'a>(&'a [u8; $len]);

            impl<'a> $view<'a> {
                /// The type's number.
                pub const KIND: u8 = $kind;
                /// The type's length in bytes.
                pub const LEN: usize = $len;

                /// The view of a message whose type is known to be [`Self::KIND`]; bytes beyond [`Self::LEN`] are ignored.
                #[inline(always)]
                pub(super) fn of_kind(msg: &'a [u8]) -> Result<Self, DecodeError> {
                    match msg.first_chunk() {
                        Some(bytes) => Ok(Self(bytes)),
                        None => Err(DecodeError::short($kind, msg.len(), $len)),
                    }
                }

                $header! { accessors $kind $len }

                $(
                    #[doc = $about]
                    #[inline(always)]
                    #[must_use]
                    pub fn $field(&self) -> $ty {
                        <$ty as $crate::views::Field>::$order::<$offset, $len>(self.0)
                    }
                )*
            }

            impl core::fmt::Debug for $view<'_> {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    let mut out = f.debug_struct(stringify!($view));
                    $header! { debug self out }
                    $(out.field(stringify!($field), &self.$field());)*
                    out.finish()
                }
            }
        )*

        /// Every known type: its number and its length in bytes, in the specification's order.
        pub const TYPES: [(u8, usize); [$($kind),*].len()] = [$(($kind, $len)),*];
    };
}
pub(crate) use views;
