//! `observer`: trades nothing. For recording a day, for measuring the path without orders, and as the smallest strategy there is.

use super::{ParamError, Params, Strategy};

/// Watches.
pub struct Observer;

impl Strategy for Observer {
    const NAME: &'static str = "observer";

    fn new(_params: &mut Params) -> Result<Observer, ParamError> {
        Ok(Observer)
    }

    fn reconfigure(&mut self, _params: &mut Params) -> Result<(), ParamError> {
        Ok(())
    }
}
