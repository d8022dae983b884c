//! An API's level, as it stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use apim_core::model::{LogLevel, LogSetting, Operation};
use arc_swap::ArcSwapOption;

/// Says what is written of a call. All but a flag is only looked at where something is.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    on: AtomicBool,
    setting: ArcSwapOption<LogSetting>,
}

impl Switch {
    /// Puts a setting in force, for calls that come from now on; none: nothing is written.
    pub(crate) fn set(&self, setting: Option<Arc<LogSetting>>) {
        let on = setting.as_ref().is_some_and(|setting| setting.is_on());
        self.setting.store(setting);
        self.on.store(on, Relaxed);
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    pub(super) fn level_of(&self, operation: Option<&Operation>) -> LogLevel {
        self.setting.load().as_ref().map_or(LogLevel::Off, |setting| setting.level_of(operation))
    }
}
