//! The parts of the library that a build may leave out: one Cargo feature each.
//!
//! The doors to a part are where modules are declared: without the feature a file `left_out.rs`
//! stands in for the room, whose types have no values, so that the code around it is the same in
//! every build and the compiler drops what can never be reached. What would need the part is
//! refused where it is read, in the words of [`Part::left_out`].

/// A part that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Argon2,
    Cookies,
    Deflate,
    LongPoll,
    Proxy,
    Router,
    Tls,
}

impl Part {
    const ALL: [Part; 7] = [
        Part::Argon2,
        Part::Cookies,
        Part::Deflate,
        Part::LongPoll,
        Part::Proxy,
        Part::Router,
        Part::Tls,
    ];

    /// The Cargo features of the parts that this build has, in the order of the alphabet.
    pub(crate) fn built() -> impl Iterator<Item = &'static str> {
        Part::ALL.into_iter().filter(|part| part.is_built()).map(|part| part.names().0)
    }

    /// Refuses, where this build lacks the part.
    pub(crate) fn require(self) -> Result<(), String> {
        match self.is_built() {
            true => Ok(()),
            false => Err(self.left_out()),
        }
    }

    /// The refusal of what needs the part: what is missing, and how to have it.
    pub(crate) fn left_out(self) -> String {
        let (feature, name) = self.names();
        format!("this libwamp was built without {name} (Cargo feature `{feature}`)")
    }

    fn is_built(self) -> bool {
        match self {
            Part::Argon2 => cfg!(feature = "argon2"),
            Part::Cookies => cfg!(feature = "cookies"),
            Part::Deflate => cfg!(feature = "deflate"),
            Part::LongPoll => cfg!(feature = "longpoll"),
            Part::Proxy => cfg!(feature = "proxy"),
            Part::Router => cfg!(feature = "router"),
            Part::Tls => cfg!(feature = "tls"),
        }
    }

    /// The Cargo feature, and what it is for.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Part::Argon2 => ("argon2", "argon2"),
            Part::Cookies => ("cookies", "cookies"),
            Part::Deflate => ("deflate", "compression"),
            Part::LongPoll => ("longpoll", "HTTP long-poll"),
            Part::Proxy => ("proxy", "proxies"),
            Part::Router => ("router", "the router"),
            Part::Tls => ("tls", "TLS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_builds_have_every_part() {
        let built: Vec<_> = Part::built().collect();
        assert_eq!(
            built,
            ["argon2", "cookies", "deflate", "longpoll", "proxy", "router", "tls"],
            "the unit tests are for builds that leave nothing out"
        );
        assert!(built.is_sorted());
    }

    #[test]
    fn refusals_name_the_feature() {
        for part in Part::ALL {
            let (feature, name) = part.names();
            let told = part.left_out();
            assert!(told.contains(&format!("without {name} (Cargo feature `{feature}`)")));
        }
    }
}
