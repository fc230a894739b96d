//! How a failure reaches the user: the chain of causes, one line each, and never a panic's own words.

use std::process::ExitCode;

/// The exit code of a failure.
pub const FAILURE: u8 = 2;

/// Prints an error with its causes.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Transparent errors repeat their cause.
        if !said.contains(&cause) {
            eprintln!("  because: {cause}");
        }
        said = cause;
    }
    ExitCode::from(FAILURE)
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
