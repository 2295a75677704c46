//! The command line: read, or refused in one sentence.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Error, Parser};

use crate::failure::{Failure, one_line};
use crate::output;

/// Reads the command line. `None`: it asked for help or the version, which has been shown.
pub fn read<P: Parser>() -> Result<Option<P>, Failure> {
    read_from(std::env::args_os())
}

fn read_from<P: Parser>(
    words: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Option<P>, Failure> {
    let error = match P::try_parse_from(words) {
        Ok(arguments) => return Ok(Some(arguments)),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let shown = output::is_read(error.print());
            shown.map_err(|error| Failure::new(format!("cannot write: {error}")))?;
            match error.exit_code() {
                0 => Ok(None),
                code => Err(Failure { code: code as u8, text: String::new() }),
            }
        }
        _ => Err(Failure::usage(sentence(&error, P::command().get_name()))),
    }
}

/// An error of the command line in one sentence, with the word that was probably meant.
fn sentence(error: &Error, program: &str) -> String {
    let plain = error.to_string();
    let head = plain.strip_prefix("error: ").unwrap_or(&plain);
    // Behind an empty line come tips and the usage.
    let head = one_line(head.split("\n\n").next().unwrap_or(head));
    let meant = error.context().find_map(|(kind, value)| match (kind, value) {
        (
            ContextKind::SuggestedArg
            | ContextKind::SuggestedSubcommand
            | ContextKind::SuggestedValue,
            value,
        ) => first(value),
        _ => None,
    });
    match meant {
        Some(meant) => format!("{head}; did you mean '{meant}'?"),
        None => format!("{head}; '{} --help' tells more", command(&plain, program)),
    }
}

/// The program and its subcommand, which the usage begins with, where the error shows one.
fn command(error: &str, program: &str) -> String {
    let usage = error.split("Usage: ").nth(1).unwrap_or(program);
    let words = usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-']));
    words.collect::<Vec<_>>().join(" ")
}

fn first(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(one) => Some(one.clone()),
        ContextValue::Strings(several) => several.first().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser, Debug)]
    #[command(name = "sample")]
    struct Sample {
        #[arg(long)]
        listen: Option<String>,
    }

    fn refused(words: &[&str]) -> Failure {
        let words = words.iter().map(|word| (*word).into());
        read_from::<Sample>(words).unwrap_err()
    }

    #[test]
    fn a_wrong_word_is_refused_in_one_sentence() {
        let failure = refused(&["sample", "--lisen", "x"]);
        let wanted = "unexpected argument '--lisen' found; did you mean '--listen'?";
        assert_eq!((failure.code, failure.text.as_str()), (2, wanted));
        let failure = refused(&["sample", "--listen"]);
        let wanted = "a value is required for '--listen <LISTEN>' but none was supplied; 'sample \
                      --help' tells more";
        assert_eq!(failure.text, wanted);
    }
}
