//! `?cached`: what `Cache-Control` says of the age an answer may have. Answers are kept by [`lictor_rpc::Subscriptions`].
//!
//! As in Consul, an answer that is followed is given at any age unless the caller says more. Consul leaves `max-age` unheard for
//! those; here it counts: who names an age gets no older answer, or what `stale-if-error` allows.

use crate::error::HttpError;
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use lictor_rpc::Freshness;
use std::time::Duration;

/// Up to this age an answer that cannot be followed is given to callers who name none. Consul does so for three days, in which the
/// instances of a prepared query are long gone.
const AGE_DEFAULT: Duration = Duration::from_secs(60);
/// Ages are told in whole seconds, and compared as they are told.
const ROUNDED_OFF: Duration = Duration::from_millis(999);

/// What a `Cache-Control` header asks (RFC 9111 §5.2.1, RFC 5861 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    max_age: Option<Duration>,
    must_revalidate: bool,
    stale_if_error: Option<Duration>,
}

impl CacheControl {
    /// Reads the header; what it does not know it leaves unheard. It is read even where nothing is cached, as in Consul.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, HttpError> {
        let invalid = || HttpError::bad_request("Invalid Cache-Control header.");
        let mut control = Self::default();
        let Some(value) = headers.get(CACHE_CONTROL) else { return Ok(control) };
        let text = value.to_str().map_err(|_| invalid())?;
        for part in text.to_ascii_lowercase().split(',') {
            let part = part.trim();
            let seconds = |text: &str| text.parse::<u32>().map(|secs| Duration::from_secs(secs.into())).map_err(|_| invalid());
            if part == "must-revalidate" {
                control.must_revalidate = true;
            } else if let Some(text) = part.strip_prefix("max-age=") {
                let age = seconds(text)?;
                control.must_revalidate |= age.is_zero();
                control.max_age = Some(age);
            } else if let Some(text) = part.strip_prefix("stale-if-error=") {
                control.stale_if_error = Some(seconds(text)?);
            }
        }
        Ok(control)
    }

    /// For answers that are followed.
    pub(crate) fn of_followed(self) -> Freshness {
        let told = |age: Duration| age + ROUNDED_OFF;
        Freshness {
            max_age: self.max_age.map(told),
            revalidate: self.must_revalidate,
            stale_if_error: self.stale_if_error.map(told),
        }
    }

    /// For answers that cannot be followed.
    pub(crate) fn of_fetched(self) -> Freshness {
        let said = self.of_followed();
        // Who says nothing rather has an old answer than none.
        let says_nothing = said.max_age.is_none() && !said.revalidate;
        Freshness {
            max_age: said.max_age.or(Some(AGE_DEFAULT)),
            stale_if_error: said.stale_if_error.or(says_nothing.then_some(Duration::MAX)),
            ..said
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<CacheControl, HttpError> {
        CacheControl::read(&HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]))
    }

    #[test]
    fn the_header_is_read() {
        let secs = |secs| Some(Duration::from_secs(secs));
        for (value, max_age, must_revalidate, stale_if_error) in [
            ("max-age=60, stale-if-error=10", secs(60), false, secs(10)),
            ("must-revalidate", None, true, None),
            ("MAX-AGE=5", secs(5), false, None),
            ("max-age=0", secs(0), true, None),
            ("no-transform", None, false, None),
        ] {
            assert_eq!(read(value).unwrap(), CacheControl { max_age, must_revalidate, stale_if_error }, "{value}");
        }
        assert_eq!(CacheControl::read(&HeaderMap::new()).unwrap(), CacheControl::default());
        for value in ["max-age=abc", "max-age=-1", "stale-if-error=", "max-age=99999999999"] {
            assert_eq!(read(value).unwrap_err().text(), "Invalid Cache-Control header.", "{value}");
        }
    }

    #[test]
    fn who_says_nothing_gets_old_answers_rather_than_none() {
        assert_eq!(CacheControl::default().of_followed(), Freshness::default());
        let wish = CacheControl::default().of_fetched();
        assert_eq!((wish.max_age, wish.stale_if_error), (Some(AGE_DEFAULT), Some(Duration::MAX)));
        for value in ["max-age=5", "must-revalidate"] {
            assert_eq!(read(value).unwrap().of_fetched().stale_if_error, None, "{value}");
        }
    }
}
