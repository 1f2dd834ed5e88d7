//! Settings that the engine changes without a new container: as asked for, and as the engine has them.

use serde::{Deserialize, Serialize};

use crate::spec::Restart;

/// Settings that the engine changes without a new container (`docker update`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPlace {
    /// Restart policy.
    pub restart: Restart,
    /// Bytes.
    pub mem_limit: Option<u64>,
    /// Billionths of a processor.
    pub nano_cpus: Option<i64>,
}

/// The same as the engine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPlaceSeen {
    /// Restart policy.
    pub restart: Restart,
    /// Bytes.
    pub mem_limit: Limit<u64>,
    /// Billionths of a processor.
    pub nano_cpus: Limit<i64>,
}

/// A limit as an engine has it. `docker update` cannot take one away, only raise it to all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit<T> {
    /// There never was one; or the engine cannot limit this on its machine, and has left it out.
    Never,
    /// As much as there is, which is no limit.
    All(T),
    /// So much.
    At(T),
}

impl<T: Copy + PartialEq> Limit<T> {
    /// Whether it does what was asked for.
    fn does(self, asked: Option<T>) -> bool {
        match self {
            Self::Never => asked.is_none(),
            Self::All(all) => asked.is_none_or(|asked| asked == all),
            Self::At(limit) => asked == Some(limit),
        }
    }

    /// In words of the spec; what is `asked` wherever that comes to the same.
    fn beside(self, asked: Option<T>) -> Option<T> {
        match self {
            _ if self.does(asked) => asked,
            Self::Never | Self::All(_) => None,
            Self::At(limit) => Some(limit),
        }
    }
}

impl InPlaceSeen {
    /// In words of the spec; what is `asked` wherever that comes to the same.
    pub fn beside(&self, asked: &InPlace) -> InPlace {
        InPlace {
            restart: self.restart,
            mem_limit: self.mem_limit.beside(asked.mem_limit),
            nano_cpus: self.nano_cpus.beside(asked.nano_cpus),
        }
    }

    /// The same, where what was asked for is written down: a limit that the engine has left out since it
    /// cannot keep it was not taken away by anybody.
    pub fn since(&self, asked: &InPlace) -> InPlace {
        let mut now = self.beside(asked);
        if self.mem_limit == Limit::Never {
            now.mem_limit = asked.mem_limit;
        }
        if self.nano_cpus == Limit::Never {
            now.nano_cpus = asked.nano_cpus;
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: InPlaceSeen =
        InPlaceSeen { restart: Restart::Always, mem_limit: Limit::Never, nano_cpus: Limit::All(2) };

    fn asked(mem_limit: Option<u64>, nano_cpus: Option<i64>) -> InPlace {
        InPlace { restart: Restart::Always, mem_limit, nano_cpus }
    }

    #[test]
    fn all_there_is_is_no_limit_and_that_limit() {
        for cpus in [None, Some(2)] {
            assert_eq!(SEEN.beside(&asked(None, cpus)), asked(None, cpus));
        }
        assert_eq!(SEEN.beside(&asked(None, Some(1))), asked(None, None));
        let seen = InPlaceSeen { mem_limit: Limit::At(7), ..SEEN };
        assert_eq!(seen.beside(&asked(None, None)), asked(Some(7), None));
        assert_eq!(seen.since(&asked(Some(8), None)), asked(Some(7), None));
    }

    #[test]
    fn what_an_engine_cannot_limit_nobody_has_changed() {
        assert_eq!(SEEN.since(&asked(Some(7), None)), asked(Some(7), None));
        assert_eq!(SEEN.beside(&asked(Some(7), None)), asked(None, None));
    }
}
