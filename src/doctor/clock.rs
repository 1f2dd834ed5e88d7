//! Clocks that differ: requests to AWS and certificates end with a clock that is wrong.

use crate::report::doctor::Finding;

/// AWS refuses from 5 minutes on; less than a minute is a slow answer.
const MUCH: u64 = 60;

/// Whether another clock agrees with ours; both in seconds since 1970.
pub(super) fn compare(subject: &str, whose: &str, theirs: u64, ours: u64) -> Finding {
    let skew = theirs.abs_diff(ours);
    if skew <= MUCH {
        return Finding::ok(subject, format!("clocks agree with {whose}"));
    }
    let way = if theirs > ours { "ahead of" } else { "behind" };
    let message = format!("the clock of {whose} is {skew} s {way} this machine's");
    Finding::warning(subject, message, "see which is wrong: timedatectl; sudo timedatectl set-ntp true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::doctor::Health;

    #[test]
    fn a_minute_is_no_skew() {
        assert_eq!(compare("c", "web/0", 1_000, 1_050).health, Health::Ok);
        let ahead = compare("c", "web/0", 1_300, 1_000);
        assert_eq!(
            (ahead.health, ahead.message.as_str()),
            (Health::Warning, "the clock of web/0 is 300 s ahead of this machine's")
        );
        assert!(compare("c", "web/0", 1_000, 1_300).message.contains("behind"));
    }
}
