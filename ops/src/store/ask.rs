//! Questions to a store. SQL that PostgreSQL and SQLite both take: places are `$1`, `$2`, ... in the order in which they first stand; numbers are `BIGINT` (a sum is cast to it), all else is text.

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{Cell, StoreError};

/// A store that can be asked.
pub trait Ask {
    /// The rows of a question.
    ///
    /// # Errors
    /// The store's.
    fn rows(&mut self, sql: &str, given: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError>;
}

impl Ask for Postgres {
    fn rows(&mut self, sql: &str, given: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        Postgres::rows(self, sql, given)
    }
}

impl Ask for Sqlite {
    fn rows(&mut self, sql: &str, given: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let ask = || -> rusqlite::Result<Vec<Vec<Cell>>> {
            let mut statement = self.connection().prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(given.iter()))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let cell = |k| {
                    Ok(match row.get_ref(k)? {
                        rusqlite::types::ValueRef::Null => Cell::Null,
                        rusqlite::types::ValueRef::Integer(v) => Cell::Int(v),
                        rusqlite::types::ValueRef::Real(v) => Cell::Text(v.to_string()),
                        rusqlite::types::ValueRef::Text(s) | rusqlite::types::ValueRef::Blob(s) => {
                            Cell::Text(String::from_utf8_lossy(s).into_owned())
                        }
                    })
                };
                found.push((0..columns).map(cell).collect::<rusqlite::Result<_>>()?);
            }
            Ok(found)
        };
        ask().map_err(StoreError::refused)
    }
}
