//! How a failure reaches the user: the chain of causes, each of them once, and never a panic's own words.

use std::process::ExitCode;

/// The exit code of a failure.
pub const FAILURE: u8 = 2;

/// Prints an error with its causes.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    for cause in causes(error) {
        eprintln!("  because: {cause}");
    }
    ExitCode::from(FAILURE)
}

/// An error with its causes in one line.
pub fn in_a_line(error: &anyhow::Error) -> String {
    let causes = causes(error).map(|cause| format!(": {cause}"));
    [error.to_string()].into_iter().chain(causes).collect()
}

/// The causes that an error's own words, and those of the cause before, leave unsaid: transparent errors repeat theirs.
fn causes(error: &anyhow::Error) -> impl Iterator<Item = String> {
    let mut said = error.to_string();
    error.chain().skip(1).map(ToString::to_string).filter(move |cause| {
        let new = !said.contains(cause.as_str());
        said.clone_from(cause);
        new
    })
}

/// Replaces a panic's output by one line that says what to do about it; a panic that is caught and reported as an
/// ordinary error is not spoken of.
pub fn calm_panics() {
    std::panic::set_hook(Box::new(|info| {
        if ghm_data::is_shielded() {
            return;
        }
        let message = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map_or(String::new(), |l| format!(" ({}:{})", l.file(), l.line()));
        eprintln!("error: internal failure: {message}{place}");
        eprintln!("hint: nothing of yours was changed; please report this line with the command that you ran");
    }));
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::{fmt, io};

    use anyhow::anyhow;

    use super::*;

    #[derive(Debug)]
    struct Repeats(io::Error);

    impl fmt::Display for Repeats {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "photos: cannot open the data set: {}", self.0)
        }
    }

    impl Error for Repeats {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_cause_that_has_been_said_is_not_said_again() {
        let error = anyhow::Error::from(Repeats(io::Error::other("no such file")));
        assert_eq!(in_a_line(&error), "photos: cannot open the data set: no such file");
        let error = anyhow!("no such file").context("cannot open the data set").context("the sweep ends");
        assert_eq!(in_a_line(&error), "the sweep ends: cannot open the data set: no such file");
    }
}
