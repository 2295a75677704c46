//! The manual page and the completions of a program, made of the description of its command line.

use std::io::{self, Write};

use clap::{Command, ValueEnum};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::output::is_read;

/// A text that a program makes of the description of its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// The manual page, for man.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

impl Page {
    /// Writes it to standard output. The manual page has the subcommands, too, one after the other,
    /// and `epilogue`, roff, at its end.
    pub fn print(self, command: Command, epilogue: &str) -> Result<(), Failure> {
        let mut text = Vec::new();
        self.write(command, epilogue, &mut text)
            .and_then(|()| is_read(io::stdout().write_all(&text)))
            .map(drop)
            .map_err(|error| Failure::new(format!("cannot write: {error}")))
    }

    fn write(self, mut command: Command, epilogue: &str, text: &mut Vec<u8>) -> io::Result<()> {
        let shell = match self {
            Page::Man => return man(command, epilogue, text),
            Page::Bash => Shell::Bash,
            Page::Zsh => Shell::Zsh,
            Page::Fish => Shell::Fish,
        };
        let name = command.get_name().to_owned();
        generate(shell, &mut command, name, text);
        Ok(())
    }
}

fn man(mut command: Command, epilogue: &str, text: &mut Vec<u8>) -> io::Result<()> {
    // There is no short manual page.
    command = command.mut_args(|option| option.hide_short_help(false));
    command.build();
    let page = Man::new(command.clone()).manual("libwamp");
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    page.render_options_section(text)?;
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = subcommand.get_name();
        if name == "help" {
            continue;
        }
        writeln!(text, ".SH \"{} {}\"", command.get_name(), name)?;
        // What each subcommand has stands above.
        let own = subcommand.clone().mut_args(|option| {
            let is_above = option.is_global_set() || option.get_id() == "help";
            option.hide_short_help(false).hide(is_above)
        });
        let page = Man::new(own);
        let mut part = Vec::new();
        page.render_synopsis_section(&mut part)?;
        page.render_description_section(&mut part)?;
        page.render_options_section(&mut part)?;
        // A section of a section.
        text.extend(String::from_utf8_lossy(&part).replace(".SH ", ".SS ").into_bytes());
    }
    text.extend_from_slice(epilogue.as_bytes());
    page.render_version_section(text)
}
