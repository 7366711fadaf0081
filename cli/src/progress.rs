//! Progress on standard error, only when it is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use guestmark_builder::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;

/// A spinner that names the step, and a bar while files are downloaded.
pub(crate) struct TerminalProgress {
    bar: ProgressBar,
    quiet: bool,
}

impl TerminalProgress {
    /// Shows nothing when `quiet` or when standard error is not a terminal; warnings still appear
    /// there unless `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = if visible {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, quiet }
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for TerminalProgress {
    fn step(&self, name: &str) {
        self.bar.set_style(style("{spinner} {msg} ({elapsed})"));
        self.bar.set_message(name.to_owned());
    }

    fn downloads(&self, files: usize, bytes: u64) {
        self.bar.set_style(style(
            "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ));
        self.bar
            .set_message(format!("Downloading {files} packages"));
        self.bar.set_length(bytes);
        self.bar.set_position(0);
    }

    fn received(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn warning(&self, message: &str) {
        if !self.quiet {
            self.bar.suspend(|| say(&format!("warning: {message}")));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|error| unreachable!("templates are literals: {error}"))
}
