//! What the registers of the real-time clock mean (Motorola MC146818A, ACPI 6.5 4.8.2.4 for the
//! century).

/// The registers that hold the date, as read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtcRegisters {
    pub second: u8,
    pub minute: u8,
    pub hour: u8,
    pub day: u8,
    pub month: u8,
    pub year: u8,
    /// Zero on clocks without one.
    pub century: u8,
    /// Status register B: bit 1 for 24-hour format, bit 2 for binary numbers.
    pub status_b: u8,
}

const HOURS_24: u8 = 1 << 1;
const BINARY: u8 = 1 << 2;
const AFTERNOON: u8 = 1 << 7;

impl RtcRegisters {
    /// Seconds since 1970-01-01 UTC; `None` if the registers hold no date from 1970 on.
    pub fn unix_seconds(self) -> Option<u64> {
        let number = |raw: u8| {
            if self.status_b & BINARY != 0 {
                return Some(u64::from(raw));
            }
            let (tens, units) = (raw >> 4, raw & 0xf);
            (tens <= 9 && units <= 9).then(|| u64::from(tens) * 10 + u64::from(units))
        };
        let hour = if self.status_b & HOURS_24 != 0 {
            number(self.hour)?
        } else {
            let hour = number(self.hour & !AFTERNOON)? % 12;
            hour + if self.hour & AFTERNOON != 0 { 12 } else { 0 }
        };
        let century = match number(self.century)? {
            century @ 19..=29 => century,
            _ => 20,
        };
        let year = century * 100 + number(self.year)?;
        let (month, day) = (number(self.month)?, number(self.day)?);
        let (minute, second) = (number(self.minute)?, number(self.second)?);
        let sane = (1970..3000).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second < 61;
        sane.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Count years from March: then the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year / 4 - year / 100 + year / 400;
    const DAYS_TO_1970: u64 = 719_468;
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: RtcRegisters = RtcRegisters {
        second: 0x56,
        minute: 0x34,
        hour: 0x12,
        day: 0x29,
        month: 0x02,
        year: 0x24,
        century: 0x20,
        status_b: HOURS_24,
    };

    #[test]
    fn bcd_and_binary_say_the_same() {
        let binary = RtcRegisters {
            second: 56,
            minute: 34,
            hour: 12,
            day: 29,
            month: 2,
            year: 24,
            century: 20,
            status_b: HOURS_24 | BINARY,
        };
        assert_eq!(NOON.unix_seconds(), Some(1_709_210_096));
        assert_eq!(binary.unix_seconds(), Some(1_709_210_096));
    }

    #[test]
    fn twelve_hour_clocks_have_two_halves_of_the_day() {
        let at = |hour| {
            RtcRegisters {
                hour,
                status_b: 0,
                ..NOON
            }
            .unix_seconds()
            .unwrap()
        };
        let midnight = 1_709_210_096 - 12 * 3600;
        assert_eq!(at(0x12), midnight);
        assert_eq!(at(0x11), midnight + 11 * 3600);
        assert_eq!(at(0x12 | AFTERNOON), midnight + 12 * 3600);
        assert_eq!(at(0x11 | AFTERNOON), midnight + 23 * 3600);
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(1972, 3, 1), 790);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        assert_eq!(days_since_1970(2100, 3, 1), 47_541);
    }

    #[test]
    fn a_missing_century_means_the_present_one() {
        let missing = RtcRegisters { century: 0, ..NOON };
        assert_eq!(missing.unix_seconds(), NOON.unix_seconds());
    }

    #[test]
    fn nonsense_is_no_date() {
        for wrong in [
            RtcRegisters {
                second: 0xff,
                ..NOON
            },
            RtcRegisters { month: 0, ..NOON },
            RtcRegisters {
                month: 0x13,
                ..NOON
            },
            RtcRegisters { day: 0x1a, ..NOON },
            RtcRegisters { hour: 0x24, ..NOON },
            RtcRegisters {
                century: 0x19,
                year: 0x69,
                ..NOON
            },
        ] {
            assert_eq!(wrong.unix_seconds(), None, "{wrong:?}");
        }
    }
}
